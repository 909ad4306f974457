"""Which responses and tokens gain and lose probability over SFT and over DPO."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from r1k.config import DynamicsSpec
from r1k.records import ResponseKind, Split
from r1k.report.figures.save import figure_files
from r1k.report.figures.style import BLUE, GREY, MODEL_NAMES, ORANGE, WIDTH
from r1k.report.numbers import csv_number, flat_fields
from r1k.report.statistics.changes import METHODS, Change, Measured, changes
from r1k.report.statistics.curves import SPLITS, ProbedMethod
from r1k.report.statistics.load_tracked import Measure

MeasuredResponse = tuple[ResponseKind, Measure]
RESPONSES: dict[MeasuredResponse, str] = {
    ("chosen", "log_p"): "chosen, $y^{+}$",
    ("rejected", "log_p"): "rejected, $y^{-}$",
    ("other_problem_chosen", "log_p"): "another problem's $y^{+}$",
    ("other_problem_rejected", "log_p"): "another problem's $y^{-}$",
    ("shuffled_sentences", "log_p"): "$y^{+}$, sentences shuffled",
    ("shuffled_tokens", "log_p"): "$y^{+}$, tokens shuffled",
    ("paraphrase_chosen", "log_p"): "$y^{+}$, paraphrased",
    ("paraphrase_rejected", "log_p"): "$y^{-}$, paraphrased",
    ("greedy_base", "log_p"): "model's answer before SFT",
    ("greedy_start", "log_p"): "model's answer before DPO",
}
TOKENS: dict[MeasuredResponse, str] = {
    ("chosen", "p"): "$y^{+}$: the response's token",
    ("chosen", "p_rival"): "the top-1 token, if different",
    ("chosen", "p_rest"): "all other tokens",
    ("rejected", "p"): "$y^{-}$: the response's token",
    ("rejected", "p_rival"): "the top-1 token, if different",
    ("rejected", "p_rest"): "all other tokens",
}
BLOCKS: tuple[tuple[str, str, Mapping[MeasuredResponse, str]], ...] = (
    ("(a)  Change of each response's log-probability", "change of log-probability (nats per token)", RESPONSES),
    ("(b)  Change of token probabilities at the positions of a response", "change of mean probability", TOKENS),
)
TITLES: dict[ProbedMethod, str] = {"sft": "SFT", "dpo": "DPO"}
LOOKS: dict[Split, dict[str, Any]] = {
    "held_out": {"color": BLUE, "marker": "o", "markerfacecolor": BLUE},
    "train": {"color": ORANGE, "marker": "s", "markerfacecolor": "white"},
}
SPLIT_NAMES: dict[Split, str] = {"held_out": "held out of training", "train": "trained on"}
OFFSET = {"held_out": -0.16, "train": 0.16}


def draw_probability_shift(*, dynamics: DynamicsSpec, tracked: list[Path], png: Path, pdf: Path, csv: Path) -> None:
    """Draw which responses and tokens gain and lose probability over SFT and over DPO.

    Raises RecordError if a run or one of its ends was not tracked.

    Args:
        dynamics: The resolved specification of Figure 2.
        tracked: The tracked responses of each run and seed (JSONL of Tracked).
        png: The figure as PNG.
        pdf: The figure as PDF.
        csv: The numbers: the plotted changes, and (`in_figure` 0) those of all spans, measures and kinds of prompt.
    """
    with figure_files("probability_shift", {"tracked": tracked}, png=png, pdf=pdf, csv=csv) as files:
        found = changes(Measured(dynamics, tracked))
        files.save(draw(found), [_csv_row(change) for change in found], changes=len(found))


def draw(found: Sequence[Change]) -> Figure:
    """Return the figure: one column per model, one row per training stage; responses above, tokens below."""
    shown = [change for change in found if _in_figure(change)]
    arms = [arm for arm in MODEL_NAMES if any(change.arm == arm for change in shown)]
    figure = Figure(figsize=(WIDTH, 8.6))
    for k, (title, unit, rows) in enumerate(BLOCKS):
        kept = {row: name for row, name in rows.items() if any((c.response, c.measure) == row for c in shown)}
        top, bottom = (0.905, 0.545) if k == 0 else (0.44, 0.08)
        spec = figure.add_gridspec(
            2, len(arms), left=0.235, right=0.975, top=top, bottom=bottom, wspace=0.1, hspace=0.4
        )
        # Each row has its own scale, shared by all models, since SFT's changes are ten times those of DPO.
        grid = spec.subplots(sharex="row", sharey=True, squeeze=False)
        figure.text(0.012, top + 0.033, title, fontsize=9, fontweight="bold", va="bottom")
        for i, method in enumerate(METHODS):
            for j, arm in enumerate(arms):
                here = [change for change in shown if (change.arm, change.method) == (arm, method)]
                _panel(grid[i][j], here, kept)
                if i == 0:
                    grid[i][j].set_title(MODEL_NAMES[arm], loc="left", fontsize=8)
            figure.text(0.012, grid[i][0].get_position().y1, TITLES[method], fontsize=9, fontweight="bold", va="top")
            grid[i][len(arms) // 2].set_xlabel(unit)
    _legend(figure, shown)
    return figure


def _panel(axes: Axes, here: Sequence[Change], rows: Mapping[MeasuredResponse, str]) -> None:
    places = {row: place for place, row in enumerate(rows)}
    for change in here:
        row = (change.response, change.measure)
        if row in places:
            place = places[row] + OFFSET[change.split]
            look = LOOKS[change.split]
            if change.change.known:
                axes.plot([change.change.low, change.change.high], [place, place], color=look["color"], linewidth=1.2)
            axes.plot([change.change.value], [place], markersize=4, markeredgewidth=0.9, linestyle="", **look)
    axes.axvline(0, color=GREY, linewidth=0.7, zorder=0)
    axes.set_yticks(list(places.values()), list(rows.values()))
    axes.set_ylim(len(places) - 0.5, -0.5)
    axes.locator_params(axis="x", nbins=5)
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)


def _legend(figure: Figure, shown: Sequence[Change]) -> None:
    x = 0.235
    for split in SPLITS:
        counts = {change.n for change in shown if change.split == split}
        if counts:
            n = "–".join(str(count) for count in sorted({min(counts), max(counts)}))
            text = f"{'●' if split == 'held_out' else '□'} problems {SPLIT_NAMES[split]} (n = {n})"
            figure.text(x, 0.992, text, color=LOOKS[split]["color"], fontsize=8, va="top")
            x += 0.33
    seeds = shown[0].seeds
    figure.text(
        0.012,
        0.012,
        "Change from step 0 to the end of each training, averaged over prompts of both directions. Bars: 95 % "
        "bootstrap intervals over problems" + (f", mean of {seeds} seeds." if seeds > 1 else "."),
        fontsize=7,
        color=GREY,
    )


def _in_figure(change: Change) -> bool:
    row = (change.response, change.measure)
    return change.test == "mixed" and change.span == "all" and (row in RESPONSES or row in TOKENS)


def _csv_row(change: Change) -> dict[str, Any]:
    row = flat_fields(change) | {"in_figure": int(_in_figure(change))}
    for name in ("start", "end", "change", "low", "high"):
        row[name] = csv_number(row[name])
    return row
