"""Measure the overhead of a job beyond its command, on Slurm and without Slurm.

    python benchmarks/bench_slurm.py

The benchmark runs one short training job with Snakemake on this machine, and through a throwaway Slurm cluster with
1-second polling and with the profile's polling. The overhead is Snakemake's time minus the command's time, as recorded
by the attempt. The inputs of the training job are made beforehand.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))
sys.path.append(str(Path(__file__).parents[1] / "tests" / "workflow"))
from workflows import MICRO, QUICK, Workflow, environment

from r1k.usage import read_attempts
from throwaway_slurm import ThrowawaySlurm, missing

RUN = "results/micro/runs/tiny-half/0"


def main() -> None:
    """Measure the three cases and print their overheads."""
    not_installed = missing()
    if not_installed:
        sys.exit(f"Slurm is not installed ({', '.join(not_installed)})")
    with tempfile.TemporaryDirectory() as place, tempfile.TemporaryDirectory(prefix="slurm-") as directory:
        workflow = Workflow(Path(place))
        workflow.micro(f"{RUN}/run.json")
        with ThrowawaySlurm(Path(directory), nodes=1) as cluster:
            for name, options, variables in (
                ("without Slurm", [], {}),
                ("through Slurm, with 1-second polling", ["--profile", "slurm", *QUICK], cluster.environment),
                ("through Slurm, with the profile's polling", ["--profile", "slurm"], cluster.environment),
            ):
                total, command = _timed(workflow, options, variables)
                print(f"{name}: {total:.1f} s, command {command:.1f} s, overhead {total - command:.1f} s")


def _timed(workflow: Workflow, options: Sequence[str], variables: Mapping[str, str]) -> tuple[float, float]:
    """Return the seconds of Snakemake and of the command for one training job."""
    subprocess.run(["rm", "-rf", f"{RUN}/adapter", "results/micro/state/train"], cwd=workflow.directory, check=True)
    begin = time.perf_counter()
    command = [sys.executable, "-m", "snakemake", *options, "--configfile", str(MICRO), "--", f"{RUN}/adapter"]
    subprocess.run(command, cwd=workflow.directory, env=environment(variables), capture_output=True, check=True)
    total = time.perf_counter() - begin
    return total, read_attempts(workflow.directory / "results" / "micro" / "usage")[-1].seconds


if __name__ == "__main__":
    main()
