"""A page of plain tables under each other, in Markdown and LaTeX. Pure: from `Sheet` to text."""

from dataclasses import dataclass
from decimal import Decimal

from r1k.markup import escape_latex, escape_markdown
from r1k.report.statistics.estimates import Estimate
from r1k.report.tables.rendering import latex_grid, markdown_grid
from r1k.report.tables.table_model import percent

Words = tuple[str, ...]


@dataclass(frozen=True)
class Grid:
    """A table: words in rows, under a line that says what they are."""

    says: str
    header: Words
    rows: tuple[Words, ...]


@dataclass(frozen=True)
class Part:
    """Tables under one heading; without a heading, the sheet's only part."""

    heading: str
    grids: tuple[Grid, ...]


@dataclass(frozen=True)
class Sheet:
    """Tables and the notes below them."""

    name: str
    title: str
    parts: tuple[Part, ...]
    notes: Words


def to_markdown(sheet: Sheet) -> str:
    """The sheet as Markdown."""
    paragraphs = [f"## {escape_markdown(sheet.name)}: {escape_markdown(sheet.title)}"]
    for part in sheet.parts:
        paragraphs += [f"### {escape_markdown(part.heading)}"] if part.heading else []
        for grid in part.grids:
            cells = [[escape_markdown(word) for word in row] for row in (grid.header, *grid.rows)]
            paragraphs += [f"{escape_markdown(grid.says)}:", markdown_grid(cells[0], cells[1:])]
    return "\n\n".join([*paragraphs, "\n".join(f"- {escape_markdown(note)}" for note in sheet.notes)]) + "\n"


def to_latex(sheet: Sheet) -> str:
    """The sheet as one LaTeX table."""
    lines = [
        "% needs \\usepackage{booktabs}",
        "\\begin{table*}[t]",
        "\\centering",
        "\\footnotesize",
        "\\setlength{\\tabcolsep}{4pt}",
        f"\\caption{{{escape_latex(sheet.title[:1].upper() + sheet.title[1:])}.}}",
        f"\\label{{tab:{sheet.name}}}",
    ]
    for part in sheet.parts:
        lines += [f"\\par\\smallskip\\textbf{{{escape_latex(part.heading)}}}"] if part.heading else []
        for grid in part.grids:
            cells = [[escape_latex(word) for word in row] for row in (grid.header, *grid.rows)]
            lines += [f"\\par\\smallskip {escape_latex(grid.says)}:\\par\\smallskip", *latex_grid(cells[0], cells[1:])]
    notes = "\\par ".join(map(escape_latex, sheet.notes))
    lines.append(f"\\par\\smallskip\n\\begin{{minipage}}{{\\textwidth}}{notes}\\end{{minipage}}")
    return "\n".join([*lines, "\\end{table*}"]) + "\n"


def percents(estimate: Estimate) -> str:
    """`46.6% [42.1, 51.0]`; without an interval where none is known."""
    return f"{percent(estimate.value)}%{_brackets(estimate, sign='')}"


def points(estimate: Estimate) -> str:
    """A difference in percent points, with its sign: `+4.0 [-0.3, +8.2]`."""
    return f"{_positive_zero(estimate.value):+}{_brackets(estimate, sign='+')}"


def _brackets(estimate: Estimate, sign: str) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return f" [{_positive_zero(estimate.low):{sign}}, {_positive_zero(estimate.high):{sign}}]"


def _positive_zero(share: float) -> Decimal:
    return percent(share) + 0  # Decimal has a zero of either sign, and this makes it positive
