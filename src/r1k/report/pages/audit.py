"""The audit's page: its tables and plots, from the files that the audit wrote."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from r1k.data.audit.records import (
    Audit,
    ExampleFacts,
    FormatSummary,
    Overlap,
    OverlapSummary,
    Quantiles,
    Share,
    read_audit,
    read_overlaps,
)
from r1k.records import read_jsonl
from r1k.report.figures import audit as figures
from r1k.report.numbers import format_interval, percent, percent_ends
from r1k.report.pages.render import write_page

MAX_OVERLAPS = 20
"""The page lists at most this many overlaps; contamination.jsonl has all."""
MAX_CHARACTERS = 300
"""The page shows at most this many characters of an overlap's text."""


def write_audit_page(*, title: str, summary: Path, contamination: Path, examples: Path, output: Path) -> None:
    """Write the audit's page, with plots.

    Raises RecordError, with file and line, if a file holds no record of the audit.

    Args:
        title: The name of the experiment.
        summary: The audit's summary, audit.json.
        contamination: The overlaps of examples and benchmark questions, contamination.jsonl.
        examples: The lengths and the form of each example, examples.jsonl.
        output: The page, as HTML.
    """
    audit, overlaps, facts = read_audit(summary), read_overlaps(contamination), read_jsonl(examples, ExampleFacts)
    pictures = {
        "contamination": figures.contamination(audit.contamination, overlaps),
        "formats": figures.formats(audit.formats),
        "separability": figures.separability(audit),
        "lengths": figures.lengths(facts, [cut.limit for cut in audit.formats[0].truncations]),
    }
    write_page("audit.html.jinja", output, title=title, pictures=pictures, **_values(audit, overlaps))


def _values(audit: Audit, overlaps: Sequence[Overlap]) -> dict[str, Any]:
    """Return the page's numbers: each table as rows of cells."""
    too_short = {line.benchmark: line.too_short for line in audit.contamination if line.too_short}
    return {
        "base": audit.base,
        "problems": audit.problems,
        "contamination": [_contamination_row(line) for line in audit.contamination],
        "too_short": ", ".join(f"{count} of {name}" for name, count in too_short.items()),
        "overlaps": len(overlaps),
        "longest": [_overlap_row(overlap) for overlap in _longest(overlaps)],
        "formats_header": ["", *(form.direction for form in audit.formats)],
        "formats": _format_rows(audit.formats),
        "separability": [
            [
                line.prompts,
                f"{line.end} {line.tokens}",
                str(line.n),
                str(line.problems),
                *(format_interval(found, ".3f") for found in (line.accuracy, line.auc)),
            ]
            for line in audit.separability
        ],
        "lengths": [
            [part, form.direction, *_numbers(getattr(form, part))]
            for part in ("prompt", "response", "answer")
            for form in audit.formats
        ],
        "cuts": [
            [f"{cut.limit:,}", form.direction, share(cut.examples), f"{cut.tokens:,}"]
            for form in audit.formats
            for cut in form.truncations
        ],
    }


def _contamination_row(line: OverlapSummary) -> list[str]:
    return [
        line.benchmark,
        f"{line.direction} {line.where}s",
        share(line.examples),
        share(line.questions),
        f"{line.ngrams:,}",
        str(line.longest),
        str(line.exact),
    ]


def _longest(overlaps: Sequence[Overlap]) -> list[Overlap]:
    return sorted(overlaps, key=lambda overlap: (-overlap.exact, -overlap.longest, overlap.id))[:MAX_OVERLAPS]


def _overlap_row(overlap: Overlap) -> list[str]:
    return [
        overlap.question,
        f"{overlap.problem}, {overlap.direction} {overlap.where}",
        f"{overlap.longest} of {overlap.words}",
        "yes" if overlap.exact else "no",
        "not redistributable" if overlap.text is None else _shorten(overlap.text),
    ]


def _format_rows(formats: Sequence[FormatSummary]) -> list[list[str]]:
    rows = {
        r"answer contains \boxed{…}": [share(form.boxed) for form in formats],
        "answer contains “Answer:”": [share(form.says_answer) for form in formats],
        "answer starts with “Answer:”": [share(form.starts_with_answer) for form in formats],
        "answer starts with “Answer:” in training": [share(form.trained_with_answer) for form in formats],
        "reasoning tags or special tokens as text": [share(form.stray_marks) for form in formats],
        "graded correct": [share(form.correct) for form in formats],
        "not graded": [str(form.ungraded) for form in formats],
        "ASCII characters, mean share": [f"{100 * form.ascii:.2f} %" for form in formats],
        "letters by script": [
            ", ".join(f"{script} {100 * part:.2f} %" for script, part in form.scripts.items()) for form in formats
        ],
        "examples with at least 1 % of their letters in the script": [
            ", ".join(f"{script} {count}" for script, count in form.examples_by_script.items()) for form in formats
        ],
    }
    return [[name, *cells] for name, cells in rows.items()]


def _numbers(q: Quantiles) -> list[str]:
    return [f"{value:,.0f}" for value in (q.mean, q.minimum, q.p25, q.median, q.p75, q.p95, q.maximum)]


def share(value: Share) -> str:
    """Return a count and its share: `12 of 20, 60 % [39, 78]`."""
    if value.interval is None:
        return "0 of 0"
    return f"{value.count} of {value.n}, {percent(value.interval.value, 0)} % {percent_ends(value.interval, 0)}"


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 1] + "…"
