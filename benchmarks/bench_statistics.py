"""How long paired tests take of a table that has 50 runs, 3 benchmarks and 64 samples a question: 2.3 million verdicts.

    python benchmarks/bench_statistics.py

The verdicts are made up, in a directory of their own (about 550 MB), before the clock starts.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "tests" / "report"))
from made_up import row, spec, verdict

from r1k.files import atomic_write
from r1k.report.tables.paired_tests.make import make_paired_tests
from r1k.report.tables.paired_tests.results import paired_blocks
from r1k.report.tables.paired_tests.verdicts import read_verdicts

RUNS, SAMPLES = 50, 64
SIZES = {"aime": 30, "math": 500, "gpqa": 198}
WRONG = 6
"""Different wrong answers to a question."""


def main() -> None:
    """Measure and print."""
    names = [f"run{number:02d}" for number in range(RUNS)]
    table = spec([row(name, "s1k") for name in names])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = [_write(folder, run, benchmark, n) for run in names for benchmark, n in SIZES.items()]
        out = {kind: folder / f"t.{kind}" for kind in ("markdown", "csv", "latex")}
        with _timed("reading"):
            read = read_verdicts(paths)
        with _timed("statistics"):
            paired_blocks(table, read, {})
        del read
        with _timed("the whole table, with its manifest"):
            make_paired_tests(table=table, graded=paths, **out)


@contextmanager
def _timed(what: str) -> Iterator[None]:
    start, used = time.perf_counter(), time.process_time()
    yield
    print(f"{what}: {time.perf_counter() - start:.1f} s, {time.process_time() - used:.1f} s of processors")


def _write(folder: Path, run: str, benchmark: str, n: int) -> Path:
    rng = np.random.default_rng([*run.encode(), n])
    line = {
        right: verdict("@", right, benchmark, gold="\\frac{1}{2}", last_number="2").model_dump_json().split('"@"')
        for right in (True, False)
    }
    chance, other = rng.beta(1, 1, n), rng.integers(WRONG, size=(n, SAMPLES))
    right = rng.random((n, SAMPLES)) < chance[:, None]
    path = folder / run / "0" / benchmark / "graded.jsonl"
    with atomic_write(path) as handle:
        for q in range(n):
            for k in range(SAMPLES):
                before, after = line[bool(right[q, k])]
                after = after.replace('"sample":0', f'"sample":{k}').replace(
                    '"2"', f'"\\\\frac{{{q}}}{{{other[q, k]}}}"', 1
                )
                handle.write(f'{before}"{benchmark}-{q}"{after}\n')
    return path


if __name__ == "__main__":
    main()
