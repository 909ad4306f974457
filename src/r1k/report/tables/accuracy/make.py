"""Read score files and write an accuracy table."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from r1k.config import TableSpec
from r1k.errors import RecordError, field_path
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import Score
from r1k.report.tables.accuracy.page import accuracy_document
from r1k.report.tables.accuracy.results import accuracy_table
from r1k.report.writers import write_document


def make_table(*, table: TableSpec, scores: list[Path], markdown: Path, csv: Path, latex: Path) -> None:
    """Write a table of accuracies as Markdown, CSV and LaTeX.

    Raises RecordError for a score that is missing or comes twice (it names run, seed and benchmark), and ConfigError
    for a table that cannot be filled.

    Args:
        table: Specification of the table; its notes are printed below those on n, intervals and seeds.
        scores: Scores, `score.json` each; those that the table does not need are ignored.
        markdown: Markdown file to write.
        csv: CSV file to write: a row for each run, benchmark and seed.
        latex: LaTeX file to write.
    """
    watch = Stopwatch()
    document = accuracy_document(accuracy_table(table, read_scores(scores)))
    files = write_document(document, markdown=markdown, csv=csv, latex=latex)
    write_manifest(markdown, "table", {"scores": scores}, watch, files=files)


def read_scores(paths: Sequence[Path]) -> Mapping[tuple[str, int, str], Score]:
    """Return scores by run, seed and benchmark; raise RecordError for an unreadable or duplicate score."""
    found: dict[tuple[str, int, str], Score] = {}
    origins: dict[tuple[str, int, str], Path] = {}
    for path in paths:
        score = _read_score(path)
        key = (score.run, score.seed, score.benchmark)
        if key in found:
            raise RecordError(
                f"{path}: run {score.run!r}, seed {score.seed}, benchmark {score.benchmark!r} is already in "
                f"{origins[key]}; give one of the two"
            )
        found[key], origins[key] = score, path
    return found


def _read_score(path: Path) -> Score:
    if not path.is_file():
        raise RecordError(f"{path}: no such file; make it with `snakemake {path}`")
    try:
        return Score.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = f"field {field_path(first['loc'])!r}: " if first["loc"] else ""
        raise RecordError(f"{path}: {where}{first['msg']}; rebuild it with `snakemake --force {path}`") from error
