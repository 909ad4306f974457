"""Fixtures: a workflow's working directory, a finished micro experiment, and a Slurm cluster."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
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
def finished(tmp_path_factory) -> Workflow:
    """Return the micro experiment, run to its end without faults."""
    done = Workflow(tmp_path_factory.mktemp("finished"))
    done.micro("all")
    return done
