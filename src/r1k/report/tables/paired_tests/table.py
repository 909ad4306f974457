"""The robust form of a table: from graded files to Markdown, CSV and LaTeX."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from r1k.config import TableSpec
from r1k.data.audit.records import read_overlaps
from r1k.files import write_texts
from r1k.provenance import Stopwatch, write_manifest
from r1k.report.document import to_latex, to_markdown
from r1k.report.statistics.estimates import Estimate
from r1k.report.tables.paired_tests.comparisons import Comparison
from r1k.report.tables.paired_tests.content import RobustBlock, blocks
from r1k.report.tables.paired_tests.page import sheet
from r1k.report.tables.paired_tests.scores import RobustScore
from r1k.report.tables.paired_tests.verdicts import read_verdicts
from r1k.report.tables.rendering import csv_text


def compare_runs(
    *, spec: TableSpec, graded: Sequence[Path], contaminated: Path | None, markdown: Path, csv: Path, latex: Path
) -> None:
    """Write a table's robust form from files `…/{run}/{seed}/{benchmark}/graded.jsonl`.

    `contaminated` is the audit's `contamination.jsonl`; scores are then given without those questions too. RecordError
    and ConfigError name what is missing, comes twice or does not match.
    """
    watch = Stopwatch()
    content = blocks(spec, read_verdicts(graded), _contaminated(contaminated))
    page = sheet(spec, content)
    files = write_texts({markdown: to_markdown(page), csv: csv_text(csv_rows(spec, content)), latex: to_latex(page)})
    inputs = {"graded": graded} | ({"contaminated": contaminated} if contaminated else {})
    write_manifest(markdown, "compare", inputs, watch, files=files)


def _contaminated(path: Path | None) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for match in read_overlaps(path) if path else ():
        found.setdefault(match.benchmark, set()).add(match.question)
    return found


def csv_rows(spec: TableSpec, content: Sequence[RobustBlock]) -> list[dict[str, Any]]:
    """A row for each run and benchmark, or average; shares of one."""
    rows = []
    for block in content:
        clean = {(score.run, score.benchmark): score for score in block.clean}
        against = {(comparison.run, comparison.benchmark): comparison for comparison in block.comparisons}
        for score in block.scores:
            key = (score.run, score.benchmark)
            start = {
                "table": spec.name,
                "direction": block.direction,
                "run": score.run,
                "benchmark": score.benchmark,
                "seeds": len(spec.seeds),
                "samples": block.answers[score.benchmark][2] if score.benchmark in block.answers else "",
            }
            rows.append(start | _score(score) | _clean(clean.get(key)) | _comparison(against.get(key)))
    return rows


def _score(score: RobustScore) -> dict[str, Any]:
    parts = score.components
    variances = {name: getattr(parts, name) for name in ("question", "seed", "interaction", "sample")} if parts else {}
    return {
        "n": score.n,
        **_estimate("score", score.score),
        "unparsed": _rounded(score.unparsed),
        "truncated": _rounded(score.truncated),
        **{
            column: value
            for k, passed in score.passed.items()
            for column, value in _estimate(f"pass@{k}", passed).items()
        },
        **(_estimate("majority", score.majority) if score.majority else {}),
        **{f"variance_{name}": _rounded(value) for name, value in variances.items()},
    }


def _clean(score: RobustScore | None) -> dict[str, Any]:
    return {} if score is None else {"clean_n": score.n, **_estimate("clean", score.score)}


def _comparison(comparison: Comparison | None) -> dict[str, Any]:
    if comparison is None:
        return {}
    return {
        "against": comparison.against,
        **_estimate("difference", comparison.difference),
        "p": comparison.p,
        "p_holm": comparison.adjusted,
        "survives": int(comparison.survives),
        "smallest_detectable": _rounded(comparison.detectable),
    }


def _estimate(name: str, estimate: Estimate) -> dict[str, Any]:
    ends = {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    return {column: _rounded(value) for column, value in ends.items()}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
