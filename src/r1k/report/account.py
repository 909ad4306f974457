"""Where the probability went over a training: the responses that are followed, at its start and its end."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from r1k.config import Arm, DynamicsSpec
from r1k.errors import RecordError
from r1k.records import METRICS, RESPONSE_KINDS, SPANS, ResponseKind, Span, Split, Tracked, read_jsonl
from r1k.report.curves import SPLITS, TESTS, Method
from r1k.report.statistics.bootstrap import bootstrap_means, expanded_tail

Moment = Literal["start", "end"]
MOMENTS: tuple[Moment, ...] = get_args(Moment)
Measure = Literal[
    "log_p", "log_p_argmax", "off_argmax", "entropy", "rank", "share_argmax", "p", "p_rival", "p_rest", "kl"
]
MEASURES: tuple[Measure, ...] = get_args(Measure)
"""Those of Tracked, and `p_rest`, what `p` and `p_rival` leave."""
METHODS: tuple[Method, ...] = ("sft", "dpo")
KEYS = ["run", "moment", "split", "direction", "response", "span", "problem"]


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
        frame = pd.concat([_ends(path) for path in tracked], ignore_index=True)
        frame["p_rest"] = (1 - frame["p"] - frame["p_rival"]).clip(lower=0)
        known = set(zip(frame["run"], frame["seed"], strict=True))
        for run in (run for pair in spec.arms.values() for run in (pair.sft, pair.dpo)):
            for seed in spec.seeds:
                if (run, seed) not in known:
                    raise RecordError(
                        f"no tracked responses of run {run!r}, seed {seed}; make tracked/{run}/{seed}.jsonl"
                    )
        wanted = frame[frame["seed"].isin(spec.seeds)]
        found = wanted.groupby(KEYS, sort=True)[list(MEASURES)]
        # A problem that one seed alone measured would stand for another mean.
        whole = found.mean()[found.size() == len(spec.seeds)].reset_index()
        self._tables = {key: part.set_index("problem")[list(MEASURES)] for key, part in whole.groupby(KEYS[:-1])}
        self.kinds = [kind for kind in RESPONSE_KINDS if kind in set(frame["response"])]

    def run(self, arm: Arm, method: Method) -> str:
        pair = self.spec.arms[arm]
        return pair.sft if method == "sft" else pair.dpo

    def table(
        self, arm: Arm, method: Method, moment: Moment, test: Arm, split: Split, response: ResponseKind, span: Span
    ) -> pd.DataFrame:
        """All measures, [problems, measures]: means over the prompts of `test`, of problems that have it under all."""
        run, nothing = self.run(arm, method), pd.DataFrame(columns=list(MEASURES), dtype=float)
        parts = [
            self._tables.get((run, moment, split, direction, response, span), nothing) for direction in TESTS[test]
        ]
        # A problem that one of them lacks has no sum.
        return functools.reduce(pd.DataFrame.add, parts).div(len(parts)).dropna()

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
        """One measure over whole responses, by problem."""
        return self.table(arm, method, moment, test, split, response, "all")[measure]

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
        for response, span in product(measured.kinds, SPANS):
            start, end = (measured.table(arm, method, moment, test, split, response, span) for moment in MOMENTS)
            moved = (end - start).dropna()
            if moved.empty:
                continue
            found = _estimates(moved.to_numpy())
            for measure, interval in zip(MEASURES, found, strict=True):
                yield Change(
                    arm=arm,
                    test=test,
                    split=split,
                    method=method,
                    run=measured.run(arm, method),
                    response=response,
                    span=span,
                    measure=measure,
                    start=float(start.loc[moved.index, measure].mean()),
                    end=float(end.loc[moved.index, measure].mean()),
                    change=interval.value,
                    low=interval.low,
                    high=interval.high,
                    n=len(moved),
                    seeds=len(measured.spec.seeds),
                )


def _ends(path: Path) -> pd.DataFrame:
    """The records of a run's first and last checkpoint, as rows."""
    records = read_jsonl(path, Tracked)
    last = max(record.step for record in records)
    moments: dict[int, Moment] = {last: "end", 0: "start"}
    rows = [
        {"moment": moments[record.step], "seed": record.seed}
        | {key: getattr(record, key) for key in (*KEYS, *METRICS) if key != "moment"}
        for record in records
        if record.step in moments
    ]
    if last == 0 or not any(row["moment"] == "start" for row in rows):
        raise RecordError(f"{path}: holds no two checkpoints, step 0 and a later one; probe the run again")
    return pd.DataFrame(rows)
