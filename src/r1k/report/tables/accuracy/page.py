"""An accuracy table as a document: cells as in the paper, counts below, and a CSV record per cell and seed."""

from collections.abc import Iterator
from typing import Any

from r1k.report.document import UNKNOWN, Cell, CellContent, DataSymbol, Document, DocumentSection, Grid
from r1k.report.numbers import csv_interval, csv_number, percent, percent_ends
from r1k.report.tables.accuracy.model import (
    AccuracyBlock,
    AccuracyCell,
    AccuracyRow,
    AccuracyTable,
    RowLabel,
    TableKind,
    arrow,
    best,
)

COUNTS = ("n", "correct", "unparsed", "truncated", "last_number_correct")
COUNTS_CAPTION = "Unparsed / truncated / correct by the last number, in percent"
DATA_SYMBOLS = {
    "s1k": "s1k",
    "r1k": "r1k",
    "half": "0.5k",
    "disjoint": "0.5+0.5k",
    "mix": "",
    "revthink": "RT",
    "pairs": "pairs",
}
"""The paper's subscripts of D, and those of sets that the paper does not have."""
ARROWS = {"up": "↑", "down": "↓", "equal": "="}


def accuracy_document(table: AccuracyTable) -> Document:
    """Return the table in the paper's form, with the interval of each cell in brackets."""
    several = len(table.blocks) > 1
    return Document(
        name=table.name,
        title=table.title,
        sections=tuple(
            DocumentSection(tuple(_grids(table.kind, block)), _heading(block) if several else "")
            for block in table.blocks
        ),
        notes=table.notes,
        records=tuple(record for block in table.blocks for record in _records(table, block)),
    )


def _heading(block: AccuracyBlock) -> str:
    return "All questions" if block.direction == "all" else f"{block.direction.capitalize()} questions"


def _grids(kind: TableKind, block: AccuracyBlock) -> Iterator[Grid]:
    names = ("Based Model",) if kind == "dpo" else ("Data", "Model")
    header = (*names, *block.benchmarks.values())
    yield Grid((*header, "Average"), tuple(_rows(kind, block)))
    if block.counted:
        rows = ((*_names(kind, row), *map(_counted_shares, row.cells)) for row in block.rows)
        yield Grid(header, tuple(rows), COUNTS_CAPTION)


def _rows(kind: TableKind, block: AccuracyBlock) -> Iterator[tuple[CellContent, ...]]:
    for row, marks in zip(block.rows, best(block.rows), strict=True):
        bold = marks if kind == "sft" else (False,) * len(marks)
        cells = (_cell(cell, is_bold) for cell, is_bold in zip(row.cells, bold[:-1], strict=True))
        yield (*_names(kind, row), *cells, _average_cell(row.average, bold[-1]))
        if any(cell.published is not None for cell in row.columns):
            blanks = [""] if kind == "sft" else []
            yield (_italic("published"), *blanks, *map(_published_cell, row.columns))


def _names(kind: TableKind, row: AccuracyRow) -> tuple[CellContent, ...]:
    if kind == "dpo":
        return (Cell((*_label(row.label), f"({row.model})")),)
    return Cell(_label(row.label)), row.model


def _label(label: RowLabel) -> tuple[str | DataSymbol, ...]:
    data = [DataSymbol(DATA_SYMBOLS[label.data])] if label.data else []
    return (label.before, *data, label.after)


def _cell(cell: AccuracyCell, bold: bool) -> Cell:
    return _accuracy_cell(cell, ARROWS[cell.arrow] if cell.arrow else "", bold)


def _average_cell(cell: AccuracyCell, bold: bool) -> Cell:
    change = cell.printed_change
    return _accuracy_cell(cell, "" if change is None else f"({ARROWS[arrow(change)]} {abs(change)}%)", bold)


def _accuracy_cell(cell: AccuracyCell, mark: str, bold: bool) -> Cell:
    value = f"{percent(cell.accuracy.value)}%"
    return Cell(value, mark, percent_ends(cell.accuracy), "bold" if bold else "none")


def _published_cell(cell: AccuracyCell) -> CellContent:
    return "" if cell.published is None else _italic(f"{cell.published}%")


def _italic(text: str) -> Cell:
    return Cell(text, emphasis="italic")


def _counted_shares(cell: AccuracyCell) -> str:
    """Return the shares of unparsed and truncated answers, and of answers that are correct by their last number."""
    asked = sum(tally.n for tally in cell.tallies.values())
    parts = []
    for count in ("unparsed", "truncated", "last_number_correct"):
        values = [getattr(tally, count) for tally in cell.tallies.values()]
        parts.append(UNKNOWN if None in values else f"{percent(sum(values) / asked)}")
    spread = "" if cell.spread is None else f" (± {percent(cell.spread)})"
    return " / ".join(parts) + spread


def _records(table: AccuracyTable, block: AccuracyBlock) -> Iterator[dict[str, Any]]:
    for row, marks in zip(block.rows, best(block.rows), strict=True):
        names = [*block.benchmarks.items(), ("average", "Average")]
        for (benchmark, title), cell, is_best in zip(names, row.columns, marks, strict=True):
            start = {
                "table": table.name,
                "direction": block.direction,
                "run": row.run,
                "data": row.label.data or "",
                "model": row.model,
                "method": row.method,
                "base": row.base,
                "parent": row.parent,
                "benchmark": benchmark,
                "title": title,
            }
            yield start | _over_seeds(cell) | {"best": int(is_best)}
            if len(cell.tallies) > 1:
                for seed, tally in cell.tallies.items():
                    counts = tally.model_dump(include={*COUNTS, "accuracy", "low", "high"})
                    yield start | {"seed": str(seed)} | counts


def _over_seeds(cell: AccuracyCell) -> dict[str, Any]:
    """Return a cell's record over all seeds: `n` questions, and the counts of all seeds' answers to them."""
    tallies = list(cell.tallies.values())
    counts = {name: [getattr(tally, name) for tally in tallies] for name in COUNTS if name != "n"}
    return {
        "seed": "all",
        "seeds": len(tallies) or "",
        "n": cell.n or "",
        **{name: "" if not tallies or None in values else sum(values) for name, values in counts.items()},
        **csv_interval(cell.accuracy, "accuracy", "low", "high"),
        "sd_over_seeds": csv_number(cell.spread),
        **csv_interval(cell.parent, "parent_accuracy"),
        "arrow": cell.arrow or "",
        **csv_interval(cell.change, "change", "change_low", "change_high"),
        "published": csv_number(None if cell.published is None else float(cell.published / 100)),
    }
