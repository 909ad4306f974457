"""Changes of the tracked responses' measures over a training run, from its first to its last checkpoint."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd

from r1k.config import Arm, DynamicsSpec
from r1k.intervals import Interval
from r1k.records import SPANS, ResponseKind, Span, Split
from r1k.report.statistics.bootstrap import bootstrap_means
from r1k.report.statistics.curves import SPLITS, ProbedMethod
from r1k.report.statistics.load_tracked import MEASURES, MOMENTS, Measure, Moment, TrackedMeans

METHODS: tuple[ProbedMethod, ...] = ("sft", "dpo")


@dataclass(frozen=True)
class Change:
    """A measure's means over problems at the start and the end of a training run, and its mean change."""

    arm: Arm
    test: Arm
    split: Split
    method: ProbedMethod
    run: str
    response: ResponseKind
    span: Span
    measure: Measure
    start: float
    end: float
    change: Interval
    """With its bootstrap interval over problems, unknown for a single problem."""
    n: int
    """Problems."""
    seeds: int


class Measured:
    """Measures at the start and the end of a figure's training runs: means over seeds, by problem."""

    def __init__(self, spec: DynamicsSpec, tracked: Sequence[Path]) -> None:
        """Raise RecordError if a run, or its first or last checkpoint, has no tracked responses."""
        self.spec = spec
        runs = (run for pair in spec.arms.values() for run in (pair.sft, pair.dpo))
        self._means = TrackedMeans(runs, spec.seeds, tracked)
        self.kinds = self._means.kinds

    def run(self, arm: Arm, method: ProbedMethod) -> str:
        pair = self.spec.arms[arm]
        return pair.sft if method == "sft" else pair.dpo

    def table(self, arm: Arm, method: ProbedMethod, moment: Moment, test: Arm, split: Split) -> pd.DataFrame:
        """Return `TrackedMeans.table` of an arm's run."""
        return self._means.table(self.run(arm, method), moment, test, split)

    def values(
        self,
        arm: Arm,
        method: ProbedMethod,
        moment: Moment,
        test: Arm,
        split: Split,
        response: ResponseKind,
        measure: Measure,
    ) -> "pd.Series[float]":
        """Return `TrackedMeans.values` of an arm's run."""
        return self._means.values(self.run(arm, method), moment, test, split, response, measure)

    def change(
        self, arm: Arm, method: ProbedMethod, test: Arm, split: Split, response: ResponseKind, measure: Measure
    ) -> "pd.Series[float]":
        """Return end minus start of a run over whole responses, by problem."""
        start, end = (self.values(arm, method, moment, test, split, response, measure) for moment in MOMENTS)
        return (end - start).dropna()


def estimate(values: "pd.Series[float]") -> Interval:
    """Return the mean over problems, at least one, with its bootstrap interval."""
    (found,) = bootstrap_means(np.array(values, dtype=np.float64)[:, None])
    return found


def changes(measured: Measured) -> list[Change]:
    """Return every arm's changes on T_f, T_r and T_m, by split, training method, response, span and measure."""
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
                change=intervals[column],
                n=n[column],
                seeds=len(measured.spec.seeds),
            )


def _by_problems(moved: pd.DataFrame) -> dict[Hashable, Interval]:
    """Return intervals of all columns; columns of the same problems share one bootstrap."""
    groups: dict[bytes, list[int]] = {}
    for column, there in enumerate(moved.notna().to_numpy().T):
        groups.setdefault(there.tobytes(), []).append(column)
    found: dict[Hashable, Interval] = {}
    for problems, columns in groups.items():
        values = moved.iloc[np.frombuffer(problems, dtype=bool), columns]
        if len(values):
            found |= zip(values.columns, bootstrap_means(values.to_numpy()), strict=True)
    return found
