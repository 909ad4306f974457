"""The table of the data and its variants: problems, and what leaves out the others."""

from collections.abc import Sequence
from pathlib import Path

from r1k.data.set_counts import SetCounts, count_sets
from r1k.provenance import Stopwatch, write_manifest
from r1k.report.document import Document, DocumentSection, Grid
from r1k.report.writers import write_document

HEADER = ("Data", "Format", "Problems", "Left out", "Left out by")
NOTES = (
    "Problems of each form of the data. A problem has an example in each direction. A variant is a form or a selection "
    "of all problems that have a pair.",
    "Left out by: how many problems each key of the config leaves out. Several keys may leave out the same problem. "
    "exclude_contaminated: the problem's question or response, in either direction, overlaps with a benchmark question "
    "at least as much as the variant says; the audit counts all overlaps.",
)


def make_data_sets_table(*, s1k: Path, r1k: Path, variants: Sequence[Path] = (), markdown: Path, csv: Path) -> None:
    """Write the number of problems of the data and of each variant, as Markdown and CSV.

    Raises RecordError if a file's manifest is missing or describes another file.

    Args:
        s1k: Forward examples, s1k.jsonl.
        r1k: Reverse examples, r1k.jsonl.
        variants: The variants' forward examples, `{variant}/s1k.jsonl`.
        markdown: Markdown file to write.
        csv: CSV file to write: a row for each form of the data and key that can leave out problems.
    """
    watch = Stopwatch()
    counts = count_sets(s1k, r1k, variants)
    files = write_document(data_sets_document(counts), markdown=markdown, csv=csv)
    inputs: dict[str, Path | Sequence[Path]] = {"s1k": s1k, "r1k": r1k, "variants": variants}
    write_manifest(markdown, "data sets table", inputs, watch, files=files)


def data_sets_document(counts: Sequence[SetCounts]) -> Document:
    """Return a row for each form of the data."""
    rows = tuple((one.name, one.format, f"{one.problems:,}", f"{one.left_out:,}", one.reasons or "–") for one in counts)
    records = tuple(
        {
            "data": one.name,
            "format": one.format,
            "problems": one.problems,
            "left_out": one.left_out,
            "key": key,
            "left_out_by_key": count,
        }
        for one in counts
        for key, count in (one.left_out_by or {"": 0}).items()
    )
    return Document("data-sets", "the data and its variants", (DocumentSection((Grid(HEADER, rows),)),), NOTES, records)
