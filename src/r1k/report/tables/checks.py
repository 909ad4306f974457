"""The table of the checks of the inverses: problems by kind, verdict and outcome."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from r1k.provenance import Stopwatch, write_manifest
from r1k.records import VERDICTS, Check, VerdictName, read_jsonl
from r1k.report.document import Document, DocumentSection, Grid
from r1k.report.writers import write_document

TITLES: Mapping[VerdictName, str] = {
    "answer_hidden": "Answer hidden",
    "asks_for_given": "Asks for given",
    "uses_answer": "Uses answer",
    "consistent": "Consistent",
    "reached": "Reached",
    "distinct_question": "Own question",
}
ALL = "all"
OUTCOMES = {True: "passed", False: "failed", None: "undecided"}
NOTES = (
    "Problems whose inverse passed/failed/is undecided. Whole: the inverse passed all six checks.",
    "Answer hidden: the reverse question does not state its own answer. Asks for given: the forward question states "
    "the reverse answer. Uses answer: the forward answer is a premise of the reverse question. Consistent: the reverse "
    "answer is the premise that was left out; rules decide if it is exact, else the judge, if there is one. Reached: "
    "the teacher's response ended by itself, with a parsable answer. Own question: the reverse question is not a near "
    "duplicate of another question.",
    "checks.jsonl has the reasons of each verdict.",
)


def make_checks_table(*, checks: Path, markdown: Path, csv: Path) -> None:
    """Write the number of inverses that passed each check, by kind of problem, as Markdown and CSV.

    Args:
        checks: Verdicts on every reverse example, `checks.jsonl`.
        markdown: Markdown file to write.
        csv: CSV file to write: a row for each kind, verdict and outcome.
    """
    watch = Stopwatch()
    files = write_document(checks_document(read_jsonl(checks, Check)), markdown=markdown, csv=csv)
    write_manifest(markdown, "checks table", {"checks": checks}, watch, files=files)


def checks_document(found: Sequence[Check]) -> Document:
    """Return a row for all problems, then one for each kind, the most frequent first."""
    groups = _groups(found)
    rows = (
        (kind, str(len(checks)), *(_cell(checks, name) for name in TITLES), str(_whole(checks)))
        for kind, checks in groups.items()
    )
    grid = Grid(("Kind", "Problems", *TITLES.values(), "Whole"), tuple(rows))
    records = (
        {"kind": kind, "verdict": name, "outcome": outcome, "problems": _times(checks, name)[passed]}
        for kind, checks in groups.items()
        for name in VERDICTS
        for passed, outcome in OUTCOMES.items()
    )
    return Document("checks", "are the inverses inverses", (DocumentSection((grid,)),), NOTES, tuple(records))


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
