"""The table of the checks of the inverses: how many passed, by kind of problem."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from r1k.files import write_texts
from r1k.markup import escape_markdown
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import VERDICTS, Check, VerdictName, read_jsonl
from r1k.report.tables.rendering import csv_text, markdown_grid

TITLES: Mapping[VerdictName, str] = {
    "answer_hidden": "Answer hidden",
    "asks_for_given": "Asks for given",
    "uses_answer": "Uses answer",
    "consistent": "Consistent",
    "reached": "Reached",
    "own_question": "Own question",
}
ALL = "all"
OUTCOMES = {True: "passed", False: "failed", None: "undecided"}
NOTES = (
    "Problems whose inverse passed/failed/could not be decided. Whole: it passed all six.",
    "Answer hidden: the reverse question does not state its own answer. Asks for given: what the reverse answer gives, "
    "the forward question stated. Uses answer: the forward answer is a premise of the reverse question. Consistent: "
    "the reverse answer is the premise that was left out, by rules where it is exact, else by the judge if there is "
    "one. Reached: the teacher's response ended by itself, with an answer that can be read. Own question: no near-copy "
    "of another question.",
    "What a verdict stands on is beside it in checks.jsonl.",
)


def make_checks_table(*, checks: Path, markdown: Path, csv: Path) -> None:
    """Write the counts as Markdown and, one number of problems a row, as CSV."""
    watch = Stopwatch()
    found = read_jsonl(checks, Check)
    files = write_texts({markdown: markdown_table(found), csv: csv_text(csv_rows(found))})
    write_manifest(markdown, "checks table", {"checks": checks}, watch, files=files)


def markdown_table(found: Sequence[Check]) -> str:
    """A row for each kind of problem, the commonest first, after one for all."""
    header = ["Kind", "Problems", *TITLES.values(), "Whole"]
    rows = [
        [escape_markdown(kind), str(len(checks)), *(_cell(checks, name) for name in TITLES), str(_whole(checks))]
        for kind, checks in _groups(found).items()
    ]
    notes = "\n".join(f"- {note}" for note in NOTES)
    return f"## checks: are the inverses inverses\n\n{markdown_grid(header, rows)}\n\n{notes}\n"


def csv_rows(found: Sequence[Check]) -> list[dict[str, str | int]]:
    """The number of problems of each kind, verdict and outcome."""
    return [
        {"kind": kind, "verdict": name, "outcome": outcome, "problems": _times(checks, name)[passed]}
        for kind, checks in _groups(found).items()
        for name in VERDICTS
        for passed, outcome in OUTCOMES.items()
    ]


def _groups(found: Sequence[Check]) -> dict[str, list[Check]]:
    kinds = Counter(check.kind for check in found)
    ordered = sorted(kinds, key=lambda kind: (-kinds[kind], kind))
    return {ALL: list(found)} | {kind: [check for check in found if check.kind == kind] for kind in ordered}


def _cell(checks: Sequence[Check], name: VerdictName) -> str:
    times = _times(checks, name)
    return "/".join(str(times[passed]) for passed in OUTCOMES)


def _times(checks: Sequence[Check], name: VerdictName) -> Counter[bool | None]:
    return Counter(check.passed(name) for check in checks)


def _whole(checks: Sequence[Check]) -> int:
    return sum(all(check.passed(name) for name in VERDICTS) for check in checks)
