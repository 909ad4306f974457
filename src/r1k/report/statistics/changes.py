"""Where the probability went over a training: the responses that are followed, at its start and its end."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from r1k.config import Arm, DynamicsSpec
from r1k.records import SPANS, ResponseKind, Span, Split
from r1k.report.statistics.bootstrap import bootstrap_means, expanded_tail
from r1k.report.statistics.curves import SPLITS, Method
from r1k.report.statistics.load_tracked import MEASURES, MOMENTS, Measure, Moment, Tracks

METHODS: tuple[Method, ...] = ("sft", "dpo")


class Interval(NamedTuple):
    """A mean over problems with its 95 % bootstrap interval, whose ends are NaN where there is but one problem."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Change:
    """A mean over problems at the start and the end of a training, and its change with a 95 % bootstrap interval."""

    arm: Arm
    test: Arm
    split: Split
    method: Method
    run: str
    response: ResponseKind
    span: Span
    measure: Measure
    start: float
    end: float
    change: float
    low: float
    high: float
    n: int
    """Problems."""
    seeds: int


class Measured:
    """What was measured before and after each of a figure's trainings: means over seeds, by problem."""

    def __init__(self, spec: DynamicsSpec, tracked: Sequence[Path]) -> None:
        """RecordError where a training, or one of its ends, was not tracked."""
        self.spec = spec
        self._tracks = Tracks((run for pair in spec.arms.values() for run in (pair.sft, pair.dpo)), spec.seeds, tracked)
        self.kinds = self._tracks.kinds

    def run(self, arm: Arm, method: Method) -> str:
        pair = self.spec.arms[arm]
        return pair.sft if method == "sft" else pair.dpo

    def table(self, arm: Arm, method: Method, moment: Moment, test: Arm, split: Split) -> pd.DataFrame:
        """`Tracks.table` of a training."""
        return self._tracks.table(self.run(arm, method), moment, test, split)

    def values(
        self,
        arm: Arm,
        method: Method,
        moment: Moment,
        test: Arm,
        split: Split,
        response: ResponseKind,
        measure: Measure,
    ) -> "pd.Series[float]":
        """`Tracks.values` of a training."""
        return self._tracks.values(self.run(arm, method), moment, test, split, response, measure)

    def change(
        self, arm: Arm, method: Method, test: Arm, split: Split, response: ResponseKind, measure: Measure
    ) -> "pd.Series[float]":
        """By problem, the end less the start of a training, over whole responses."""
        start, end = (self.values(arm, method, moment, test, split, response, measure) for moment in MOMENTS)
        return (end - start).dropna()


def estimate(values: "pd.Series[float]") -> Interval:
    """The mean over problems, of which there is at least one."""
    (found,) = _estimates(np.array(values, dtype=np.float64)[:, None])
    return found


def _estimates(values: NDArray[np.float64]) -> list[Interval]:
    """One for each column of [problems, quantities]."""
    tail = expanded_tail(len(values)) if len(values) > 1 else 0.0
    ends = zip(*(part.tolist() for part in bootstrap_means(values, tail=tail)), strict=True)
    return [Interval(*each) for each in ends]


def changes(measured: Measured) -> list[Change]:
    """Every arm on T_f, T_r and T_m, both splits and trainings, each response, span and measure."""
    return list(_changes(measured))


def _changes(measured: Measured) -> Iterator[Change]:
    for arm, method, split, test in product(measured.spec.arms, METHODS, SPLITS, get_args(Arm)):
        start, end = (measured.table(arm, method, moment, test, split) for moment in MOMENTS)
        moved = end - start
        there, intervals = moved.notna(), _by_problems(moved)
        starts, ends, n = start.where(there).mean().to_dict(), end.where(there).mean().to_dict(), there.sum().to_dict()
        for response, span, measure in product(measured.kinds, SPANS, MEASURES):
            column = (measure, response, span)
            if column not in intervals:
                continue
            value, low, high = intervals[column]
            yield Change(
                arm=arm,
                test=test,
                split=split,
                method=method,
                run=measured.run(arm, method),
                response=response,
                span=span,
                measure=measure,
                start=starts[column],
                end=ends[column],
                change=value,
                low=low,
                high=high,
                n=n[column],
                seeds=len(measured.spec.seeds),
            )


def _by_problems(moved: pd.DataFrame) -> dict[Hashable, Interval]:
    """Intervals of all columns, those of the same problems together, since a bootstrap draws problems."""
    groups: dict[bytes, list[Hashable]] = {}
    for column in moved:
        groups.setdefault(moved[column].notna().to_numpy().tobytes(), []).append(column)
    return {
        column: interval
        for columns in groups.values()
        if len(values := moved[columns].dropna())
        for column, interval in zip(columns, _estimates(values.to_numpy()), strict=True)
    }
