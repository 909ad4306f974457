"""From scores to the comparison with the paper."""

from collections.abc import Sequence
from pathlib import Path

from r1k.config import TableSpec
from r1k.errors import ConfigError
from r1k.files import write_texts
from r1k.provenance import Stopwatch, write_manifest
from r1k.report.document import to_markdown
from r1k.report.tables.accuracy import read_scores, table_data
from r1k.report.tables.against_paper.page import csv_rows, sheet
from r1k.report.tables.against_paper.results import claims, matches
from r1k.report.tables.rendering import csv_text


def compare_with_paper(*, tables: Sequence[TableSpec], scores: Sequence[Path], markdown: Path, csv: Path) -> None:
    """Write the comparison from `score.json` files, over all questions of each benchmark.

    RecordError names a score that is missing or comes twice; ConfigError a table that the paper has no value for.
    """
    watch = Stopwatch()
    read = read_scores(scores)
    for table in tables:
        if not table.published:
            raise ConfigError(f"tables.{table.name}.published: not set; set it, or leave the table out")
    data = [table_data(table.model_copy(update={"directions": ["all"]}), read) for table in tables]
    cells, found = matches(data), claims(data)
    files = write_texts({markdown: to_markdown(sheet(cells, found)), csv: csv_text(csv_rows(cells, found))})
    write_manifest(markdown, "against-paper", {"scores": scores}, watch, files=files)
