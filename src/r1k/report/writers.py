"""Documents as Markdown, LaTeX and CSV."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from r1k.files import write_texts
from r1k.markup import escape_latex, escape_markdown
from r1k.report.document import Cell, CellContent, DataSymbol, Document, Grid


@dataclass(frozen=True)
class _Markup:
    """How a format writes the pieces of a cell."""

    escape: Callable[[str], str]
    symbol: Callable[[str], str]
    emphasis: Mapping[str, str]
    interval: Callable[[str], str]


_MARKDOWN = _Markup(
    escape=escape_markdown,
    symbol=lambda subscript: f"D_{subscript}" if subscript else "D",
    emphasis={"none": "%s", "bold": "**%s**", "italic": "*%s*"},
    interval=lambda ends: ends,
)
_LATEX = _Markup(
    escape=escape_latex,
    symbol=lambda subscript: rf"$\mathcal{{D}}_{{{subscript}}}$" if subscript else r"$\mathcal{D}$",
    emphasis={"none": "%s", "bold": r"\textbf{%s}", "italic": r"\textit{%s}"},
    interval=lambda ends: rf"{{\scriptsize {escape_latex(ends)}}}",
)


def write_document(document: Document, *, markdown: Path, csv: Path, latex: Path | None = None) -> dict[str, str]:
    """Write a document in each format that has a path; return the files' digests by file name."""
    texts = {markdown: to_markdown(document), csv: to_csv(document)}
    return write_texts(texts if latex is None else texts | {latex: to_latex(document)})


def to_markdown(document: Document) -> str:
    """Return the document as Markdown; its tables are aligned, so that they are legible as text."""
    parts = [f"## {escape_markdown(document.name)}: {escape_markdown(document.title)}"]
    for section in document.sections:
        parts += [f"### {escape_markdown(section.heading)}"] if section.heading else []
        for grid in section.grids:
            parts += [f"{escape_markdown(grid.caption)}:"] if grid.caption else []
            parts.append(_markdown_grid(grid))
    parts += ["\n".join(f"- {escape_markdown(note)}" for note in document.notes)] if document.notes else []
    return "\n\n".join(parts) + "\n"


def to_latex(document: Document) -> str:
    """Return the document as one LaTeX table."""
    lines = [
        "% needs \\usepackage{booktabs}",
        "\\begin{table*}[t]",
        "\\centering",
        "\\small",
        "\\setlength{\\tabcolsep}{4pt}",
        f"\\caption{{{escape_latex(document.title[:1].upper() + document.title[1:])}.}}",
        f"\\label{{tab:{document.name}}}",
    ]
    for section in document.sections:
        if section.heading:
            lines.append(f"\\par\\smallskip\\textbf{{{escape_latex(section.heading)}}}\\par\\smallskip")
        for grid in section.grids:
            lines += [f"\\par\\smallskip {escape_latex(grid.caption)}:\\par\\smallskip"] if grid.caption else []
            lines += _latex_grid(grid)
    if document.notes:
        notes = "\\par ".join(map(escape_latex, document.notes))
        lines.append(f"\\par\\smallskip\n\\begin{{minipage}}{{\\textwidth}}\\footnotesize {notes}\\end{{minipage}}")
    return "\n".join([*lines, "\\end{table*}"]) + "\n"


def to_csv(document: Document) -> str:
    """Return the document's records as CSV."""
    return csv_text(document.records, document.columns)


def csv_text(rows: Iterable[Mapping[str, Any]], columns: Iterable[str] = ()) -> str:
    """Return rows as CSV: first `columns`, then the rows' other keys in order of appearance.

    A value that a row lacks is empty.
    """
    rows, out = list(rows), io.StringIO()
    names = dict.fromkeys([*columns, *(name for row in rows for name in row)])
    writer = csv.DictWriter(out, list(names), lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _markdown_grid(grid: Grid) -> str:
    lines = _texts(grid, _MARKDOWN)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| " + " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def _latex_grid(grid: Grid) -> list[str]:
    header, *rows = (" & ".join(line) + r" \\" for line in _texts(grid, _LATEX))
    columns = "l" * len(grid.header)
    return [
        f"\\begin{{tabular}}{{{columns}}}",
        "\\toprule",
        header,
        "\\midrule",
        *rows,
        "\\bottomrule",
        "\\end{tabular}",
    ]


def _texts(grid: Grid, markup: _Markup) -> list[list[str]]:
    """Return the header and the rows in a format."""
    lines: Sequence[Sequence[CellContent]] = (grid.header, *grid.rows)
    return [[_content(content, markup) for content in line] for line in lines]


def _content(content: CellContent, markup: _Markup) -> str:
    if isinstance(content, str):
        return markup.escape(content)
    cells = (content,) if isinstance(content, Cell) else content
    return "; ".join(_cell(cell, markup) for cell in cells)


def _cell(cell: Cell, markup: _Markup) -> str:
    parts = (cell.value,) if isinstance(cell.value, str) else cell.value
    value = " ".join(
        markup.symbol(part.subscript) if isinstance(part, DataSymbol) else markup.escape(part) for part in parts if part
    )
    interval = markup.interval(cell.interval) if cell.interval else ""
    return " ".join(filter(None, (markup.emphasis[cell.emphasis] % value, markup.escape(cell.mark), interval)))
