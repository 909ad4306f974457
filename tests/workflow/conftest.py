"""Working directories for workflows, a finished micro experiment, and a cluster."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
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
def finished(tmp_path_factory) -> Workflow:
    """The micro experiment, run to its end without a disturbance."""
    done = Workflow(tmp_path_factory.mktemp("finished"))
    done.micro("all")
    return done
