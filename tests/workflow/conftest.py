"""Working directories for workflows, a finished micro experiment, and a cluster."""

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
    """Four nodes of eight GPUs that are not there, under real Slurm daemons."""
    lacking = missing()
    if lacking:
        pytest.skip(f"Slurm is not installed ({', '.join(lacking)})")
    # A socket's path may not be long: not below pytest's own directories.
    with tempfile.TemporaryDirectory(prefix="slurm-") as directory, ThrowawaySlurm(Path(directory)) as running:
        yield running


@pytest.fixture
def workflow(tmp_path) -> Workflow:
    return Workflow(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory, worker_id) -> Workflow:
    """The micro experiment, run to its end without a disturbance: once for all workers, each of which gets a copy."""
    own = tmp_path_factory.getbasetemp()
    place = (own if worker_id == "master" else own.parent) / "finished"
    with FileLock(f"{place}.lock"):
        if not (place / "results" / "micro" / "report.html").exists():
            place.mkdir()
            Workflow(place).micro("all")
    # A copy keeps modification times, from which Snakemake knows what is up to date.
    return Workflow(Path(shutil.copytree(place, own / "finished-copy", symlinks=True)))
