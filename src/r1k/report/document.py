"""The content of a page of tables, independent of its format; `r1k.report.writers` turns it into text.

All texts are plain: the writers escape them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from r1k.intervals import Interval
from r1k.report.numbers import format_number, number_ends, percent, percent_ends, points, points_ends

UNKNOWN = "–"


@dataclass(frozen=True)
class DataSymbol:
    """The paper's symbol of a training set: D with a subscript, or D alone if `subscript` is empty."""

    subscript: str


@dataclass(frozen=True)
class Cell:
    """A value with its mark (an arrow, a verdict, a count) and its interval, printed in this order."""

    value: str | tuple[str | DataSymbol, ...]
    """Several parts are separated by blanks."""
    mark: str = ""
    interval: str = ""
    emphasis: Literal["none", "bold", "italic"] = "none"
    """Of the value alone."""


CellContent = str | Cell | tuple[Cell, ...]
"""Several cells in one place are separated by semicolons."""


@dataclass(frozen=True)
class Grid:
    """A table; `caption` is the line above it."""

    header: tuple[str, ...]
    rows: tuple[tuple[CellContent, ...], ...]
    caption: str = ""


@dataclass(frozen=True)
class DocumentSection:
    """Grids under a heading; the heading is empty if the document has one section."""

    grids: tuple[Grid, ...]
    heading: str = ""


@dataclass(frozen=True)
class Document:
    """Sections of tables, notes on how to read them, and the records behind them, which are the CSV."""

    name: str
    title: str
    sections: tuple[DocumentSection, ...]
    notes: tuple[str, ...]
    records: tuple[Mapping[str, Any], ...] = ()
    columns: tuple[str, ...] = ()
    """First columns of the CSV, also if there are no records."""


def percent_cell(found: Interval, mark: str = "") -> Cell:
    """Return a share as `46.6% [42.1, 51.0]`."""
    return Cell(f"{percent(found.value)}%", mark, percent_ends(found))


def points_cell(found: Interval) -> Cell:
    """Return a difference of shares in percent points, `+4.0 [-0.3, +8.2]`."""
    return Cell(points(found.value), interval=points_ends(found))


def number_cell(found: Interval, form: str) -> Cell:
    """Return a number in a Python format such as `.3f`, with its interval."""
    return Cell(format_number(found.value, form), interval=number_ends(found, form))
