"""Figure 2: log-probabilities of preferred and rejected responses over SFT and then DPO."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from r1k.config import Arm, DynamicsSpec
from r1k.files import file_digests, write_texts
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import Split
from r1k.report.figures.style import BLUE, GREEN, GREY, ORANGE, save, style
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
from r1k.report.writers import csv_text

PANELS: dict[CurveQuantity, tuple[str, str]] = {
    "alp_chosen": (r"(a)  ALP($y^{+}$)", "nats per token"),
    "alp_rejected": (r"(b)  ALP($y^{-}$)", "nats per token"),
    "delta": (r"(c)  $\Delta$ = ALP($y^{+}$) − ALP($y^{-}$)", "nats per token"),
}
ROWS: dict[Split, str] = {"held_out": "Problems held out of training", "train": "Problems trained on"}
SUBSCRIPTS: dict[Arm, str] = {"forward": "f", "reverse": "r", "mixed": "m"}
COLOURS: dict[Arm, str] = {"forward": BLUE, "reverse": ORANGE, "mixed": GREEN}
MARKERS: dict[Arm, str] = {"forward": "o", "reverse": "s", "mixed": "D"}
GAP = 0.07
"""Between SFT and DPO, as a share of the two together."""
TICKS = 7
"""At most this many labelled epochs in each of the two."""


@dataclass(frozen=True)
class Scale:
    """Places of the epochs of SFT, then DPO, on one axis from 0 to 1; neither gets less than a third of it."""

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


def make_figure2(*, spec: DynamicsSpec, logprobs: Sequence[Path], png: Path, pdf: Path, csv: Path) -> None:
    """Draw Figure 2 and write its numbers, from the `LogProb` files of every run and seed of `spec`.

    The CSV has all of the figure's points, and those of the mixed model on T_f and T_r and of the others on T_m,
    which the paper does not draw (`in_figure` 0). RecordError names what was not measured.
    """
    watch = Stopwatch()
    points = curves(spec, read_logprobs(logprobs))
    write_texts({csv: csv_text([_csv_row(point) for point in points])})
    with style():
        save(draw(points, spec), png=png, pdf=pdf)
    files = file_digests((png, pdf, csv))
    write_manifest(png, "figure2", {"logprobs": logprobs}, watch, files=files, points=len(points))


def draw(points: Sequence[Point], spec: DynamicsSpec) -> Figure:
    """The figure: a row for each split, a column for each quantity."""
    scale = Scale(
        sft=max(spec.epochs[pair.sft] for pair in spec.arms.values()),
        dpo=max(spec.epochs[pair.dpo] for pair in spec.arms.values()),
    )
    lines = [line for line in LINES if line[0] in spec.arms]
    figure = Figure(figsize=(7.6, 5.9))
    figure.subplots_adjust(left=0.085, right=0.99, top=0.875, bottom=0.195, wspace=0.32, hspace=0.72)
    grid = figure.subplots(len(SPLITS), len(PANELS), squeeze=False, sharey="col")
    for i, split in enumerate(SPLITS):
        for k, quantity in enumerate(QUANTITIES):
            axes = grid[i][k]
            for arm, test in lines:
                shown = [p for p in points if (p.arm, p.test, p.split, p.quantity) == (arm, test, split, quantity)]
                _curve(axes, shown, scale)
            _dress(axes, quantity, scale)
        n = next(point.n for point in points if point.split == split)
        top = grid[i][0].get_position().y1
        figure.text(0.012, top + 0.075, f"{ROWS[split]} (n = {n})", va="bottom", fontsize=9, fontweight="bold")
    _legend(figure, lines)
    figure.text(0.5375, 0.012, _remark(points), ha="center", va="bottom", fontsize=7, color=GREY, linespacing=1.4)
    return figure


def _curve(axes: Axes, points: Sequence[Point], scale: Scale) -> None:
    for method in ("sft", "dpo"):
        here = [point for point in points if point.method == method]
        if not here:
            continue
        places = [scale.place(point.method, point.epoch) for point in here]
        look = _look(here[0].arm, here[0].test)
        axes.plot(places, [point.mean.value for point in here], **look)
        if all(point.mean.known for point in here):
            lows, highs = [point.mean.low for point in here], [point.mean.high for point in here]
            axes.fill_between(places, lows, highs, color=look["color"], alpha=0.13, linewidth=0)


def _look(arm: Arm, test: Arm) -> dict[str, Any]:
    """Colour and marker say what was trained on; a dashed line with open markers, that other prompts are tested."""
    inside = arm == test
    return {
        "color": COLOURS[arm],
        "marker": MARKERS[arm],
        "markersize": 3.2,
        "markerfacecolor": COLOURS[arm] if inside else "white",
        "markeredgewidth": 0.8,
        "linestyle": "-" if inside else (0, (4, 1.6)),
        "linewidth": 1.2,
    }


def _dress(axes: Axes, quantity: CurveQuantity, scale: Scale) -> None:
    title, unit = PANELS[quantity]
    axes.set_title(title, loc="left", pad=14)
    axes.set_xlabel("epoch")
    axes.set_ylabel(unit)
    axes.set_xlim(-0.03, 1.03)
    ticks: list[tuple[ProbedMethod, float]] = [
        *(("sft", epoch) for epoch in _epochs(scale.sft)),
        *(("dpo", epoch) for epoch in _epochs(scale.dpo)),
    ]
    axes.set_xticks([scale.place(method, epoch) for method, epoch in ticks], [f"{epoch:g}" for _, epoch in ticks])
    axes.axvline(scale.divide, color=GREY, linewidth=0.8, linestyle=":")
    if quantity == "delta":
        axes.axhline(0, color=GREY, linewidth=0.6, zorder=0)
    for name, left, right in (("SFT", 0.0, scale.end_of_sft), ("DPO", scale.end_of_sft + GAP, 1.0)):
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
    """Whole epochs to label, 0 and every one, second, fifth, … up to `last`; a training of less than one epoch has
    its ends labelled."""
    if last < 1:
        return [0.0, last]
    stride = next(
        step for power in range(9) for step in (10**power, 2 * 10**power, 5 * 10**power) if last / step < TICKS
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


def _remark(points: Sequence[Point]) -> str:
    seeds, cut = points[0].seeds, max(point.truncated for point in points)
    bands = "Bands: 95 % bootstrap intervals over problems" + (f", mean of {seeds} seeds." if seeds > 1 else ".")
    limit = f"\nUp to {100 * cut:.0f} % of a point's responses are longer than the probe's limit and scored up to it."
    return f"{bands} Dashed: prompts of the direction not trained on." + (limit if cut else "")


def _csv_row(point: Point) -> dict[str, Any]:
    row = flat_fields(point) | {"in_figure": int((point.arm, point.test) in LINES)}
    for name in ("mean", "low", "high", "truncated"):
        row[name] = csv_number(row[name])
    return row
