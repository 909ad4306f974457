"""What a table of accuracies says, before it is written in any format: values, best of a group, arrows, changes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

from r1k.records import Tally
from r1k.report.statistics.estimates import Estimate, difference, spread_over_seeds

Arrow = Literal["up", "down", "equal"]
DATA_SYMBOLS = {
    "s1k": "s1k",
    "r1k": "r1k",
    "half": "0.5k",
    "disjoint": "0.5+0.5k",
    "mix": "",
    "revthink": "RT",
    "pairs": "pairs",
}
"""The paper's subscripts of D, and those of sets that it does not have."""


@dataclass(frozen=True)
class Label:
    """What a row is called. `data` is set in the format's mathematics; `before` and `after` are words around it."""

    data: str | None = None
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class Cell:
    """A row's accuracy on one benchmark, or on their average, in shares of one."""

    estimate: Estimate
    tallies: Mapping[int, Tally] = field(default_factory=dict)
    """Counts by training seed; none for an average."""
    parent: Estimate | None = None
    """The same for the model that the row's training started from."""
    published: Decimal | None = None
    """The paper's value, in percent."""

    @property
    def spread(self) -> float | None:
        """Standard deviation over seeds, in shares of one; None where there is one seed, or for an average."""
        tallies = list(self.tallies.values())
        return spread_over_seeds([tally.correct for tally in tallies], tallies[0].n) if tallies else None

    @property
    def arrow(self) -> Arrow | None:
        """The way the exact accuracy went from the parent's; None without a parent."""
        return None if self.parent is None else arrow(self.estimate.value - self.parent.value)

    @property
    def change(self) -> Estimate | None:
        """The exact change against the parent, in shares of one, with its interval."""
        return None if self.parent is None else difference(self.estimate, self.parent)

    @property
    def printed_change(self) -> Decimal | None:
        """The difference of the two values as they are printed, in percent points: what a reader can check."""
        return None if self.parent is None else percent(self.estimate.value) - percent(self.parent.value)


@dataclass(frozen=True)
class Line:
    """A row of the table."""

    label: Label
    model: str
    run: str
    group: str
    """Rows of one group compete for bold."""
    cells: tuple[Cell, ...]
    average: Cell
    facts: Mapping[str, str] = field(default_factory=dict)
    """More that the CSV says of the row."""

    @property
    def columns(self) -> tuple[Cell, ...]:
        return (*self.cells, self.average)


@dataclass(frozen=True)
class Block:
    """Rows by benchmarks, over the questions of one direction or over all."""

    direction: str
    benchmarks: Mapping[str, str]
    """Name to heading, in order."""
    lines: tuple[Line, ...]

    @property
    def counted(self) -> bool:
        """Whether the counts behind every cell are known: unparsed and truncated shares are then printed."""
        return all(cell.tallies for line in self.lines for cell in line.cells)


@dataclass(frozen=True)
class TableData:
    """A whole table."""

    name: str
    title: str
    shows: Literal["sft", "dpo"]
    blocks: tuple[Block, ...]
    notes: tuple[str, ...] = ()


def percent(share: float) -> Decimal:
    """A share of one in percent, with one decimal, halves rounded up as readers do."""
    return Decimal(str(round(100 * share, 9))).quantize(Decimal("0.1"), ROUND_HALF_UP)


def arrow(change: float | Decimal) -> Arrow:
    """The way of a change; differences of floating-point rounding are none."""
    if math.isclose(change, 0, abs_tol=1e-12):
        return "equal"
    return "up" if change > 0 else "down"


def best(lines: Sequence[Line]) -> list[tuple[bool, ...]]:
    """For each line and column, whether it is the best of its group; ties are all best, a lone row never is."""
    marks = []
    for line in lines:
        rivals = [other for other in lines if other.group == line.group]
        tops = [max(other.columns[k].estimate.value for other in rivals) for k in range(len(line.columns))]
        marks.append(
            tuple(
                len(rivals) > 1 and math.isclose(cell.estimate.value, top, abs_tol=1e-12)
                for cell, top in zip(line.columns, tops, strict=True)
            )
        )
    return marks
