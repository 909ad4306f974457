"""Where the probability went over a training: the responses that are followed, at its start and its end."""

from collections.abc import Hashable, Iterator, Sequence
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
        whole = found.mean()[found.size() == len(spec.seeds)]
        wide = whole.unstack(["response", "span"])
        self._tables = {key: pd.DataFrame(part).droplevel([0, 1, 2, 3]) for key, part in wide.groupby(level=KEYS[:4])}
        self.kinds = [kind for kind in RESPONSE_KINDS if kind in set(frame["response"])]

    def run(self, arm: Arm, method: Method) -> str:
        pair = self.spec.arms[arm]
        return pair.sft if method == "sft" else pair.dpo

    def table(self, arm: Arm, method: Method, moment: Moment, test: Arm, split: Split) -> pd.DataFrame:
        """Means over the prompts of `test`: [problems, (measure, response, span)], NaN where a prompt lacks it.

        RecordError where none was tracked.
        """
        run = self.run(arm, method)
        keys = [(run, moment, split, direction) for direction in TESTS[test]]
        for key in keys:
            if key not in self._tables:
                raise RecordError(f"no tracked responses of run {run!r} on {key[3]} prompts of the {split} split")
        return sum((self._tables[key] for key in keys[1:]), self._tables[keys[0]]) / len(keys)

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
        """One measure over whole responses, by problem; of none where that response was not tracked."""
        table, column = self.table(arm, method, moment, test, split), (measure, response, "all")
        return table[column].dropna() if column in table else pd.Series(dtype=float)

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
