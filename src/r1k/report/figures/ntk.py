"""What one gradient step on an example does to responses: first-order effects, and how well they predict the change."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from r1k.config import Arm, DynamicsSpec
from r1k.intervals import Interval
from r1k.report.figures.heat_map import HeatMapRow, heat_map
from r1k.report.figures.save import figure_files
from r1k.report.figures.style import BLUE, GREEN, GREY, MODEL_NAMES, ORANGE, WIDTH
from r1k.report.numbers import flat_fields, format_interval
from r1k.report.statistics.influence import Agreement, Effect, Influences, agreements, effects

HEAT_MAPS = (
    HeatMapRow("same", "predicted", "(a)  First-order effect on a problem's own responses, 0.001 nats per token", 1000),
    HeatMapRow("held_out", "predicted", "(b)  First-order effect on responses of held-out problems", 1000),
    HeatMapRow("held_out", "kernel", "(c)  Kernel K of held-out problems' responses, with |A| and |G|", factors=True),
)
TOPS = (0.937, 0.731, 0.525)
"""Upper edge of each row of heat maps, as a share of the figure's height."""
HEIGHT = 0.135
NOTE = """\
Columns: the loss whose gradient the step follows. Rows: the measured response. Brackets: 95 % bootstrap intervals \
over problems.
Each step changes the adapter by 1 % of its norm. Effect = learning rate × |A| × K × |G|. The colour scale is a \
square root, shared within (a), (b), (c)."""
MARKS = ((BLUE, "o"), (ORANGE, "s"), (GREEN, "^"))


def draw_ntk(*, dynamics: DynamicsSpec, influences: list[Path], png: Path, pdf: Path, csv: Path) -> None:
    """Draw the effect of one gradient step on each response, by the empirical NTK and as measured.

    Raises RecordError if a run or seed was not measured.

    Args:
        dynamics: The resolved specification of Figure 2.
        influences: The effects of steps on responses, of each run and seed (JSONL of Influence).
        png: The figure as PNG.
        pdf: The figure as PDF.
        csv: The numbers: the plotted means, and (`in_figure` 0) those of all factors and groups of problems.
    """
    with figure_files("ntk", {"influences": influences}, png=png, pdf=pdf, csv=csv) as files:
        measured = Influences(dynamics, influences)
        found, fits = list(effects(measured)), list(agreements(measured))
        rows = [*map(_effect_row, found), *(row for fit in fits for row in _fit_rows(fit))]
        files.save(draw(measured, found, fits), rows, effects=len(found))


def draw(measured: Influences, found: Sequence[Effect], fits: Sequence[Agreement]) -> Figure:
    """Return the figure: one column per model; heat maps (a) to (c), then predicted against measured changes (d)."""
    arms = [arm for arm in MODEL_NAMES if arm in measured.spec.arms]
    figure = Figure(figsize=(WIDTH, 9.8))
    for block, top in zip(HEAT_MAPS, TOPS, strict=True):
        here = [e for e in found if (e.whose, e.quantity) == (block.whose, block.quantity)]
        height = HEIGHT * (5 / 4 if block.factors else 1)
        grid = _panels(figure, len(arms), top, top - height)
        title = f"{block.title} (n = {max(effect.n for effect in here)} problems)"
        figure.text(0.012, top + 0.045, title, fontsize=9, fontweight="bold", va="top")
        largest = max(abs(effect.mean.value) for effect in here)
        for axes, arm in zip(grid, arms, strict=True):
            heat_map(axes, [e for e in found if e.arm == arm], block, largest, named=arm == arms[0])
            over: dict[str, Any] = {
                "xycoords": "axes fraction",
                "textcoords": "offset points",
                "fontsize": 7.5,
                "color": GREY,
            }
            axes.annotate(MODEL_NAMES[arm], (0, 1), (0, 13), **over)
    figure.text(0.012, 0.341, NOTE, fontsize=6.3, color=GREY, va="top", linespacing=1.4)
    _scatters(figure, {arm: measured.of(arm) for arm in arms}, fits)
    return figure


def _panels(figure: Figure, n: int, top: float, bottom: float, shared: bool = False) -> Sequence[Axes]:
    spec = figure.add_gridspec(1, n, left=0.085, right=0.985, top=top, bottom=bottom, wspace=0.06)
    found: Sequence[Axes] = spec.subplots(squeeze=False, sharex=shared, sharey=shared)[0]
    return found


def _scatters(figure: Figure, frames: Mapping[Arm, pd.DataFrame], fits: Sequence[Agreement]) -> None:
    figure.text(
        0.012, 0.287, "(d)  Measured change against the first-order prediction", fontsize=9, fontweight="bold", va="top"
    )
    grid = _panels(figure, len(frames), 0.262, 0.068, shared=True)
    largest = 1.3 * max(float(frame[["predicted", "measured"]].abs().max().max()) for frame in frames.values())
    for axes, (arm, frame) in zip(grid, frames.items(), strict=True):
        for k, fit in enumerate(fit for fit in fits if fit.arm == arm):
            colour, marker = MARKS[k % len(MARKS)]
            rows = frame[frame["length"] == fit.length]
            look: dict[str, Any] = {"color": colour, "markersize": 2, "alpha": 0.5, "markeredgewidth": 0}
            axes.plot(rows["predicted"], rows["measured"], marker, rasterized=True, zorder=3 - k, **look)
            slope, correlation = (format_interval(found, ".2f") for found in (fit.slope, fit.correlation))
            text = f"step {fit.length * 100:g} %: slope {slope}\nr {correlation}"
            axes.text(0.03, 0.97 - 0.17 * k, text, transform=axes.transAxes, fontsize=5.5, color=colour, va="top")
        axes.plot([-largest, largest], [-largest, largest], color=GREY, linewidth=0.7, zorder=0)
        linear = 10 ** math.floor(math.log10(largest) - 1.5)
        axes.set_xscale("symlog", linthresh=linear)
        axes.set_yscale("symlog", linthresh=linear)
        axes.set_xlim(-largest, largest)
        axes.set_ylim(-largest, largest)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(FixedLocator([-10 * linear, 0, 10 * linear]))
    grid[0].set_ylabel("measured (nats per token)")
    grid[len(grid) // 2].set_xlabel("predicted (nats per token); both scaled to a step of 1 %")
    figure.text(
        0.012,
        0.01,
        f"One point per step and response: {fits[0].pairs} points, {fits[0].n} problems per step length and model."
        " Axes: symmetric log, linear around 0. Line: measured = predicted.",
        fontsize=6.3,
        color=GREY,
    )


def _effect_row(effect: Effect) -> dict[str, Any]:
    shown = {(block.whose, block.quantity) for block in HEAT_MAPS} | {("held_out", "a"), ("same", "g")}
    row = flat_fields(effect) | {"in_figure": int((effect.whose, effect.quantity) in shown)}
    return row | _ends(effect.mean)


def _fit_rows(fit: Agreement) -> list[dict[str, Any]]:
    row = {"arm": fit.arm, "run": fit.run, "length": fit.length, "n": fit.n, "pairs": fit.pairs, "in_figure": 1}
    return [
        row | {"quantity": name} | _ends(found)
        for name, found in (("slope", fit.slope), ("correlation", fit.correlation))
    ]


def _ends(found: Interval) -> dict[str, Any]:
    ends = {"mean": found.value, "low": found.low, "high": found.high}
    return {name: "" if math.isnan(value) else float(f"{value:.6g}") for name, value in ends.items()}
