"""A working directory of its own for a workflow, with the project's files linked into it."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from examples import ROOT

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

    def run(self, arguments: Sequence[str], check: bool = True) -> subprocess.CompletedProcess:
        done = subprocess.run(
            [sys.executable, "-m", "snakemake", *arguments],
            cwd=self.directory,
            capture_output=True,
            text=True,
            env=environment(),
        )
        if check:
            assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
        return done

    def micro(self, *targets: str) -> subprocess.CompletedProcess:
        return self.run(["--configfile", str(MICRO), "--", *targets])


def environment() -> dict[str, str]:
    # The rules' commands are those of the environment that the tests run in.
    return os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture
def workflow(tmp_path) -> Workflow:
    return Workflow(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Workflow:
    """The micro experiment, run to its end without a disturbance."""
    done = Workflow(tmp_path_factory.mktemp("finished"))
    done.micro("all")
    return done
