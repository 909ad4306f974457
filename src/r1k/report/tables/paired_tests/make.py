"""Read graded files and write a table's paired tests."""

from pathlib import Path

from r1k.config import TableSpec
from r1k.data.audit.records import read_overlaps
from r1k.provenance import Stopwatch, write_manifest
from r1k.report.tables.paired_tests.page import paired_document
from r1k.report.tables.paired_tests.results import paired_blocks
from r1k.report.tables.paired_tests.verdicts import read_verdicts
from r1k.report.writers import write_document


def make_paired_tests(
    *,
    table: TableSpec,
    graded: list[Path],
    contaminated: Path | None = None,
    markdown: Path,
    csv: Path,
    latex: Path,
) -> None:
    """Write a table's scores over every answer, and paired tests between its runs, as Markdown, CSV and LaTeX.

    Raises RecordError for verdicts that are missing, duplicate or on other questions than the other runs', and
    ConfigError for a direction that no benchmark marks.

    Args:
        table: Specification of the table.
        graded: Verdicts, `.../{run}/{seed}/{benchmark}/graded.jsonl`.
        contaminated: The audit's `contamination.jsonl`: a second set of scores leaves out the questions that s1's rule
            finds or that are copied.
        markdown: Markdown file to write.
        csv: CSV file to write: a row for each run and benchmark.
        latex: LaTeX file to write.
    """
    watch = Stopwatch()
    blocks = paired_blocks(table, read_verdicts(graded), _contaminated(contaminated))
    files = write_document(paired_document(table, blocks), markdown=markdown, csv=csv, latex=latex)
    inputs = {"graded": graded} | ({"contaminated": contaminated} if contaminated else {})
    write_manifest(markdown, "paired tests", inputs, watch, files=files)


def _contaminated(path: Path | None) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for match in read_overlaps(path) if path else ():
        if match.by_s1 or match.kind == "copy":
            found.setdefault(match.benchmark, set()).add(match.question)
    return found
