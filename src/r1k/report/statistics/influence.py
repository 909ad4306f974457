"""What steps on examples do to responses: means over problems, and how well the first order tells what was measured."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from r1k.config import Arm, DynamicsSpec
from r1k.records import UPDATES, Direction, Influence, UpdateKind, read_jsonl
from r1k.report.statistics.bootstrap import bootstrap_statistic, expanded_tail
from r1k.report.statistics.changes import Interval, estimate
from r1k.report.statistics.load_tracked import check_measured

Whose = Literal["same", "train", "held_out"]
WHOSE: tuple[Whose, ...] = get_args(Whose)
"""Whose response is measured: the problem's that the step is taken on, another's trained on, or a held-out one's."""
Kind = tuple[Direction, Literal["own", "other"]]
KINDS: tuple[Kind, ...] = (("forward", "own"), ("reverse", "own"), ("forward", "other"), ("reverse", "other"))
"""y_f | x_f, y_r | x_r, y_r | x_f, y_f | x_r."""
LENGTH = 0.01
"""The step, as a share of the adapter's norm, that changes of all steps are scaled to."""
KEYS = ["update", "trained", "split", "problem", "direction", "response", "length"]
GROUP = ("length", "whose", "update", "direction", "response")
Quantity = Literal["predicted", "measured", "cosine", "a", "g", "kernel", "kernel_square"]
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)
"""Those of Influence."""
FIRST_ORDER = tuple(quantity for quantity in QUANTITIES if quantity != "measured")


@dataclass(frozen=True)
class Effect:
    """A mean over the problems that are measured, each that over the problems stepped on, with a 95 % interval."""

    arm: Arm
    run: str
    whose: Whose
    update: UpdateKind
    direction: Direction
    response: Literal["own", "other"]
    quantity: Quantity
    length: float
    """Of the steps; of factors, which no step has to do with, and the prediction, 0."""
    mean: float
    low: float
    high: float
    n: int
    """Problems that are measured."""
    seeds: int


@dataclass(frozen=True)
class Agreement:
    """How predicted and measured changes of steps of one length agree, with 95 % intervals over measured problems."""

    arm: Arm
    run: str
    length: float
    slope: Interval
    """Of the measured change on the predicted one, through the origin: 1 where the first order is all."""
    correlation: Interval
    n: int
    """Problems that are measured."""
    pairs: int
    """Changes, of a step and a response."""


class Influences:
    """Influences by arm, means over seeds."""

    def __init__(self, spec: DynamicsSpec, paths: Sequence[Path]) -> None:
        """RecordError where a run or a seed of it was not measured."""
        self.spec = spec
        frame = pd.concat([_frame(path) for path in paths], ignore_index=True)
        check_measured(frame, (lines.sft for lines in spec.arms.values()), spec.seeds, "kernel", "ntk")
        found = frame[frame["seed"].isin(spec.seeds)].groupby(["run", *KEYS], sort=False)
        values = found[list(QUANTITIES)].mean()[found.size() == len(spec.seeds)]
        self._frame = values.reset_index()

    def of(self, arm: Arm) -> pd.DataFrame:
        """A row for each step and response, changes scaled to a step of LENGTH."""
        frame = self._frame[self._frame["run"] == self.spec.arms[arm].sft].copy()
        scale = LENGTH / frame["length"]
        frame["predicted"], frame["measured"] = frame["predicted"] * scale, frame["measured"] * scale
        same = (frame["split"] == "train") & (frame["problem"] == frame["trained"])
        frame["whose"] = np.where(same, "same", frame["split"])
        return frame


def effects(influences: Influences) -> Iterator[Effect]:
    """Every arm, update, kind of response and quantity; of groups that have a problem."""
    for arm in influences.spec.arms:
        frame = influences.of(arm)
        means = frame.groupby([*GROUP, "problem"], sort=True)[list(QUANTITIES)].mean()
        groups = dict(iter(means.groupby(level=list(GROUP))))
        lengths = sorted(frame["length"].unique())
        # All but what was measured is the same at every length.
        wanted: list[tuple[float, float, Sequence[Quantity]]] = [
            (0.0, lengths[0], FIRST_ORDER),
            *((length, length, ("measured",)) for length in lengths),
        ]
        for (named, length, quantities), whose, update, kind in product(wanted, WHOSE, UPDATES, KINDS):
            here = groups.get((length, whose, update, *kind))
            for quantity in quantities:
                # |G| is of the step alone: it varies between problems stepped on, and not between those measured.
                if here is None or (quantity == "g" and whose != "same"):
                    continue
                mean, low, high = estimate(here[quantity])
                yield Effect(
                    arm=arm,
                    run=influences.spec.arms[arm].sft,
                    whose=whose,
                    update=update,
                    direction=kind[0],
                    response=kind[1],
                    quantity=quantity,
                    length=named,
                    mean=mean,
                    low=low,
                    high=high,
                    n=len(here),
                    seeds=len(influences.spec.seeds),
                )


def agreements(influences: Influences) -> Iterator[Agreement]:
    """Of every arm and length of step."""
    for arm in influences.spec.arms:
        frame = influences.of(arm)
        for length, rows in frame.groupby("length", sort=True):
            p, m = rows["predicted"], rows["measured"]
            moments = pd.DataFrame({"p": p, "m": m, "pp": p * p, "mm": m * m, "pm": p * m})
            values = moments.groupby([rows["split"], rows["problem"]]).mean().to_numpy()
            tail = expanded_tail(len(values)) if len(values) > 1 else 0.0
            yield Agreement(
                arm=arm,
                run=influences.spec.arms[arm].sft,
                length=float(str(length)),
                slope=Interval(*bootstrap_statistic(values, _slope, tail=tail).tolist()),
                correlation=Interval(*bootstrap_statistic(values, _correlation, tail=tail).tolist()),
                n=len(values),
                pairs=len(rows),
            )


def _slope(moments: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(moments[..., 4] / moments[..., 2])


def _correlation(moments: NDArray[np.float64]) -> NDArray[np.float64]:
    p, m, pp, mm, pm = np.moveaxis(moments, -1, 0)
    return np.asarray((pm - p * m) / np.sqrt((pp - p * p) * (mm - m * m)))


def _frame(path: Path) -> pd.DataFrame:
    names = ["run", "seed", *KEYS, *QUANTITIES]
    return pd.DataFrame([{name: getattr(record, name) for name in names} for record in read_jsonl(path, Influence)])
