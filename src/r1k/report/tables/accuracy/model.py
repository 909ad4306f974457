"""Content of an accuracy table before formatting: values, best cells, arrows, changes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from r1k.intervals import Interval
from r1k.records import Tally
from r1k.report.numbers import percent
from r1k.report.statistics.estimates import difference, spread_over_seeds

Arrow = Literal["up", "down", "equal"]
TableKind = Literal["sft", "dpo"]


@dataclass(frozen=True)
class RowLabel:
    """A row's name: a data set between two texts, each of which can be missing."""

    data: str | None = None
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class AccuracyCell:
    """A row's accuracy on one benchmark, or on their average, as a share of one."""

    accuracy: Interval
    tallies: Mapping[int, Tally] = field(default_factory=dict)
    """Counts by training seed; empty for an average."""
    parent: Interval | None = None
    """Accuracy of the model from which the row's training run started."""
    published: Decimal | None = None
    """The paper's value, in percent."""

    @property
    def n(self) -> int | None:
        """Return the number of questions; None for an average."""
        return next((tally.n for tally in self.tallies.values()), None)

    @property
    def spread(self) -> float | None:
        """Return the standard deviation over seeds; None for a single seed and for an average."""
        if self.n is None:
            return None
        return spread_over_seeds([tally.correct for tally in self.tallies.values()], self.n)

    @property
    def arrow(self) -> Arrow | None:
        """Return the direction of the exact change against the parent; None without a parent."""
        return None if self.parent is None else arrow(self.accuracy.value - self.parent.value)

    @property
    def change(self) -> Interval | None:
        """Return the exact change against the parent; None without a parent."""
        return None if self.parent is None else difference(self.accuracy, self.parent)

    @property
    def printed_change(self) -> Decimal | None:
        """Return the difference of the two printed values in percent points, which a reader can check."""
        return None if self.parent is None else percent(self.accuracy.value) - percent(self.parent.value)


@dataclass(frozen=True)
class AccuracyRow:
    """A run's accuracies."""

    label: RowLabel
    model: str
    """The base's title."""
    run: str
    method: str
    base: str
    """Rows of the same base compete for bold."""
    parent: str
    """The run from which the training run started; empty without one."""
    cells: tuple[AccuracyCell, ...]
    average: AccuracyCell

    @property
    def columns(self) -> tuple[AccuracyCell, ...]:
        return (*self.cells, self.average)


@dataclass(frozen=True)
class AccuracyBlock:
    """Runs by benchmarks, on the questions of one direction or on all."""

    direction: str
    benchmarks: Mapping[str, str]
    """Name to heading, in order."""
    rows: tuple[AccuracyRow, ...]

    @property
    def counted(self) -> bool:
        """Whether the counts of every cell are known, so that unparsed and truncated shares can be printed."""
        return all(cell.tallies for row in self.rows for cell in row.cells)


@dataclass(frozen=True)
class AccuracyTable:
    """A block for each direction of questions."""

    name: str
    title: str
    kind: TableKind
    blocks: tuple[AccuracyBlock, ...]
    notes: tuple[str, ...] = ()


def arrow(change: float | Decimal) -> Arrow:
    """Return the direction of a change; a floating-point rounding error counts as no change."""
    if math.isclose(change, 0, abs_tol=1e-12):
        return "equal"
    return "up" if change > 0 else "down"


def best(rows: Sequence[AccuracyRow]) -> list[tuple[bool, ...]]:
    """Return, for each row and column, whether it is the best of its base; ties are all best, a single row never is."""
    marks = []
    for row in rows:
        rivals = [other for other in rows if other.base == row.base]
        tops = [max(other.columns[k].accuracy.value for other in rivals) for k in range(len(row.columns))]
        marks.append(
            tuple(
                len(rivals) > 1 and math.isclose(cell.accuracy.value, top, abs_tol=1e-12)
                for cell, top in zip(row.columns, tops, strict=True)
            )
        )
    return marks
