"""One page with an experiment's tables and figures, that opens from the disk, without a server or scripts."""

import base64
import html
from collections.abc import Sequence
from pathlib import Path

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
    *, title: str, description: str, tables: Sequence[Path], figures: Sequence[Path], output: Path
) -> None:
    """Write the page. `tables` are Markdown, `figures` PNG; text in them is text, never markup of the page."""
    name = html.escape(one_line(title))
    parts = [f"<h1>{name}</h1>", f"<p>{html.escape(one_line(description))}</p>"]
    parts += [f"<section>{_table(path)}</section>" for path in tables]
    parts += [_figure(path) for path in figures]
    parts.append(f"<footer>Made by r1k, commit {html.escape(commit() or 'unknown')}. ")
    parts.append("Beside each artefact is a manifest of what it was made from.</footer>")
    head = f'<meta charset="utf-8"><title>{name}</title><style>{STYLE}</style>'
    with atomic_write(output) as handle:
        handle.write(
            f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n' + "\n".join(parts) + "\n</body></html>\n"
        )


def _table(path: Path) -> str:
    return str(MarkdownIt("commonmark", {"html": False}).enable("table").render(_read(path).decode("utf-8")))


def _figure(path: Path) -> str:
    name = html.escape(path.stem)
    picture = base64.b64encode(_read(path)).decode("ascii")
    return f'<figure><img alt="{name}" src="data:image/png;base64,{picture}"><figcaption>{name}</figcaption></figure>'


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise R1kError(f"{path}: no such file; make it with `snakemake {path}`")
    return path.read_bytes()
