"""Effects of gradient steps on responses: means over problems, and the agreement of first order and measurement."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from r1k.config import Arm, DynamicsSpec
from r1k.intervals import Interval
from r1k.records import UPDATES, Direction, Influence, UpdateKind, read_jsonl
from r1k.report.statistics.bootstrap import bootstrap_means, bootstrap_statistic
from r1k.report.statistics.load_tracked import check_measured

Whose = Literal["same", "train", "held_out"]
WHOSE: tuple[Whose, ...] = get_args(Whose)
"""Problem of the measured response: the step's own problem, another training problem, or a held-out problem."""
PromptResponse = tuple[Direction, Literal["chosen", "rejected"]]
KINDS: tuple[PromptResponse, ...] = (
    ("forward", "chosen"),
    ("reverse", "chosen"),
    ("forward", "rejected"),
    ("reverse", "rejected"),
)
"""y_f | x_f, y_r | x_r, y_r | x_f, y_f | x_r."""
LENGTH = 0.01
"""Common step length, as a share of the adapter's norm: all changes are scaled to it."""
KEYS = ["update", "step_problem", "split", "problem", "direction", "response", "length"]
GROUP = ("length", "whose", "update", "direction", "response")
InfluenceQuantity = Literal["predicted", "measured", "cosine", "a", "g", "kernel", "kernel_square"]
QUANTITIES: tuple[InfluenceQuantity, ...] = get_args(InfluenceQuantity)
"""Fields of Influence."""
FIRST_ORDER = tuple(quantity for quantity in QUANTITIES if quantity != "measured")


@dataclass(frozen=True)
class Effect:
    """A mean over measured problems, each averaged over the steps' problems, with its bootstrap interval."""

    arm: Arm
    run: str
    whose: Whose
    update: UpdateKind
    direction: Direction
    response: Literal["chosen", "rejected"]
    quantity: InfluenceQuantity
    length: float
    """Length of the steps; 0 for the prediction and its factors, which do not depend on it."""
    mean: Interval
    n: int
    """Measured problems."""
    seeds: int


@dataclass(frozen=True)
class Agreement:
    """Agreement of predicted and measured changes for one step length, with intervals over measured problems."""

    arm: Arm
    run: str
    length: float
    slope: Interval
    """Regression of the measured on the predicted change through the origin: 1 if the first order is exact."""
    correlation: Interval
    n: int
    """Measured problems."""
    pairs: int
    """Pairs of a step and a response."""


class Influences:
    """Influences by arm: means over seeds."""

    def __init__(self, spec: DynamicsSpec, paths: Sequence[Path]) -> None:
        """Raise RecordError for a run or seed without measurements."""
        self.spec = spec
        frame = pd.concat([_frame(path) for path in paths], ignore_index=True)
        check_measured(frame, (lines.sft for lines in spec.arms.values()), spec.seeds, "kernel", "ntk")
        found = frame[frame["seed"].isin(spec.seeds)].groupby(["run", *KEYS], sort=False)
        values = found[list(QUANTITIES)].mean()[found.size() == len(spec.seeds)]
        self._frame = values.reset_index()

    def of(self, arm: Arm) -> pd.DataFrame:
        """Return a row for each step and response, with changes scaled to a step of LENGTH."""
        frame = self._frame[self._frame["run"] == self.spec.arms[arm].sft].copy()
        scale = LENGTH / frame["length"]
        frame["predicted"], frame["measured"] = frame["predicted"] * scale, frame["measured"] * scale
        same = (frame["split"] == "train") & (frame["problem"] == frame["step_problem"])
        frame["whose"] = np.where(same, "same", frame["split"])
        return frame


def effects(influences: Influences) -> Iterator[Effect]:
    """Yield the effects by arm, update, kind of response and quantity, for groups with at least one problem."""
    for arm in influences.spec.arms:
        frame = influences.of(arm)
        means = frame.groupby([*GROUP, "problem"], sort=True)[list(QUANTITIES)].mean()
        groups = dict(iter(means.groupby(level=list(GROUP))))
        lengths = sorted(frame["length"].unique())
        # Only the measured change differs between step lengths.
        wanted: list[tuple[float, float, Sequence[InfluenceQuantity]]] = [
            (0.0, lengths[0], FIRST_ORDER),
            *((length, length, ("measured",)) for length in lengths),
        ]
        for (named, length, quantities), whose, update, kind in product(wanted, WHOSE, UPDATES, KINDS):
            here = groups.get((length, whose, update, *kind))
            if here is None:
                continue
            estimates = bootstrap_means(here[list(quantities)].to_numpy())
            for quantity, mean in zip(quantities, estimates, strict=True):
                # |G| belongs to the step alone: it varies between the steps' problems, not between measured ones.
                if quantity == "g" and whose != "same":
                    continue
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
                    n=len(here),
                    seeds=len(influences.spec.seeds),
                )


def agreements(influences: Influences) -> Iterator[Agreement]:
    """Yield the agreement for every arm and step length."""
    for arm in influences.spec.arms:
        frame = influences.of(arm)
        for length, rows in frame.groupby("length", sort=True):
            p, m = rows["predicted"], rows["measured"]
            moments = pd.DataFrame({"p": p, "m": m, "pp": p * p, "mm": m * m, "pm": p * m})
            values = moments.groupby([rows["split"], rows["problem"]]).mean().to_numpy()
            yield Agreement(
                arm=arm,
                run=influences.spec.arms[arm].sft,
                length=float(str(length)),
                slope=bootstrap_statistic(values, _slope),
                correlation=bootstrap_statistic(values, _correlation),
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
