"""What the workflow costs besides the work: start-up, planning, finding that nothing is to be done; and the whole demo.

    python benchmarks/bench_workflow.py
    python benchmarks/bench_workflow.py --demo

Every time is the best of three. `--demo` runs the whole demo first, in a directory of its own, and prints its time and
the peak of its memory (the proportional set size of all its processes, every second); without it, what `results/demo`
holds is asked for again.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

sys.path.append(str(Path(__file__).parents[1] / "tests"))
sys.path.append(str(Path(__file__).parents[1] / "tests" / "workflow"))
from workflows import Workflow, environment

from examples import ROOT

BIN = Path(sys.executable).parent
R1K, SNAKEMAKE = BIN / "r1k", BIN / "snakemake"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--demo", action="store_true", help="run the whole demo and measure it: about ten minutes")
    options = parser.parse_args()
    print(f"r1k --help: {_best([R1K, '--help'], ROOT):.2f} s")
    with tempfile.TemporaryDirectory() as name:
        place = Workflow(Path(name)).directory
        for seeds in (1, 5, 10):
            plan = ["--configfile", "config/paper.yaml", "--config", f"seeds={list(range(seeds))}", "-n", "-q"]
            print(f"snakemake -n of the paper's experiment, {seeds} seeds: {_best([SNAKEMAKE, *plan], place):.2f} s")
        if options.demo:
            seconds, peak = _measured([SNAKEMAKE, "all"], place)
            print(f"the demo: {seconds:.0f} s, peak memory {peak / 2**30:.2f} GiB")
        _ask_again(place if options.demo else ROOT)


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


def _measured(command: Sequence[str | Path], place: Path) -> tuple[float, int]:
    begin, peak = time.perf_counter(), 0
    with tempfile.TemporaryFile("w+") as log:
        running = psutil.Popen(command, cwd=place, env=environment(), stdout=log, stderr=log)
        while running.poll() is None:
            peak = max(peak, _memory(running))
            time.sleep(1)
        if running.returncode:
            log.seek(0)
            sys.exit(log.read()[-5000:])
    return time.perf_counter() - begin, peak


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
