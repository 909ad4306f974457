"""Estimates of `r1k plan` against what finished experiments took: python tests/benchmarks/bench_plan.py.

Reads the manifests of results/demo and results/smollm2 (or of --results), and says for each rule how far estimate and
measurement are apart: seconds summed over its jobs, peak memory of the largest job, bytes on disk. Timings of a machine
on which something else runs say little.
"""

import argparse
from pathlib import Path

from r1k.config import load
from r1k.plan.plan import summarise

ROOT = Path(__file__).parents[2]
ALLOWED = 0.25
COLUMNS = (("time", "s", 1), ("memory", "MiB", 2**20), ("disk", "MiB", 2**20))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--experiments", nargs="+", default=["demo", "smollm2"])
    parser.add_argument("--results", type=Path, default=ROOT / "results")
    options = parser.parse_args()
    for name in options.experiments:
        rows = [row for row in summarise(load(ROOT / "config" / f"{name}.yaml"), options.results).rows if row.measured]
        if not rows:
            print(f"{name}: nothing is finished under {options.results / name}")
        for row in rows:
            for (what, unit, size), (estimate, measured) in zip(COLUMNS, row.compared, strict=True):
                if estimate and measured:
                    off = estimate / measured - 1
                    mark = "" if abs(off) <= ALLOWED else "  beyond 25 %"
                    values = f"{estimate / size:10.2f} {measured / size:10.2f} {unit:3}"
                    print(f"{name:8} {row.name:26} {row.measured:2} jobs  {what:8} {values} {off:+6.0%}{mark}")


if __name__ == "__main__":
    main()
