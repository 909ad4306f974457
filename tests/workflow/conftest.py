"""Fixtures: a workflow's working directory, a finished micro experiment, and a Slurm cluster."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from workflows import Workflow

from throwaway_slurm import ThrowawaySlurm, missing


@pytest.fixture(scope="session")
def cluster(tmp_path_factory) -> Iterator[ThrowawaySlurm]:
    """Yield real Slurm daemons with four simulated nodes of eight GPUs."""
    lacking = missing()
    if lacking:
        pytest.skip(f"Slurm is not installed ({', '.join(lacking)})")
    # A socket's path is limited in length, so it is not below pytest's directories.
    with tempfile.TemporaryDirectory(prefix="slurm-") as directory, ThrowawaySlurm(Path(directory)) as running:
        yield running


@pytest.fixture
def workflow(tmp_path) -> Workflow:
    return Workflow(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory, worker_id) -> Workflow:
    """Return the micro experiment, run to its end without faults: once for all workers, each of which gets a copy."""
    own = tmp_path_factory.getbasetemp()
    place = (own if worker_id == "master" else own.parent) / "finished"
    with FileLock(f"{place}.lock"):
        if not (place / "results" / "micro" / "report.html").exists():
            place.mkdir()
            Workflow(place).micro("all")
    # The copy keeps modification times, by which Snakemake knows what is up to date.
    return Workflow(Path(shutil.copytree(place, own / "finished-copy", symlinks=True)))
