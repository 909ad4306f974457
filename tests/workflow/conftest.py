"""A working directory of its own for a workflow, with the project's files linked into it."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from examples import ROOT
from throwaway_slurm import ThrowawaySlurm, missing

MICRO = Path(__file__).parent / "micro.yaml"


class Workflow:
    """The project's workflow, run in `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for name in ("Snakefile", "workflow", "profiles", "slurm", "envs", "config"):
            (directory / name).symlink_to(ROOT / name)

    def command(self, *arguments: str, config: Path = MICRO) -> list[str]:
        return [sys.executable, "-m", "snakemake", "--configfile", str(config), "--", *arguments]

    def start(self, *arguments: str, config: Path = MICRO) -> subprocess.Popen:
        log = (self.directory / "snakemake.log").open("a")
        return subprocess.Popen(
            self.command(*arguments, config=config),
            cwd=self.directory,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment(),
            start_new_session=True,
        )

    def start_with(self, arguments: Sequence[str], log: Path, more: Mapping[str, str]) -> subprocess.Popen:
        """Snakemake in the background."""
        with log.open("a") as handle:
            return subprocess.Popen(
                [sys.executable, "-m", "snakemake", *arguments],
                cwd=self.directory,
                stdout=handle,
                stderr=handle,
                env=environment(more),
            )

    def run(
        self, arguments: Sequence[str], check: bool = True, more: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess:
        """Snakemake to its end; `more` goes into its environment, behind the rules' own PATH."""
        done = subprocess.run(
            [sys.executable, "-m", "snakemake", *arguments],
            cwd=self.directory,
            capture_output=True,
            text=True,
            env=environment(more),
        )
        if check:
            assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
        return done

    def micro(self, *targets: str) -> subprocess.CompletedProcess:
        return self.run(["--configfile", str(MICRO), "--", *targets])


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    # The rules' commands are those of the environment that the tests run in.
    whole = os.environ | (more or {})
    return whole | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{whole['PATH']}"}


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
