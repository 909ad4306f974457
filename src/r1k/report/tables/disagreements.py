"""The answers on which rules and judge differ, or on which the judge gave no verdict, and how many there are."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from r1k.files import write_texts
from r1k.markup import escape_markdown
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import Graded, read_jsonl
from r1k.report.tables.paired_tests.verdicts import Key, key_of
from r1k.report.tables.rendering import csv_text, markdown_grid

FIELDS = ("run", "seed", "benchmark", "question", "sample", "gold", "extracted", "rules", "judge", "judge_said")
COUNTS = ("answers", "asked about", "both right", "both wrong", "rules alone right", "judge alone right", "no verdict")
WITHHELD = "(not shown)"
LONGEST_WORDS, MOST_ROWS = 300, 200
"""Characters of the judge's words, and answers, in the Markdown; the CSV has all."""
WORDS = {True: "right", False: "wrong", None: "no verdict"}
NOTES = (
    "Answers: all of a run to a benchmark. Asked about: those that the judge was put. No verdict: its words end in "
    "none; with grader s1 or judge such an answer is wrong.",
    f"{WITHHELD}: the benchmark must not be published (`quotable` in the config); graded.jsonl has the answer.",
)


Found = Sequence[tuple[Key, Sequence[Graded]]]


def list_disagreements(*, graded: Sequence[Path], quotable: Collection[str] = (), markdown: Path, csv: Path) -> None:
    """Write counts and answers as Markdown, and an answer a row as CSV.

    The verdicts are in `{run}/{seed}/{benchmark}/graded.jsonl`; of a benchmark that is not `quotable`, the answers and
    the judge's words are withheld. RecordError for a file that lies elsewhere.
    """
    watch = Stopwatch()
    found = [(key_of(path), read_jsonl(path, Graded)) for path in graded]
    listed = list(rows(found, quotable))
    table = csv_text([dict(zip(FIELDS, row, strict=True)) for row in listed], FIELDS)
    files = write_texts({markdown: markdown_table(found, listed), csv: table})
    write_manifest(markdown, "disagreements", {"graded": graded}, watch, n=len(listed), files=files)


def markdown_table(found: Found, listed: Sequence[Sequence[str]]) -> str:
    """The counts by run and benchmark, after those of all; then the answers, if any."""
    header = ["Run", "Seed", "Benchmark", *(count.capitalize() for count in COUNTS)]
    everything = [verdict for _, verdicts in found for verdict in verdicts]
    summary = [["all", "", "", *counts(everything)]]
    summary += [[*map(str, key), *counts(verdicts)] for key, verdicts in found]
    parts = ["## disagreements: rules and judge", markdown_grid(header, _escaped(summary))]
    if listed:
        shown = [[*row[:-1], _shortened(row[-1])] for row in listed[:MOST_ROWS]]
        names = [field.replace("_", " ").capitalize() for field in FIELDS]
        parts.append(markdown_grid(names, _escaped(shown)))
    if len(listed) > MOST_ROWS:
        parts.append(f"The first {MOST_ROWS} of {len(listed)} answers; the CSV has all.")
    parts.append("\n".join(f"- {note}" for note in NOTES))
    return "\n\n".join(parts) + "\n"


def counts(verdicts: Sequence[Graded]) -> list[str]:
    """The numbers of COUNTS."""
    asked = [(verdict.rules, verdict.judge) for verdict in verdicts if verdict.judge_said is not None]
    pairs = [(True, True), (False, False), (True, False), (False, True)]
    undecided = sum(judge is None for _, judge in asked)
    return [str(number) for number in (len(verdicts), len(asked), *map(asked.count, pairs), undecided)]


def rows(found: Found, quotable: Collection[str]) -> Iterator[list[str]]:
    """FIELDS of each answer on which the two differ, or the judge gave no verdict."""
    for key, verdicts in found:
        for verdict in verdicts:
            if verdict.judge_said is None or verdict.judge == verdict.rules:
                continue
            texts = [verdict.gold, verdict.extracted or "", verdict.judge_said]
            if key.benchmark not in quotable:
                texts = [WITHHELD] * len(texts)
            gold, extracted, said = texts
            which = [*map(str, key), verdict.id, str(verdict.sample)]
            yield [*which, gold, extracted, WORDS[verdict.rules], WORDS[verdict.judge], said]


def _escaped(table: Sequence[Sequence[str]]) -> list[list[str]]:
    return [[escape_markdown(cell) for cell in row] for row in table]


def _shortened(words: str) -> str:
    return words if len(words) <= LONGEST_WORDS else f"{words[:LONGEST_WORDS]}…"
