"""Figure 2: log-probabilities of preferred and rejected responses over the epochs of SFT, then DPO."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from r1k.config import Arm, DynamicsSpec
from r1k.records import Split
from r1k.report.figures.save import figure_files
from r1k.report.figures.style import ARM_COLOURS, GREY, WIDTH
from r1k.report.numbers import csv_number, flat_fields
from r1k.report.statistics.curves import (
    LINES,
    QUANTITIES,
    SPLITS,
    CurveQuantity,
    Point,
    ProbedMethod,
    curves,
    read_logprobs,
)

PANELS: dict[CurveQuantity, tuple[str, str]] = {
    "alp_chosen": (r"(a)  ALP($y^{+}$)", "log-probability (nats per token)"),
    "alp_rejected": (r"(b)  ALP($y^{-}$)", "log-probability (nats per token)"),
    "delta": (r"(c)  $\Delta$ = ALP($y^{+}$) − ALP($y^{-}$)", "margin (nats per token)"),
}
ROWS: dict[Split, str] = {"held_out": "Problems held out of training", "train": "Problems trained on"}
SUBSCRIPTS: dict[Arm, str] = {"forward": "f", "reverse": "r", "mixed": "m"}
MARKERS: dict[Arm, str] = {"forward": "o", "reverse": "s", "mixed": "D"}
GAP = 0.07
"""Width of the gap between SFT and DPO, as a share of the horizontal axis."""
MAX_TICKS = 7
"""The most labelled epochs for SFT, and for DPO."""


@dataclass(frozen=True)
class EpochAxis:
    """Map the epochs of SFT, then those of DPO, to one axis from 0 to 1; each gets at least a third of it."""

    sft: float
    dpo: float

    @property
    def end_of_sft(self) -> float:
        return (1 - GAP) * min(max(self.sft / (self.sft + self.dpo), 1 / 3), 2 / 3)

    @property
    def divide(self) -> float:
        return self.end_of_sft + GAP / 2

    def place(self, method: ProbedMethod, epoch: float) -> float:
        if method == "sft":
            return self.end_of_sft * epoch / self.sft
        start = self.end_of_sft + GAP
        return start + (1 - start) * epoch / self.dpo


def draw_figure2(*, dynamics: DynamicsSpec, logprobs: list[Path], png: Path, pdf: Path, csv: Path) -> None:
    """Draw the log-probabilities over the epochs of SFT and DPO (Figure 2).

    Raises RecordError if a run, seed or checkpoint was not measured.

    Args:
        dynamics: The resolved specification of Figure 2.
        logprobs: The log-probabilities of each run and seed (JSONL of LogProb).
        png: The figure as PNG.
        pdf: The figure as PDF.
        csv: The numbers: the plotted points, and (`in_figure` 0) those of pairs that the paper does not draw.
    """
    with figure_files("figure2", {"logprobs": logprobs}, png=png, pdf=pdf, csv=csv) as files:
        points = curves(dynamics, read_logprobs(logprobs))
        files.save(draw(points, dynamics), [_csv_row(point) for point in points], points=len(points))


def draw(points: Sequence[Point], spec: DynamicsSpec) -> Figure:
    """Return the figure: one row per split, one column per quantity."""
    axis = EpochAxis(
        sft=max(spec.epochs[pair.sft] for pair in spec.arms.values()),
        dpo=max(spec.epochs[pair.dpo] for pair in spec.arms.values()),
    )
    lines = [line for line in LINES if line[0] in spec.arms]
    figure = Figure(figsize=(WIDTH, 5.9))
    figure.subplots_adjust(left=0.085, right=0.99, top=0.875, bottom=0.195, wspace=0.32, hspace=0.72)
    grid = figure.subplots(len(SPLITS), len(PANELS), squeeze=False, sharey="col")
    for i, split in enumerate(SPLITS):
        for k, quantity in enumerate(QUANTITIES):
            axes = grid[i][k]
            for arm, test in lines:
                shown = [p for p in points if (p.arm, p.test, p.split, p.quantity) == (arm, test, split, quantity)]
                _curve(axes, shown, axis)
            _label(axes, quantity, axis)
        n = next(point.n for point in points if point.split == split)
        top = grid[i][0].get_position().y1
        figure.text(0.012, top + 0.075, f"{ROWS[split]} (n = {n})", va="bottom", fontsize=9, fontweight="bold")
    _legend(figure, lines)
    figure.text(0.5375, 0.012, _note(points), ha="center", va="bottom", fontsize=7, color=GREY, linespacing=1.4)
    return figure


def _curve(axes: Axes, points: Sequence[Point], axis: EpochAxis) -> None:
    for method in ("sft", "dpo"):
        here = [point for point in points if point.method == method]
        if not here:
            continue
        places = [axis.place(point.method, point.epoch) for point in here]
        look = _look(here[0].arm, here[0].test)
        axes.plot(places, [point.mean.value for point in here], **look)
        if all(point.mean.known for point in here):
            lows, highs = [point.mean.low for point in here], [point.mean.high for point in here]
            axes.fill_between(places, lows, highs, color=look["color"], alpha=0.13, linewidth=0)


def _look(arm: Arm, test: Arm) -> dict[str, Any]:
    """Return the line style: colour and marker show the training set; dashes and open markers, other test prompts."""
    inside = arm == test
    return {
        "color": ARM_COLOURS[arm],
        "marker": MARKERS[arm],
        "markersize": 3.2,
        "markerfacecolor": ARM_COLOURS[arm] if inside else "white",
        "markeredgewidth": 0.8,
        "linestyle": "-" if inside else (0, (4, 1.6)),
        "linewidth": 1.2,
    }


def _label(axes: Axes, quantity: CurveQuantity, axis: EpochAxis) -> None:
    title, unit = PANELS[quantity]
    axes.set_title(title, loc="left", pad=14)
    axes.set_xlabel("epoch")
    axes.set_ylabel(unit, fontsize=7)
    axes.set_xlim(-0.03, 1.03)
    ticks: list[tuple[ProbedMethod, float]] = [
        *(("sft", epoch) for epoch in _epochs(axis.sft)),
        *(("dpo", epoch) for epoch in _epochs(axis.dpo)),
    ]
    axes.set_xticks([axis.place(method, epoch) for method, epoch in ticks], [f"{epoch:g}" for _, epoch in ticks])
    axes.axvline(axis.divide, color=GREY, linewidth=0.8, linestyle=":")
    if quantity == "delta":
        axes.axhline(0, color=GREY, linewidth=0.6, zorder=0)
    for name, left, right in (("SFT", 0.0, axis.end_of_sft), ("DPO", axis.end_of_sft + GAP, 1.0)):
        axes.text(
            (left + right) / 2,
            1.02,
            name,
            transform=axes.get_xaxis_transform(),
            ha="center",
            va="bottom",
            fontsize=7,
            color=GREY,
        )


def _epochs(last: float) -> list[float]:
    """Return the whole epochs to label, from 0 to `last` in steps of 1, 2, 5, 10, …; below one epoch, both ends."""
    if last < 1:
        return [0.0, last]
    stride = next(
        step for power in range(9) for step in (10**power, 2 * 10**power, 5 * 10**power) if last / step < MAX_TICKS
    )
    return [float(epoch) for epoch in range(0, math.floor(last) + 1, stride)]


def _legend(figure: Figure, lines: Sequence[tuple[Arm, Arm]]) -> None:
    handles = [
        Line2D(
            [],
            [],
            label=rf"($\mathcal{{D}}_{SUBSCRIPTS[arm]}$, $\mathcal{{T}}_{SUBSCRIPTS[test]}$)",
            **_look(arm, test),
        )
        for arm, test in lines
    ]
    figure.legend(
        handles=handles,
        loc="lower center",
        bbox_to_anchor=(0.5375, 0.065),
        ncols=len(handles),
        frameon=False,
        fontsize=8,
        handlelength=3.4,
        columnspacing=2.0,
    )


def _note(points: Sequence[Point]) -> str:
    seeds, cut = points[0].seeds, max(point.truncated for point in points)
    bands = "Bands: 95 % bootstrap intervals over problems" + (f", mean of {seeds} seeds." if seeds > 1 else ".")
    limit = f"\nUp to {100 * cut:.0f} % of a point's responses exceed the probe's token limit and are scored up to it."
    return f"{bands} Dashed lines: prompts of the direction not trained on." + (limit if cut else "")


def _csv_row(point: Point) -> dict[str, Any]:
    row = flat_fields(point) | {"in_figure": int((point.arm, point.test) in LINES)}
    for name in ("mean", "low", "high", "truncated"):
        row[name] = csv_number(row[name])
    return row
