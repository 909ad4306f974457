"""Each published number beside ours, with what can be said of the difference."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from r1k.intervals import wilson
from r1k.report.statistics.estimates import Estimate, average, difference
from r1k.report.tables.published import BENCHMARKS, IMPROVEMENT, ROWS, PublishedRow, mean
from r1k.report.tables.table_model import Line, TableData, percent

AVERAGE = "Average"
Verdict = Literal["same", "compatible", "above", "below"]
Holds = Literal["holds", "undecided", "contradicted"]


@dataclass(frozen=True)
class Match:
    """A published cell and ours. Shares of one, but for `published`, which is in percent."""

    run: str
    row: str
    heading: str
    n: int | None
    """Questions of ours; None for an average."""
    published: Decimal
    ours: Estimate
    difference: Estimate
    """Ours less the published value, both taken as counts of as many questions as they have."""

    @property
    def verdict(self) -> Verdict:
        """`same` in print; else whether zero lies in, below or above the interval of the difference."""
        if percent(self.ours.value) == self.published:
            return "same"
        return {0: "compatible", 1: "above", -1: "below"}[_side(self.difference)]  # type: ignore[return-value]


@dataclass(frozen=True)
class Claim:
    """A difference that the paper prints, and ours; `printed` as printed, `by_cells` in percent points."""

    what: str
    printed: str
    by_cells: Decimal
    """The difference of the printed cells, or of their means."""
    ours: Estimate

    @property
    def verdict(self) -> Holds:
        """Whether ours has the sign of the printed numbers, as far as its interval leaves zero out."""
        side = _side(self.ours)
        if side == 0:
            return "undecided"
        return "holds" if side * self.by_cells > 0 else "contradicted"


def matches(tables: Sequence[TableData]) -> list[Match]:
    """Every cell and average that the paper has too; an average only over the paper's benchmarks."""
    return [match for line, titles in _lines(tables) for match in _matches(line, titles)]


def claims(tables: Sequence[TableData]) -> list[Claim]:
    """r1k over s1k on average, by model and over both; and what DPO changed."""
    lines = list(_lines(tables))
    return [*_improvements(lines), *(claim for line, titles in lines for claim in _changes(line, titles))]


def published_row(line: Line) -> PublishedRow | None:
    """The paper's row with the same method, data and model."""
    return ROWS.get((line.facts["method"], line.label.data or "", line.model))


def _lines(tables: Sequence[TableData]) -> Iterator[tuple[Line, list[str]]]:
    """The lines that the paper has too, with their benchmarks' headings; a run that several tables show comes once."""
    seen = set()
    for table in tables:
        (block,) = table.blocks
        for line in block.lines:
            if published_row(line) is not None and (table.shows, line.run) not in seen:
                seen.add((table.shows, line.run))
                yield line, list(block.benchmarks.values())


def _matches(line: Line, titles: Sequence[str]) -> Iterator[Match]:
    row = ROWS[line.facts["method"], line.label.data or "", line.model]
    printed = {title: _printed(value, n) for (title, n), value in zip(BENCHMARKS.items(), row.values, strict=True)}
    for title, cell in zip(titles, line.cells, strict=True):
        if cell.published is not None:
            n = next(iter(cell.tallies.values())).n
            gap = difference(cell.estimate, printed[title])
            yield Match(line.run, _words(row), title, n, cell.published, cell.estimate, gap)
    if set(titles) == set(BENCHMARKS):
        gap = difference(line.average.estimate, average(list(printed.values())))
        yield Match(line.run, _words(row), AVERAGE, None, row.average, line.average.estimate, gap)


def _improvements(lines: Sequence[tuple[Line, list[str]]]) -> Iterator[Claim]:
    whole = [line for line, titles in lines if set(titles) == set(BENCHMARKS) and line.facts["method"] == "sft"]
    found = []
    for model in ("7B", "14B"):
        by_data = {line.label.data: line for line in reversed(whole) if line.model == model}
        if {"r1k", "s1k"} <= by_data.keys():
            high, low = (by_data[data] for data in ("r1k", "s1k"))
            rows = [ROWS["sft", data, model] for data in ("r1k", "s1k")]
            by_cells = mean(rows[0].values) - mean(rows[1].values)
            gap = difference(high.average.estimate, low.average.estimate)
            found.append((by_cells, gap))
            yield Claim(f"r1k over s1k, {model}", f"{rows[0].average - rows[1].average:+}", by_cells, gap)
    if len(found) == 2:
        by_cells, gap = mean([cells for cells, _ in found]), average([ours for _, ours in found])
        yield Claim("r1k over s1k, both models", f"{IMPROVEMENT:+}", by_cells, gap)


def _changes(line: Line, titles: Sequence[str]) -> Iterator[Claim]:
    row = ROWS[line.facts["method"], line.label.data or "", line.model]
    if row.method != "dpo" or line.average.change is None:
        return
    start = ROWS["sft", row.data, row.model]
    columns = zip(BENCHMARKS, row.values, start.values, row.arrows, strict=True)
    changes = {title: (arrow, value - before) for title, value, before, arrow in columns}
    for title, cell in zip(titles, line.cells, strict=True):
        if title in changes and cell.change is not None:
            arrow, by_cells = changes[title]
            yield Claim(f"{_words(row)}, {title}", arrow, by_cells, cell.change)
    if set(titles) == set(BENCHMARKS):
        by_cells = mean(row.values) - mean(start.values)
        yield Claim(f"{_words(row)}, {AVERAGE}", f"{row.change:+}", by_cells, line.average.change)


def _printed(value: Decimal, n: int) -> Estimate:
    """A printed percentage as that share of the paper's questions, though no whole number of them may give it."""
    share = float(value / 100)
    return Estimate(share, *wilson(share * n, n))


def _side(gap: Estimate) -> int:
    """1 where the whole interval is above zero, -1 where it is below, else 0."""
    if gap.low is None or gap.high is None:
        return 0
    return 1 if gap.low > 0 else -1 if gap.high < 0 else 0


def _words(row: PublishedRow) -> str:
    return f"{'DPO on ' if row.method == 'dpo' else ''}{row.data} {row.model}"
