"""What a step on one example does to responses: heat maps of the first order, and the first order against the change."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from r1k.config import Arm, DynamicsSpec
from r1k.files import file_digests, write_texts
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import UPDATES, UpdateKind
from r1k.report.account import Interval
from r1k.report.figures import BLUE, GREY, ORANGE, save, style
from r1k.report.influence import KINDS, LENGTH, Agreement, Effect, Influences, Kind, Whose, agreements, effects
from r1k.report.mass import MODELS
from r1k.report.rendering import csv_text

ROWS: dict[Kind, str] = dict(
    zip(KINDS, (r"$y_f\,|\,x_f$", r"$y_r\,|\,x_r$", r"$y_r\,|\,x_f$", r"$y_f\,|\,x_r$"), strict=True)
)
COLUMNS: dict[UpdateKind, str] = {"forward": "forward", "reverse": "reverse", "mixed": "mixed", "dpo": "DPO"}
BLOCKS: tuple[tuple[Whose, str], ...] = (
    ("same", "(a)  Responses of the problem that the step is taken on"),
    ("held_out", "(b)  Responses of held-out problems"),
)
MAP = "RdBu"
MARKS = ((BLUE, "o"), (ORANGE, "s"), ("#009E73", "^"))


def make_ntk(*, spec: DynamicsSpec, influences: Sequence[Path], png: Path, pdf: Path, csv: Path) -> None:
    """Draw the figure and write its numbers, and those of all other factors and groups.

    RecordError names what was not measured.
    """
    watch = Stopwatch()
    measured = Influences(spec, influences)
    found, fits = list(effects(measured)), list(agreements(measured))
    write_texts(
        {csv: csv_text([*(_csv_row(effect) for effect in found), *(r for fit in fits for r in _fit_rows(fit))])}
    )
    with style():
        save(draw(measured, found, fits), png=png, pdf=pdf)
    files = file_digests((png, pdf, csv))
    write_manifest(png, "ntk", {"influences": influences}, watch, files=files, effects=len(found))


def draw(measured: Influences, found: Sequence[Effect], fits: Sequence[Agreement]) -> Figure:
    """A column for each model; rows: the same problem, held-out ones, predicted against measured."""
    arms = [arm for arm in MODELS if arm in measured.spec.arms]
    figure = Figure(figsize=(7.6, 8.3))
    shown = [effect for effect in found if effect.quantity == "predicted"]
    for k, (whose, title) in enumerate(BLOCKS):
        here = [effect for effect in shown if effect.whose == whose]
        top = (0.9, 0.61)[k]
        spec = figure.add_gridspec(1, len(arms), left=0.085, right=0.985, top=top, bottom=top - 0.2, wspace=0.06)
        grid = spec.subplots(squeeze=False)[0]
        n = max(effect.n for effect in here)
        figure.text(0.012, top + 0.05, f"{title} (n = {n} problems)", fontsize=9, fontweight="bold")
        largest = max(abs(effect.mean) for effect in here)
        for j, arm in enumerate(arms):
            _heat_map(grid[j], [effect for effect in here if effect.arm == arm], largest, named=j == 0)
            grid[j].set_title(MODELS[arm], loc="left", fontsize=8, pad=16)
    figure.text(
        0.012,
        0.375,
        "First-order change of the mean log-probability, in 0.001 nats a token, by a step of 1 % of the adapter's norm "
        "down the loss of a column;\nin brackets 95 % bootstrap intervals over problems. Colour: by the square root, alike "
        "within (a) and within (b).",
        fontsize=7,
        color=GREY,
        va="top",
    )
    _scatters(figure, measured, fits, arms)
    return figure


def _heat_map(axes: Axes, here: Sequence[Effect], largest: float, named: bool) -> None:
    table = np.zeros((len(ROWS), len(COLUMNS)))
    for effect in here:
        i, j = list(ROWS).index((effect.direction, effect.response)), UPDATES.index(effect.update)
        table[i, j] = math.copysign(math.sqrt(abs(effect.mean) / largest), effect.mean)
        dark = abs(table[i, j]) > 0.65
        look: dict[str, Any] = {"ha": "center", "color": "white" if dark else "black"}
        alone = math.isnan(effect.low)
        axes.text(j, i if alone else i - 0.16, _number(effect.mean), fontsize=7, va="center", **look)
        if not alone:
            axes.text(
                j, i + 0.22, f"[{_number(effect.low)}, {_number(effect.high)}]", fontsize=4.6, va="center", **look
            )
    axes.imshow(table, cmap=mpl.colormaps[MAP], vmin=-1, vmax=1, aspect="auto")
    axes.set_xticks(range(len(COLUMNS)), list(COLUMNS.values()))
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(ROWS)), list(ROWS.values()) if named else [])
    axes.tick_params(length=0, pad=2)
    axes.spines[:].set_visible(False)


def _scatters(figure: Figure, measured: Influences, fits: Sequence[Agreement], arms: Sequence[Arm]) -> None:
    spec = figure.add_gridspec(1, len(arms), left=0.085, right=0.985, top=0.285, bottom=0.075, wspace=0.06)
    grid = spec.subplots(squeeze=False, sharex=True, sharey=True)[0]
    figure.text(0.012, 0.32, "(c)  The first order and what a step did", fontsize=9, fontweight="bold")
    frames = {arm: measured.of(arm) * 1 for arm in arms} if False else {arm: measured.of(arm) for arm in arms}
    largest = 1.3 * max(float(frame[["predicted", "measured"]].abs().max().max()) for frame in frames.values())
    for axes, arm in zip(grid, arms, strict=True):
        here = [fit for fit in fits if fit.arm == arm]
        for k, (fit, (colour, marker)) in enumerate(zip(here, MARKS, strict=False)):
            rows = frames[arm][frames[arm]["length"] == fit.length]
            axes.plot(
                rows["predicted"],
                rows["measured"],
                marker,
                color=colour,
                markersize=2,
                alpha=0.5,
                markeredgewidth=0,
                zorder=3 - k,
                rasterized=True,
            )
            axes.text(
                0.03,
                0.97 - 0.17 * k,
                f"step {fit.length * 100:g} %: slope {_interval(fit.slope)}\nr {_interval(fit.correlation)}",
                transform=axes.transAxes,
                fontsize=5.5,
                color=colour,
                va="top",
            )
        axes.plot([-largest, largest], [-largest, largest], color=GREY, linewidth=0.7, zorder=0)
        for scale in (axes.set_xscale, axes.set_yscale):
            scale("symlog", linthresh=largest / 100)
        axes.set_xlim(-largest, largest)
        axes.set_ylim(-largest, largest)
    grid[0].set_ylabel("measured, nats a token")
    grid[len(arms) // 2].set_xlabel("predicted, nats a token; both divided by the step's length, times 1 %")
    figure.text(
        0.012,
        0.012,
        f"A point is a step and a response, of {fits[0].n} problems ({fits[0].pairs} points for each length and model). "
        "Axes are linear around 0, logarithmic beyond.",
        fontsize=7,
        color=GREY,
    )


def _number(value: float) -> str:
    thousandths = value * 1000
    text = f"{thousandths:.0f}" if abs(thousandths) >= 10 else f"{thousandths:.1f}"
    return text.replace("-", "\N{MINUS SIGN}")


def _interval(found: Interval) -> str:
    value, low, high = (f"{part:.2f}".replace("-", "\N{MINUS SIGN}") for part in found)
    return value if math.isnan(found.low) else f"{value} [{low}, {high}]"


def _csv_row(effect: Effect) -> dict[str, Any]:
    row = asdict(effect) | {"in_figure": int(effect.quantity == "predicted" and effect.whose != "train")}
    for name in ("mean", "low", "high"):
        row[name] = "" if math.isnan(row[name]) else float(f"{row[name]:.6g}")
    return row


def _fit_rows(fit: Agreement) -> list[dict[str, Any]]:
    common = {"arm": fit.arm, "run": fit.run, "whose": "all", "length": fit.length, "n": fit.n, "pairs": fit.pairs}
    return [
        common
        | {"quantity": name, "in_figure": 1}
        | {
            end: "" if math.isnan(value) else round(value, 6)
            for end, value in zip(("mean", "low", "high"), found, strict=True)
        }
        for name, found in (("slope", fit.slope), ("correlation", fit.correlation))
    ]
