"""The paper's Tables 1 and 2 as printed, and the inconsistencies in them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from r1k.intervals import Interval
from r1k.report.numbers import percent
from r1k.report.statistics.grim import grim
from r1k.report.tables.accuracy.model import (
    AccuracyBlock,
    AccuracyCell,
    AccuracyRow,
    AccuracyTable,
    Arrow,
    RowLabel,
    arrow,
    best,
)

BENCHMARKS = {"AIME": 30, "Math": 500, "GPQA": 198}
"""Heading and number of questions, in the paper's order."""
IMPROVEMENT = Decimal("5.4")
"""Points that r1k gains over s1k on average, as stated in abstract, introduction and section 4.1."""

PrintedTable = Literal["table1", "table2"]
FindingKind = Literal["arrow", "average", "change", "bold", "claim", "unreachable", "truncated", "resolution"]


@dataclass(frozen=True)
class PublishedRow:
    """A printed row, in percent; arrows and change are against the SFT row of the same data and model."""

    method: Literal["sft", "dpo"]
    data: str
    """The training data; for DPO, the training data of its parent SFT model."""
    model: str
    values: tuple[Decimal, ...]
    average: Decimal
    bold: bool = False
    """Whether the row is printed in bold: every column is, or none."""
    arrows: tuple[Arrow, ...] = ()
    change: Decimal | None = None

    @property
    def title(self) -> str:
        return f"{'DPO on ' if self.method == 'dpo' else ''}{self.data} {self.model}"


@dataclass(frozen=True)
class Finding:
    """An inconsistency or a weak point of the printed tables."""

    table: Literal["table1", "table2", "text"]
    kind: FindingKind
    where: str
    message: str
    within_rounding: bool = False
    """Rounding of the printed cells can explain it."""


def _sft(data: str, model: str, values: str, average: str, bold: bool = False) -> PublishedRow:
    return PublishedRow("sft", data, model, _decimals(values), Decimal(average), bold)


def _dpo(data: str, model: str, values: str, arrows: tuple[Arrow, ...], average: str, change: str) -> PublishedRow:
    return PublishedRow("dpo", data, model, _decimals(values), Decimal(average), False, arrows, Decimal(change))


def _decimals(text: str) -> tuple[Decimal, ...]:
    return tuple(Decimal(word) for word in text.split())


TABLE_1 = (
    _sft("s1k", "7B", "16.7 77.0 34.0", "42.6"),
    _sft("r1k", "7B", "20.0 77.4 42.4", "46.6", bold=True),
    _sft("half", "7B", "13.3 71.8 35.8", "40.3"),
    _sft("mix", "7B", "6.7 56.0 31.8", "31.5"),
    _sft("s1k", "14B", "20.0 83.2 48.4", "50.6"),
    _sft("r1k", "14B", "33.3 86.0 53.0", "57.4", bold=True),
    _sft("mix", "14B", "30.0 81.6 49.1", "53.6"),
)
TABLE_2 = (
    _dpo("s1k", "7B", "13.3 71.8 35.9", ("down", "down", "down"), "40.3", "-2.3"),
    _dpo("r1k", "7B", "16.7 75.4 39.4", ("down", "down", "down"), "43.8", "-2.8"),
    _dpo("mix", "7B", "16.7 64.2 34.8", ("up", "up", "up"), "38.6", "7.1"),
    _dpo("mix", "14B", "40.0 81.2 46.4", ("up", "down", "down"), "55.9", "2.3"),
)
ROWS: dict[tuple[str, str, str], PublishedRow] = {
    (row.method, row.data, row.model): row for row in (*TABLE_1, *TABLE_2)
}


def published_value(method: str, data: str | None, model: str, benchmark: str) -> Decimal | None:
    """Return the printed percentage, or None if the paper has none.

    `method` is `sft` or `dpo`; `data` is the training data of SFT, also for DPO; `model` is `7B` or `14B`; `benchmark`
    is `AIME`, `Math`, `GPQA` or `Average`.
    """
    row = ROWS.get((method, data or "", model))
    if row is None:
        return None
    return dict(zip((*BENCHMARKS, "Average"), (*row.values, row.average), strict=True)).get(benchmark)


def published_table(name: PrintedTable) -> AccuracyTable:
    """Return the printed accuracies as a table of ours, which recomputes bold and arrows."""
    rows = TABLE_1 if name == "table1" else TABLE_2
    block = AccuracyBlock("all", {heading: heading for heading in BENCHMARKS}, tuple(map(_accuracy_row, rows)))
    return AccuracyTable(name, "as published", "sft" if name == "table1" else "dpo", (block,))


def _accuracy_row(row: PublishedRow) -> AccuracyRow:
    parent = ROWS["sft", row.data, row.model] if row.method == "dpo" else None
    starts = (*parent.values, parent.average) if parent else (None,) * (len(BENCHMARKS) + 1)
    cells = [
        AccuracyCell(_interval(value), parent=None if start is None else _interval(start))
        for value, start in zip((*row.values, row.average), starts, strict=True)
    ]
    return AccuracyRow(
        label=RowLabel(data=row.data),
        model=row.model,
        run=f"{row.model}-{row.data}-{row.method}",
        method=row.method,
        base=row.model,
        parent=f"{row.model}-{row.data}-sft" if parent else "",
        cells=tuple(cells[:-1]),
        average=cells[-1],
    )


def _interval(value: Decimal) -> Interval:
    return Interval(float(value / 100))


def contradictions() -> list[Finding]:
    """Return all that disagrees with the printed numbers: arrows, averages, changes, bold, the claim, whole counts."""
    return [*_arrows(), *_averages(), *_changes(), *_bold(), *_claim(), *_counts()]


def resolution() -> list[Finding]:
    """Return the cells in which r1k is above s1k by a single question."""
    found = []
    for model in ("7B", "14B"):
        ours, theirs = ROWS["sft", "r1k", model], ROWS["sft", "s1k", model]
        for (heading, n), high, low in zip(BENCHMARKS.items(), ours.values, theirs.values, strict=True):
            if round(high * n / 100) - round(low * n / 100) == 1:
                message = f"r1k's {high} against s1k's {low} is one question of {n}"
                found.append(Finding("table1", "resolution", f"{model} {heading}", message))
    return found


def _arrows() -> Iterator[Finding]:
    for row in TABLE_2:
        start = ROWS["sft", row.data, row.model]
        for heading, value, before, printed in zip(BENCHMARKS, row.values, start.values, row.arrows, strict=True):
            if arrow(value - before) != printed:
                message = f"goes from {before} to {value} and is printed with an arrow {printed}"
                yield Finding("table2", "arrow", f"{row.data} {row.model} {heading}", message)
        if row.change is not None and arrow(row.average - start.average) != arrow(row.change):
            message = f"goes from {start.average} to {row.average} and is printed as a change of {row.change}"
            yield Finding("table2", "arrow", f"{row.data} {row.model} Average", message)


def _averages() -> Iterator[Finding]:
    for table, row in all_rows():
        exact = mean(row.values)
        if tenth(exact) != row.average:
            message = f"printed {row.average}; the printed cells average {tenth(exact)} ({exact:.2f})"
            within = abs(exact - row.average) <= Decimal("0.1")
            yield Finding(table, "average", f"{row.data} {row.model} Average", message, within)


def _changes() -> Iterator[Finding]:
    for row in TABLE_2:
        start = ROWS["sft", row.data, row.model]
        exact = mean(row.values) - mean(start.values)
        if tenth(exact) != row.change and row.change is not None:
            message = (
                f"printed {row.change:+}; the printed averages give {row.average - start.average:+}, "
                f"the printed cells {tenth(exact):+} ({exact:+.2f})"
            )
            within = abs(exact - row.change) <= Decimal("0.15")
            yield Finding("table2", "change", f"{row.data} {row.model} Average", message, within)


def _bold() -> Iterator[Finding]:
    for row, marks in zip(TABLE_1, best(published_table("table1").blocks[0].rows), strict=True):
        for heading, mark in zip((*BENCHMARKS, "Average"), marks, strict=True):
            if mark != row.bold:
                message = "is the best of its model and not bold" if mark else "is bold and not the best of its model"
                yield Finding("table1", "bold", f"{row.data} {row.model} {heading}", message)


def _claim() -> Iterator[Finding]:
    pairs = [(ROWS["sft", "r1k", model], ROWS["sft", "s1k", model]) for model in ("7B", "14B")]
    printed = mean([ours.average - theirs.average for ours, theirs in pairs])
    exact = mean([mean(ours.values) - mean(theirs.values) for ours, theirs in pairs])
    if tenth(exact) != IMPROVEMENT:
        message = (
            f"printed {IMPROVEMENT}; the printed averages give {printed:.1f}, the printed cells {tenth(exact)} "
            f"({exact:.2f})"
        )
        yield Finding("text", "claim", "r1k over s1k", message, abs(exact - IMPROVEMENT) <= Decimal("0.15"))


def _counts() -> Iterator[Finding]:
    for table, row in all_rows():
        for (heading, n), value in zip(BENCHMARKS.items(), row.values, strict=True):
            where, counts = f"{row.data} {row.model} {heading}", grim(value, n)
            if counts.rounded:
                continue
            if counts.cut:
                rounded = tenth(Decimal(100 * counts.cut[0]) / n)
                message = f"{value} is {counts.cut[0]} of {n} truncated; rounded it is {rounded}"
                yield Finding(table, "truncated", where, message, True)
            else:
                yield Finding(table, "unreachable", where, f"no whole number of correct answers of {n} gives {value}")


def all_rows() -> list[tuple[PrintedTable, PublishedRow]]:
    """Return every printed row with its table, in order."""
    return [*(("table1", row) for row in TABLE_1), *(("table2", row) for row in TABLE_2)]


def mean(values: Sequence[Decimal]) -> Decimal:
    """Return the plain mean, not rounded."""
    return sum(values, Decimal(0)) / len(values)


def tenth(value: Decimal) -> Decimal:
    """Return a percentage with one decimal; halves round up."""
    return percent(float(value) / 100)
