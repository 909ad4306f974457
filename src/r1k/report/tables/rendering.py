"""A table in Markdown, LaTeX and CSV. Pure: from `TableData` to text."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from r1k.markup import escape_latex, escape_markdown
from r1k.report.statistics.estimates import Estimate
from r1k.report.tables.table_model import DATA_SYMBOLS, Block, Cell, Label, Line, TableData, best, percent

COUNTS = ("n", "correct", "unparsed", "truncated", "last_number_correct")
BEHIND = "Unparsed / truncated / right by the last number, in percent"
_SYMBOLS = {"up": "↑", "down": "↓", "equal": "="}


@dataclass(frozen=True)
class Rendered:
    """One table in three formats."""

    markdown: str
    csv: str
    latex: str


def render(table: TableData) -> Rendered:
    """The table in the paper's form, with the interval of each cell in brackets."""
    return Rendered(_markdown(table), _csv(table), _latex(table))


def heading(block: Block) -> str:
    """What the questions of a block are."""
    return "All questions" if block.direction == "all" else f"{block.direction.capitalize()} questions"


# Cells, the same in both typeset formats


@dataclass(frozen=True)
class _Style:
    """How a format writes what the two have in common."""

    escape: Callable[[str], str]
    data: Callable[[str], str]
    bold: Callable[[str], str]
    small: Callable[[str], str]
    italic: Callable[[str], str]


def _header(table: TableData, block: Block, style: _Style) -> list[str]:
    first = ["Based Model"] if table.shows == "dpo" else ["Data", "Model"]
    return [*first, *map(style.escape, block.benchmarks.values()), "Average"]


def _rows(table: TableData, block: Block, style: _Style) -> list[list[str]]:
    nothing_bold = [(False,) * (len(block.benchmarks) + 1)] * len(block.lines)
    marks = best(block.lines) if table.shows == "sft" else nothing_bold
    rows = []
    for line, mark in zip(block.lines, marks, strict=True):
        cells = [_cell(cell, bold, style) for cell, bold in zip(line.cells, mark, strict=False)]
        rows.append([*_names(table, line, style), *cells, _average(line.average, mark[-1], style)])
        if any(cell.published is not None for cell in line.columns):
            rows.append(_published_row(table, line, style))
    return rows


def _names(table: TableData, line: Line, style: _Style) -> list[str]:
    label, model = _label(line.label, style), style.escape(line.model)
    return [f"{label} ({model})"] if table.shows == "dpo" else [label, model]


def _label(label: Label, style: _Style) -> str:
    data = style.data(DATA_SYMBOLS[label.data]) if label.data else ""
    return " ".join(part for part in (style.escape(label.before), data, style.escape(label.after)) if part)


def _cell(cell: Cell, bold: bool, style: _Style) -> str:
    value = style.escape(f"{percent(cell.estimate.value)}%")
    arrow = f" {style.escape(_SYMBOLS[cell.arrow])}" if cell.arrow else ""
    return (style.bold(value) if bold else value) + arrow + _interval(cell, style)


def _average(cell: Cell, bold: bool, style: _Style) -> str:
    value = style.escape(f"{percent(cell.estimate.value)}%")
    change = cell.printed_change
    if change is None:
        return (style.bold(value) if bold else value) + _interval(cell, style)
    symbol = "=" if change == 0 else _SYMBOLS["up" if change > 0 else "down"]
    return f"{value} {style.escape(f'({symbol} {abs(change)}%)')}{_interval(cell, style)}"


def _interval(cell: Cell, style: _Style) -> str:
    low, high = cell.estimate.low, cell.estimate.high
    return "" if low is None or high is None else " " + style.small(f"[{percent(low)}, {percent(high)}]")


def _published_row(table: TableData, line: Line, style: _Style) -> list[str]:
    blanks = [""] if table.shows == "sft" else []
    values = [
        "" if cell.published is None else style.italic(style.escape(f"{cell.published}%")) for cell in line.columns
    ]
    return [style.italic("published"), *blanks, *values]


def _behind_header(table: TableData, block: Block, style: _Style) -> list[str]:
    return _header(table, block, style)[:-1]


def _behind_rows(table: TableData, block: Block, style: _Style) -> list[list[str]]:
    return [
        [*_names(table, line, style), *(style.escape(_shares(cell)) for cell in line.cells)] for line in block.lines
    ]


def _shares(cell: Cell) -> str:
    """The shares that did not end in a readable answer, and what a lenient reading would have counted."""
    asked = sum(tally.n for tally in cell.tallies.values())
    parts = []
    for count in ("unparsed", "truncated", "last_number_correct"):
        values = [getattr(tally, count) for tally in cell.tallies.values()]
        parts.append("–" if None in values else f"{percent(sum(values) / asked)}")
    spread = "" if cell.spread is None else f" (± {percent(cell.spread)})"
    return " / ".join(parts) + spread


# Markdown


_MARKDOWN = _Style(
    escape=escape_markdown,
    data=lambda symbol: f"D_{symbol}" if symbol else "D",
    bold=lambda text: f"**{text}**",
    small=lambda text: text,
    italic=lambda text: f"*{text}*",
)


def _markdown(table: TableData) -> str:
    parts = [f"## {escape_markdown(table.name)}: {escape_markdown(table.title)}"]
    for block in table.blocks:
        if len(table.blocks) > 1:
            parts.append(f"### {heading(block)}")
        parts.append(markdown_grid(_header(table, block, _MARKDOWN), _rows(table, block, _MARKDOWN)))
        if block.counted:
            parts.append(f"{BEHIND}:")
            header = _behind_header(table, block, _MARKDOWN)
            parts.append(markdown_grid(header, _behind_rows(table, block, _MARKDOWN)))
    if table.notes:
        parts.append("\n".join(f"- {escape_markdown(note)}" for note in table.notes))
    return "\n\n".join(parts) + "\n"


def markdown_grid(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown that is legible as text; the cells are Markdown already."""
    widths = [max(len(row[k]) for row in (header, *rows)) for k in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


# LaTeX


_LATEX = _Style(
    escape=escape_latex,
    data=lambda symbol: rf"$\mathcal{{D}}_{{{symbol}}}$" if symbol else r"$\mathcal{D}$",
    bold=lambda text: rf"\textbf{{{text}}}",
    small=lambda text: rf"{{\scriptsize {text}}}",
    italic=lambda text: rf"\textit{{{text}}}",
)


def _latex(table: TableData) -> str:
    parts = [
        "% needs \\usepackage{booktabs}",
        "\\begin{table*}[t]",
        "\\centering",
        "\\small",
        "\\setlength{\\tabcolsep}{4pt}",
        f"\\caption{{{escape_latex(table.title[:1].upper() + table.title[1:])}.}}",
        f"\\label{{tab:{table.name}}}",
    ]
    for block in table.blocks:
        if len(table.blocks) > 1:
            parts.append(f"\\par\\smallskip\\textbf{{{heading(block)}}}\\par\\smallskip")
        parts += latex_grid(_header(table, block, _LATEX), _rows(table, block, _LATEX))
        if block.counted:
            parts.append(f"\\par\\smallskip {escape_latex(BEHIND)}:\\par\\smallskip")
            parts += latex_grid(_behind_header(table, block, _LATEX), _behind_rows(table, block, _LATEX))
    if table.notes:
        notes = "\\par ".join(escape_latex(note) for note in table.notes)
        parts.append(f"\\par\\smallskip\n\\begin{{minipage}}{{\\textwidth}}\\footnotesize {notes}\\end{{minipage}}")
    return "\n".join([*parts, "\\end{table*}"]) + "\n"


def latex_grid(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table of LaTeX; the cells are LaTeX already."""
    return [
        f"\\begin{{tabular}}{{{'l' * len(header)}}}",
        "\\toprule",
        " & ".join(header) + r" \\",
        "\\midrule",
        *(" & ".join(row) + r" \\" for row in rows),
        "\\bottomrule",
        "\\end{tabular}",
    ]


# CSV


def _csv(table: TableData) -> str:
    return csv_text([row for block in table.blocks for row in _csv_rows(table, block)])


def csv_text(rows: Sequence[Mapping[str, Any]], first: Iterable[str] = ()) -> str:
    """Rows under the columns `first`, then all others that any of them has, in the order they first come in.

    What a row lacks is empty.
    """
    out = io.StringIO()
    names = dict.fromkeys([*first, *(name for row in rows for name in row)])
    writer = csv.DictWriter(out, list(names), lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _csv_rows(table: TableData, block: Block) -> list[dict[str, Any]]:
    rows = []
    for line, marks in zip(block.lines, best(block.lines), strict=True):
        names = [*block.benchmarks.items(), ("average", "Average")]
        for (benchmark, title), cell, is_best in zip(names, line.columns, marks, strict=True):
            start = {
                "table": table.name,
                "direction": block.direction,
                "run": line.run,
                "data": line.label.data or "",
                "model": line.model,
                **line.facts,
                "benchmark": benchmark,
                "title": title,
            }
            rows.append(start | _csv_whole(cell) | {"best": int(is_best)})
            if len(cell.tallies) > 1:
                rows += [
                    start | {"seed": str(seed)} | tally.model_dump(include={*COUNTS, "accuracy", "low", "high"})
                    for seed, tally in cell.tallies.items()
                ]
    return rows


def _csv_whole(cell: Cell) -> dict[str, Any]:
    """A cell over all seeds: `n` questions, and the counts of all seeds' answers to them."""
    tallies = list(cell.tallies.values())
    counts = {name: [getattr(tally, name) for tally in tallies] for name in COUNTS if name != "n"}
    published = None if cell.published is None else float(cell.published / 100)
    return {
        "seed": "all",
        "seeds": len(tallies) or "",
        "n": tallies[0].n if tallies else "",
        **{name: "" if not tallies or None in values else sum(values) for name, values in counts.items()},
        **_csv_estimate(cell.estimate, "accuracy", "low", "high"),
        "sd_over_seeds": "" if cell.spread is None else round(cell.spread, 6),
        **_csv_estimate(cell.parent, "parent_accuracy", "", ""),
        "arrow": cell.arrow or "",
        **_csv_estimate(cell.change, "change", "change_low", "change_high"),
        "published": "" if published is None else round(published, 6),
    }


def _csv_estimate(estimate: Estimate | None, *names: str) -> dict[str, Any]:
    values = (None, None, None) if estimate is None else (estimate.value, estimate.low, estimate.high)
    return {name: "" if value is None else round(value, 6) for name, value in zip(names, values, strict=True) if name}
