"""Answers on which the rules and the judge disagree, or on which the judge gives no verdict, with their counts."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from r1k.provenance import Stopwatch, write_manifest
from r1k.records import Graded, read_jsonl
from r1k.report.document import Document, DocumentSection, Grid
from r1k.report.tables.paired_tests.verdicts import GradedKey, key_of
from r1k.report.writers import write_document

FIELDS = ("run", "seed", "benchmark", "question", "sample", "gold", "extracted", "rules", "judge", "judge_rationale")
COUNTS = ("answers", "judged", "both right", "both wrong", "rules alone right", "judge alone right", "no verdict")
WITHHELD = "(not shown)"
LONGEST_TEXT, MOST_ROWS = 300, 200
"""Characters of an answer and of a judge's reply, and answers, in the Markdown; the CSV has all."""
VERDICT_TEXTS = {True: "right", False: "wrong", None: "no verdict"}
NOTES = (
    "Answers: all answers of a run to a benchmark. Judged: the answers sent to the judge. No verdict: the judge's "
    "reply does not end in a verdict; with grader s1 or judge such an answer is wrong. Rules without a verdict, which "
    "cannot read the gold answer, count as wrong.",
    "Extracted: what the grader graded. With grader s1 or judge this is s1's extraction, which may be a whole text; "
    "the rules always use their own extraction.",
    f"{WITHHELD}: the benchmark is not redistributable (see the config); graded.jsonl has the answer.",
)

GradedFiles = Sequence[tuple[GradedKey, Sequence[Graded]]]


def list_disagreements(*, graded: list[Path], redistributable: Sequence[str] = (), markdown: Path, csv: Path) -> None:
    """Write the answers on which rules and judge disagree, with counts, as Markdown and CSV.

    Raises RecordError for a file whose path does not name its run, seed and benchmark.

    Args:
        graded: Verdicts, `.../{run}/{seed}/{benchmark}/graded.jsonl`.
        redistributable: Benchmarks whose answers and judge's replies may be shown.
        markdown: Markdown file to write.
        csv: CSV file to write: a row for each answer.
    """
    watch = Stopwatch()
    found = [(key_of(path), read_jsonl(path, Graded)) for path in graded]
    listed = list(disagreements(found, redistributable))
    files = write_document(disagreements_document(found, listed), markdown=markdown, csv=csv)
    write_manifest(markdown, "disagreements", {"graded": graded}, watch, n=len(listed), files=files)


def disagreements_document(found: GradedFiles, listed: Sequence[tuple[str, ...]]) -> Document:
    """Return the counts over all files and by file, then the answers, if any."""
    everything = [verdict for _, verdicts in found for verdict in verdicts]
    counts = [("all", "", "", *count_verdicts(everything))]
    counts += [(key.run, str(key.seed), key.benchmark, *count_verdicts(verdicts)) for key, verdicts in found]
    grids = [Grid(("Run", "Seed", "Benchmark", *(count.capitalize() for count in COUNTS)), tuple(counts))]
    if listed:
        rows = ((*row[:6], _end(row[6]), *row[7:-1], _start(row[-1])) for row in listed[:MOST_ROWS])
        grids.append(Grid(tuple(field.replace("_", " ").capitalize() for field in FIELDS), tuple(rows)))
    cut = [f"The first {MOST_ROWS} of {len(listed)} answers; the CSV has all."] if len(listed) > MOST_ROWS else []
    return Document(
        name="disagreements",
        title="rules and judge",
        sections=(DocumentSection(tuple(grids)),),
        notes=(*cut, *NOTES),
        records=tuple(dict(zip(FIELDS, row, strict=True)) for row in listed),
        columns=FIELDS,
    )


def count_verdicts(verdicts: Sequence[Graded]) -> list[str]:
    """Return the numbers named in COUNTS."""
    asked = [(bool(verdict.rules), verdict.judge) for verdict in verdicts if verdict.judge_rationale is not None]
    pairs = [(True, True), (False, False), (True, False), (False, True)]
    undecided = sum(judge is None for _, judge in asked)
    return [str(number) for number in (len(verdicts), len(asked), *map(asked.count, pairs), undecided)]


def disagreements(found: GradedFiles, redistributable: Collection[str]) -> Iterator[tuple[str, ...]]:
    """Yield the FIELDS of each answer on which rules and judge disagree, or the judge gives no verdict."""
    for key, verdicts in found:
        for verdict in verdicts:
            if verdict.judge_rationale is None or verdict.judge == bool(verdict.rules):
                continue
            texts = [verdict.gold, verdict.extracted or "", verdict.judge_rationale]
            if key.benchmark not in redistributable:
                texts = [WITHHELD] * len(texts)
            gold, extracted, said = texts
            which = (key.run, str(key.seed), key.benchmark, verdict.id, str(verdict.sample))
            yield (*which, gold, extracted, VERDICT_TEXTS[verdict.rules], VERDICT_TEXTS[verdict.judge], said)


def _start(reply: str) -> str:
    return reply if len(reply) <= LONGEST_TEXT else f"{reply[:LONGEST_TEXT]}…"


def _end(answer: str) -> str:
    return answer if len(answer) <= LONGEST_TEXT else f"…{answer[-LONGEST_TEXT:]}"
