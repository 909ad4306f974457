"""Read score files and write the comparison with the paper."""

from pathlib import Path

from r1k.config import TableSpec
from r1k.errors import ConfigError
from r1k.provenance import Stopwatch, write_manifest
from r1k.report.tables.accuracy.make import read_scores
from r1k.report.tables.accuracy.results import accuracy_table
from r1k.report.tables.against_paper.page import paper_document
from r1k.report.tables.against_paper.results import match_cells, match_differences
from r1k.report.writers import write_document


def compare_with_paper(*, tables: list[TableSpec], scores: list[Path], markdown: Path, csv: Path) -> None:
    """Write the paper's values beside ours, with a verdict for each, as Markdown and CSV.

    All questions of each benchmark count. Raises RecordError for a score that is missing or comes twice, and
    ConfigError for a table that is not published or has no published row.

    Args:
        tables: Specifications of the tables that the paper has too.
        scores: Scores of the tables' runs, `score.json` each.
        markdown: Markdown file to write.
        csv: CSV file to write: a row for each cell, difference and printed percentage.
    """
    watch = Stopwatch()
    read = read_scores(scores)
    for table in tables:
        if not table.published:
            raise ConfigError(f"tables.{table.name}.published: not set; set it, or leave the table out")
    ours = [accuracy_table(table.model_copy(update={"directions": ["all"]}), read) for table in tables]
    document = paper_document(match_cells(ours), match_differences(ours))
    files = write_document(document, markdown=markdown, csv=csv)
    write_manifest(markdown, "against-paper", {"scores": scores}, watch, files=files)
