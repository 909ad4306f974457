"""Published numbers matched with ours, with a verdict on each difference."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from r1k.intervals import Interval, wilson
from r1k.report.numbers import percent
from r1k.report.statistics.estimates import average, difference
from r1k.report.tables.accuracy.model import AccuracyRow, AccuracyTable
from r1k.report.tables.published import BENCHMARKS, IMPROVEMENT, ROWS, PublishedRow, mean

AVERAGE = "Average"
MatchVerdict = Literal["same", "compatible", "above", "below"]
SignVerdict = Literal["holds", "undecided", "contradicted"]
BY_SIGN: dict[int, MatchVerdict] = {0: "compatible", 1: "above", -1: "below"}


@dataclass(frozen=True)
class MatchedCell:
    """A published cell and ours, as shares of one; `published` is in percent."""

    run: str
    row: str
    heading: str
    n: int | None
    """Our questions; None for an average."""
    published: Decimal
    ours: Interval
    difference: Interval
    """Ours minus the published value, which counts as a share of the paper's questions."""

    @property
    def verdict(self) -> MatchVerdict:
        """Return `same` if both print alike, else where the interval of the difference is relative to zero."""
        return "same" if percent(self.ours.value) == self.published else BY_SIGN[self.difference.sign]


@dataclass(frozen=True)
class MatchedDifference:
    """A difference that the paper prints, and ours."""

    what: str
    printed: str
    """As printed: a number of points, or an arrow."""
    by_cells: Decimal
    """Difference of the printed cells, or of their means, in percent points."""
    ours: Interval

    @property
    def verdict(self) -> SignVerdict:
        """Return whether ours has the sign of the printed cells; `undecided` if its interval contains zero."""
        sign = self.ours.sign
        if sign == 0:
            return "undecided"
        return "holds" if sign * self.by_cells > 0 else "contradicted"


@dataclass(frozen=True)
class _MatchedRow:
    """Our row and the paper's, with the benchmarks' headings in our table."""

    ours: AccuracyRow
    published: PublishedRow
    titles: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether our average is over the paper's benchmarks."""
        return set(self.titles) == set(BENCHMARKS)


def match_cells(tables: Sequence[AccuracyTable]) -> list[MatchedCell]:
    """Return every cell and average that the paper has too; averages only over the paper's benchmarks."""
    return [match for row in _matched_rows(tables) for match in _cells(row)]


def match_differences(tables: Sequence[AccuracyTable]) -> list[MatchedDifference]:
    """Return r1k minus s1k on average, by model and over both models, and the changes by DPO."""
    rows = list(_matched_rows(tables))
    return [*_improvements(rows), *(change for row in rows for change in _changes(row))]


def _matched_rows(tables: Sequence[AccuracyTable]) -> Iterator[_MatchedRow]:
    """Yield the rows that the paper has too; a run that several tables show comes once."""
    seen = set()
    for table in tables:
        (block,) = table.blocks
        for row in block.rows:
            published = ROWS.get((row.method, row.label.data or "", row.model))
            if published is not None and (table.kind, row.run) not in seen:
                seen.add((table.kind, row.run))
                yield _MatchedRow(row, published, tuple(block.benchmarks.values()))


def _cells(row: _MatchedRow) -> Iterator[MatchedCell]:
    columns = zip(BENCHMARKS.items(), row.published.values, strict=True)
    printed = {title: _printed(value, n) for (title, n), value in columns}
    run, name = row.ours.run, row.published.title
    for title, cell in zip(row.titles, row.ours.cells, strict=True):
        if cell.published is not None:
            gap = difference(cell.accuracy, printed[title])
            yield MatchedCell(run, name, title, cell.n, cell.published, cell.accuracy, gap)
    if row.whole:
        ours = row.ours.average.accuracy
        gap = difference(ours, average(list(printed.values())))
        yield MatchedCell(run, name, AVERAGE, None, row.published.average, ours, gap)


def _improvements(rows: Sequence[_MatchedRow]) -> Iterator[MatchedDifference]:
    whole = [row for row in rows if row.whole and row.ours.method == "sft"]
    found = []
    for model in ("7B", "14B"):
        by_data = {row.published.data: row for row in reversed(whole) if row.ours.model == model}
        if {"r1k", "s1k"} <= by_data.keys():
            high, low = (by_data[data] for data in ("r1k", "s1k"))
            by_cells = mean(high.published.values) - mean(low.published.values)
            gap = difference(high.ours.average.accuracy, low.ours.average.accuracy)
            found.append((by_cells, gap))
            printed = f"{high.published.average - low.published.average:+}"
            yield MatchedDifference(f"r1k over s1k, {model}", printed, by_cells, gap)
    if len(found) == 2:
        by_cells, gap = mean([cells for cells, _ in found]), average([ours for _, ours in found])
        yield MatchedDifference("r1k over s1k, both models", f"{IMPROVEMENT:+}", by_cells, gap)


def _changes(row: _MatchedRow) -> Iterator[MatchedDifference]:
    published, average_cell = row.published, row.ours.average
    if published.method != "dpo" or average_cell.change is None:
        return
    start = ROWS["sft", published.data, published.model]
    columns = zip(BENCHMARKS, published.values, start.values, published.arrows, strict=True)
    changes = {title: (arrow, value - before) for title, value, before, arrow in columns}
    for title, cell in zip(row.titles, row.ours.cells, strict=True):
        if title in changes and cell.change is not None:
            arrow, by_cells = changes[title]
            yield MatchedDifference(f"{published.title}, {title}", arrow, by_cells, cell.change)
    if row.whole:
        by_cells = mean(published.values) - mean(start.values)
        printed = f"{published.change:+}"
        yield MatchedDifference(f"{published.title}, {AVERAGE}", printed, by_cells, average_cell.change)


def _printed(value: Decimal, n: int) -> Interval:
    """Return a printed percentage as a share of the paper's questions; it need not be a whole number of them."""
    return wilson(float(value / 100) * n, n)
