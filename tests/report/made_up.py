"""Made-up verdicts, and specifications of tables that show them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from r1k.config import Row, TableSpec
from r1k.records import Graded, write_jsonl

BENCHMARKS = {"aime": "AIME", "math": "Math", "gpqa": "GPQA"}


def row(run: str, data: str | None, model: str = "7B", method: str = "sft", parent: str | None = None, start=None):
    return Row(run=run, data=data, method=method, base=model.lower(), model=model, parent=parent, start_data=start)


def spec(rows: Sequence[Row], **changes: Any) -> TableSpec:
    values = {
        "name": "table1",
        "kind": "sft",
        "rows": rows,
        "benchmarks": BENCHMARKS,
        "seeds": [0],
        "directions": ["all"],
        "published": False,
        "notes": [],
        "references": {other.run: rows[0].run for other in rows[1:]},
    }
    return TableSpec(**(values | changes))


def verdict(question: str, correct: bool, benchmark: str = "aime", **changes: Any) -> Graded:
    values = {
        "id": question,
        "benchmark": benchmark,
        "direction": None,
        "gold": "1",
        "extracted": "1" if correct else "2",
        "correct": correct,
        "rule": "integer",
        "last_number": None,
        "last_number_correct": None,
        "truncated": False,
    }
    return Graded(**(values | changes))


def write_counts(folder: Path, counts: Mapping[str, Sequence[int]], sizes: Sequence[int]) -> list[Path]:
    """Write verdicts of runs that answer the first `counts` questions of each benchmark correctly."""
    paths = []
    for run, corrects in counts.items():
        for benchmark, correct, n in zip(BENCHMARKS, corrects, sizes, strict=True):
            path = folder / run / "0" / benchmark / "graded.jsonl"
            write_jsonl(path, [verdict(f"{benchmark}-{k:03d}", k < correct, benchmark) for k in range(n)])
            paths.append(path)
    return paths
