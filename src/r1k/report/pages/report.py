"""Pages that open from the disk, without a server or scripts: all that they show is in them."""

import base64
import html
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import quote

from markdown_it import MarkdownIt

from r1k.errors import R1kError
from r1k.files import atomic_write
from r1k.markup import one_line
from r1k.provenance import commit

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3 { line-height: 1.2; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: 0.3rem 0.8rem; border-bottom: 1px solid #ddd; text-align: left; }
thead th { border-bottom: 2px solid #1a1a1a; }
figure { margin: 2rem 0; }
img { max-width: 100%; }
footer { color: #555; font-size: 0.85rem; margin-top: 3rem; }
"""


def write_report(
    *,
    title: str,
    description: str,
    tables: Sequence[Path],
    figures: Sequence[Path],
    samples: Path | None = None,
    output: Path,
) -> None:
    """Write the page. `tables` are Markdown, `figures` PNG; text in them is text, never markup of the page.

    The page of answers, `samples`, is linked to by its place beside this one.
    """
    parts = [paragraph(description)]
    if samples is not None:
        where = quote(os.path.relpath(samples, output.parent))
        parts.append(f'<p><a href="{html.escape(where)}">Every answer, with question and verdict</a></p>')
    parts += [f"<section>{_markdown(path)}</section>" for path in tables]
    parts += [picture(_read(path), path.stem, path.stem) for path in figures]
    write_page(title, parts, output)


def write_page(title: str, parts: Iterable[str], output: Path) -> None:
    """Write a page of `parts`, which are HTML, whole or not at all."""
    name = html.escape(one_line(title))
    head = f'<meta charset="utf-8"><title>{name}</title><style>{STYLE}</style>'
    footer = (
        f"<footer>Made by r1k, commit {html.escape(commit() or 'unknown')}. "
        "Beside each artefact is a manifest of what it was made from.</footer>"
    )
    body = "\n".join([f"<h1>{name}</h1>", *parts, footer])
    with atomic_write(output) as handle:
        handle.write(f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n{body}\n</body></html>\n')


def heading(text: str) -> str:
    """Text as the heading of a section."""
    return f"<h2>{html.escape(text)}</h2>"


def paragraph(text: str) -> str:
    """Text as a paragraph, never markup of the page."""
    return f"<p>{html.escape(one_line(text))}</p>"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of texts, which are never markup of the page."""
    lines = [_row("th", header), *(_row("td", row) for row in rows)]
    return f"<table><thead>{lines[0]}</thead><tbody>{''.join(lines[1:])}</tbody></table>"


def picture(png: bytes, name: str, caption: str) -> str:
    """A PNG in the page itself; `name` stands for it where it cannot be seen."""
    data = base64.b64encode(png).decode("ascii")
    return (
        f'<figure><img alt="{html.escape(name)}" src="data:image/png;base64,{data}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def _row(kind: str, cells: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{kind}>{html.escape(cell)}</{kind}>' for cell in cells)}</tr>"


def _markdown(path: Path) -> str:
    return str(MarkdownIt("commonmark", {"html": False}).enable("table").render(_read(path).decode("utf-8")))


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise R1kError(f"{path}: no such file; make it with `snakemake {path}`")
    return path.read_bytes()
