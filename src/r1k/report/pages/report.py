"""The report: all tables and figures on one page that opens from the disk, without a server or scripts."""

import os
from pathlib import Path
from urllib.parse import quote

from r1k.report.pages.render import read_bytes, write_page


def write_report(
    *,
    title: str,
    description: str,
    tables: list[Path],
    figures: list[Path],
    samples: Path | None = None,
    output: Path,
) -> None:
    """Write one page with all tables and figures.

    Text in them stays text: it never becomes markup of the page.

    Args:
        title: The name of the experiment.
        description: One line about the experiment.
        tables: The tables, as Markdown.
        figures: The figures, as PNG.
        samples: The page of answers, to which the report links by a relative path.
        output: The page, as HTML.
    """
    write_page(
        "report.html.jinja",
        output,
        title=title,
        description=description,
        samples=quote(os.path.relpath(samples, output.parent)) if samples else None,
        tables=[read_bytes(path).decode("utf-8") for path in tables],
        figures=[(path.stem, read_bytes(path)) for path in figures],
    )
