"""What a job costs beyond its command, on a cluster and without one.

    python benchmarks/bench_slurm.py

The same training of a second or two, by Snakemake on this machine and through a throw-away Slurm, with the quickest
looks at jobs and with the profile's own. The overhead is Snakemake's whole time less that of the command itself, by
the record that each attempt keeps; what comes before the training is made beforehand.
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
    """Measure and print."""
    lacking = missing()
    if lacking:
        sys.exit(f"Slurm is not installed ({', '.join(lacking)})")
    with tempfile.TemporaryDirectory() as place, tempfile.TemporaryDirectory(prefix="slurm-") as directory:
        workflow = Workflow(Path(place))
        workflow.micro(f"{RUN}/run.json")
        with ThrowawaySlurm(Path(directory), nodes=1) as cluster:
            for name, options, more in (
                ("here", [], {}),
                ("through Slurm, looked after every second", ["--profile", "slurm", *QUICK], cluster.environment),
                ("through Slurm, by the profile", ["--profile", "slurm"], cluster.environment),
            ):
                whole, command = _timed(workflow, options, more)
                print(f"{name}: {whole:.1f} s, of which the command {command:.1f} s: overhead {whole - command:.1f} s")


def _timed(workflow: Workflow, options: Sequence[str], more: Mapping[str, str]) -> tuple[float, float]:
    subprocess.run(["rm", "-rf", f"{RUN}/adapter", "results/micro/state/train"], cwd=workflow.directory, check=True)
    begin = time.perf_counter()
    command = [sys.executable, "-m", "snakemake", *options, "--configfile", str(MICRO), "--", f"{RUN}/adapter"]
    subprocess.run(command, cwd=workflow.directory, env=environment(more), capture_output=True, check=True)
    whole = time.perf_counter() - begin
    return whole, read_attempts(workflow.directory / "results" / "micro" / "usage")[-1].seconds


if __name__ == "__main__":
    main()
