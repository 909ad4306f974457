"""What the workflow costs besides the work: start-up, planning, finding that nothing is to be done; and the whole demo.

    python benchmarks/bench_workflow.py
    python benchmarks/bench_workflow.py --demo

Every time is the best of three. `--demo` first runs the whole demo in a directory of its own. It prints the wall time,
the processor time (user and system, of all processes; other work on the machine hardly changes it), the peak memory
(proportional set size of all processes, sampled every second), the hours of each command that keeps a usage record,
and the SHA-256 of Tables 1 and 2. Without `--demo`, the second call asks for what `results/demo` holds.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

sys.path.append(str(Path(__file__).parents[1] / "tests"))
sys.path.append(str(Path(__file__).parents[1] / "tests" / "workflow"))
from workflows import Workflow, environment

from examples import ROOT
from r1k.files import file_digest
from r1k.usage import summary

BIN = Path(sys.executable).parent
R1K, SNAKEMAKE = BIN / "r1k", BIN / "snakemake"

WALL_LIMIT, MEMORY_LIMIT = 360, 4 * 2**30
"""Seconds and bytes that the demo may take on two cores with nothing else running."""


@dataclass(frozen=True)
class Spent:
    """What a command used, its descendants included."""

    wall: float
    processor: float
    """Seconds of user and system time."""
    peak: int
    """Bytes of proportional set size."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--demo", action="store_true", help="run the whole demo and measure it")
    options = parser.parse_args()
    print(f"r1k --help: {_best([R1K, '--help'], ROOT):.2f} s")
    with tempfile.TemporaryDirectory() as name:
        place = Workflow(Path(name)).directory
        for seeds in (1, 5, 10):
            plan = ["--configfile", "config/paper.yaml", "--config", f"seeds={list(range(seeds))}", "-n", "-q"]
            print(f"snakemake -n of the paper's experiment, {seeds} seeds: {_best([SNAKEMAKE, *plan], place):.2f} s")
        if options.demo:
            _report_demo(_measured([SNAKEMAKE, "all"], place), place / "results" / "demo")
        _ask_again(place if options.demo else ROOT)


def _report_demo(spent: Spent, results: Path) -> None:
    within = spent.wall <= WALL_LIMIT and spent.peak <= MEMORY_LIMIT
    print(
        f"the demo: {spent.wall:.0f} s, {spent.processor:.0f} processor-seconds, peak memory "
        f"{spent.peak / 2**30:.2f} GiB: {'within' if within else 'ABOVE'} {WALL_LIMIT} s and "
        f"{MEMORY_LIMIT / 2**30:.0f} GiB"
    )
    print(summary(attempts=results / "usage"), end="")
    for table in ("table1.csv", "table2.csv"):
        print(f"{table}: {file_digest(results / 'tables' / table)}")


def _ask_again(place: Path) -> None:
    if not (place / "results" / "demo" / "report.html").exists():
        print("a second `snakemake all`: no finished demo here; `make demo` first, or --demo")
        return
    print(f"a second `snakemake all`: {_best([SNAKEMAKE, 'all'], place, says='Nothing to be done'):.2f} s")


def _best(command: Sequence[str | Path], place: Path, says: str = "") -> float:
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        done = subprocess.run(command, cwd=place, env=environment(), capture_output=True, text=True)
        times.append(time.perf_counter() - begin)
        said = done.stdout + done.stderr
        if done.returncode or says not in said:
            sys.exit(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{said[-3000:]}")
    return min(times)


def _measured(command: Sequence[str | Path], place: Path) -> Spent:
    begin, before, peak = time.perf_counter(), _processor_seconds(), 0
    with tempfile.TemporaryFile("w+") as log:
        running = psutil.Popen(command, cwd=place, env=environment(), stdout=log, stderr=log)
        while running.poll() is None:
            peak = max(peak, _memory(running))
            time.sleep(1)
        if running.returncode:
            log.seek(0)
            sys.exit(log.read()[-5000:])
    return Spent(time.perf_counter() - begin, _processor_seconds() - before, peak)


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _memory(root: psutil.Process) -> int:
    total = 0
    for process in [root, *root.children(recursive=True)]:
        try:
            total += process.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return total


if __name__ == "__main__":
    main()
