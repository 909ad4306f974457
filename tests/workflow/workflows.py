"""The project's workflow in its own working directory, and Slurm's records of its jobs."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from examples import ROOT
from throwaway_slurm import GPUS, ThrowawaySlurm

MICRO = Path(__file__).parent / "micro.yaml"
TABLES = [
    f"results/micro/tables/{table}{kind}.{form}"
    for table in ("table1", "table2")
    for kind in ("", "-paired-tests")
    for form in ("md", "csv", "tex")
]


class Workflow:
    """The project's workflow, run in `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for name in ("Snakefile", "workflow", "profiles", "slurm", "envs", "config"):
            if not (directory / name).exists():
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
        """Start Snakemake in the background."""
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
        """Run Snakemake to its end; `more` adds environment variables, before the rules' PATH is set."""
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


def r1k_processes(directory: Path) -> dict[int, bytes]:
    """Return the r1k processes in the directory, with their command lines."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes()
            if (process / "cwd").resolve() == directory.resolve() and b"r1k" in line:
                found[int(process.name)] = line
        except (PermissionError, FileNotFoundError, ProcessLookupError):
            continue
    return found


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    # The rules use the commands of the tests' own environment.
    whole = os.environ | (more or {})
    return whole | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{whole['PATH']}"}


QUICK = [
    "--slurm-init-seconds-before-status-checks",
    "1",
    "--seconds-between-status-checks",
    "1",
    "--latency-wait",
    "10",
]
"""Options of Snakemake for jobs of seconds."""
MICRO_ON_SLURM = ["--profile", "slurm", "--configfile", str(MICRO), *QUICK]


def jobs_of(cluster: ThrowawaySlurm) -> dict[str, dict[str, str]]:
    """Return Slurm's record of every job, by job id."""
    records = cluster.run("scontrol", "--oneliner", "show", "jobs").splitlines()
    fields = [dict(re.findall(r"(\S+?)=(\S*)", record)) for record in records if "JobId=" in record]
    return {job["JobId"]: job for job in fields}


def trainings_of(cluster: ThrowawaySlurm) -> dict[str, dict[str, str]]:
    """Return Slurm's records of the jobs that requested all GPUs of a node."""
    return {name: job for name, job in jobs_of(cluster).items() if job.get("TresPerJob") == f"gres:gpu:{GPUS}"}
