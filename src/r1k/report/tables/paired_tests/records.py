"""CSV records of paired tests: a row for each run and benchmark, or average, in shares of one."""

from collections.abc import Iterator, Sequence
from typing import Any

from r1k.config import TableSpec
from r1k.intervals import Interval
from r1k.report.numbers import csv_interval, csv_number
from r1k.report.tables.paired_tests.comparisons import Comparison
from r1k.report.tables.paired_tests.results import PairedBlock
from r1k.report.tables.paired_tests.scores import RunScore


def paired_records(spec: TableSpec, blocks: Sequence[PairedBlock]) -> Iterator[dict[str, Any]]:
    """Yield the records in the order of the scores."""
    for block in blocks:
        clean = {(score.run, score.benchmark): score for score in block.clean}
        against = {(comparison.run, comparison.benchmark): comparison for comparison in block.comparisons}
        for score in block.scores:
            key = (score.run, score.benchmark)
            yield {
                "table": spec.name,
                "direction": block.direction,
                "run": score.run,
                "benchmark": score.benchmark,
                "seeds": len(spec.seeds),
                "samples": block.answers[score.benchmark][2] if score.benchmark in block.answers else "",
                **_score(score),
                **_clean(clean.get(key)),
                **_comparison(against.get(key)),
            }


def _score(score: RunScore) -> dict[str, Any]:
    parts = score.components
    variances = {name: getattr(parts, name) for name in ("question", "seed", "interaction", "sample")} if parts else {}
    return {
        "n": score.n,
        **_interval("score", score.score),
        "unparsed": csv_number(score.unparsed),
        "truncated": csv_number(score.truncated),
        **{
            column: value
            for k, passed in score.passed.items()
            for column, value in _interval(f"pass@{k}", passed).items()
        },
        **(_interval("majority", score.majority) if score.majority else {}),
        **{f"variance_{name}": csv_number(value) for name, value in variances.items()},
    }


def _clean(score: RunScore | None) -> dict[str, Any]:
    return {} if score is None else {"clean_n": score.n, **_interval("clean", score.score)}


def _comparison(comparison: Comparison | None) -> dict[str, Any]:
    if comparison is None:
        return {}
    return {
        "against": comparison.against,
        **_interval("difference", comparison.difference),
        "p": comparison.p,
        "p_holm": comparison.adjusted,
        "survives": int(comparison.survives),
        "smallest_detectable": csv_number(comparison.detectable),
    }


def _interval(name: str, found: Interval) -> dict[str, float | str]:
    return csv_interval(found, name, f"{name}_low", f"{name}_high")
