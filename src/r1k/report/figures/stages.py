"""The picture of the workflow for the README: seven stages, their rule files and what they write."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from r1k.report.figures.diagram import Box, arrow, canvas, frame
from r1k.report.figures.save import save_pictures
from r1k.report.figures.style import BLUE, GREEN, GREY, ORANGE, style

PAGE_WIDTH = 9.0
"""Inches: a README shows the picture about 900 px wide, so an inch is about 100 px and a point 1.4 px."""
EDGE, GAP, COLUMNS = 0.08, 0.27, 6
BOX_WIDTH = (PAGE_WIDTH - 2 * EDGE - (COLUMNS - 1) * GAP) / COLUMNS
BOX_HEIGHT, LINE, PADDING = 1.6, 0.175, 0.07
MONOSPACE = "DejaVu Sans Mono"


@dataclass(frozen=True)
class WorkflowStage:
    """A stage of the workflow: what it does, the file with its rules, and the main files that it writes."""

    verb: str
    rules: str
    purpose: str
    artefacts: tuple[str, ...]
    colour: str


GET = WorkflowStage("get data", "data.smk", "forward examples,\nbenchmarks", ("s1k.jsonl", "benchmarks/"), BLUE)
INVERT = WorkflowStage("invert", "invert.smk", "the teacher writes\nreverse examples", ("r1k.jsonl",), BLUE)
MIX = WorkflowStage("mix", "data.smk", "sets and pairs of\nboth directions",
                    ("mix.jsonl", "half.jsonl", "pairs.jsonl"), BLUE)  # fmt: skip
TRAIN = WorkflowStage("train", "train.smk", "SFT, then DPO,\nwith checkpoints", ("adapter/", "steps/"), ORANGE)
PROBE = WorkflowStage("probe", "probe.smk", "log-probabilities\nover checkpoints",
                      ("probe/*.jsonl", "tracked/*.jsonl"), GREEN)  # fmt: skip
EVALUATE = WorkflowStage("evaluate", "evaluate.smk", "graded answers\nto benchmarks",
                         ("samples.jsonl", "graded.jsonl", "score.json"), GREEN)  # fmt: skip
REPORT = WorkflowStage("report", "report.smk", "Tables 1 and 2,\nFigure 2",
                       ("table1.md", "table2.md", "figure2.png"), GREY)  # fmt: skip
STAGES = (GET, INVERT, MIX, TRAIN, PROBE, EVALUATE, REPORT)


def draw_stages(*, png: Path, pdf: Path | None = None) -> None:
    """Draw the workflow as seven stages with the files that they write.

    Args:
        png: The picture as PNG.
        pdf: The picture as PDF; not written if it is left out.
    """
    with style():
        save_pictures(draw(), png=png, pdf=pdf)


def draw() -> Figure:
    """Return the picture: the stages from left to right, with probe above evaluate."""
    height = 2 * BOX_HEIGHT + GAP + 2 * EDGE
    figure, axes = canvas(PAGE_WIDTH, height)
    middle = (height - BOX_HEIGHT) / 2
    get, invert, mix, train = (_stage(axes, stage, k, middle) for k, stage in enumerate((GET, INVERT, MIX, TRAIN)))
    probe = _stage(axes, PROBE, 4, height - EDGE - BOX_HEIGHT)
    evaluate = _stage(axes, EVALUATE, 4, EDGE)
    report = _stage(axes, REPORT, 5, middle)
    for left, right in ((get, invert), (invert, mix), (mix, train)):
        arrow(axes, (left.right, left.centre), (right.left, right.centre))
    for box, shift in ((probe, 0.3), (evaluate, -0.3)):
        arrow(axes, (train.right, train.centre + shift), (box.left, box.centre - shift))
        arrow(axes, (box.right, box.centre - shift), (report.left, report.centre + shift))
    return figure


def _stage(axes: Axes, stage: WorkflowStage, column: int, bottom: float) -> Box:
    """Draw a stage and return its box."""
    box = Box(EDGE + column * (BOX_WIDTH + GAP), bottom, BOX_WIDTH, BOX_HEIGHT)
    panel = Box(box.left + PADDING, box.bottom + PADDING, box.width - 2 * PADDING, 3 * LINE + PADDING)
    frame(axes, box, stage.colour)
    axes.add_patch(
        Rectangle((panel.left, panel.bottom), panel.width, panel.height, color=stage.colour, alpha=0.1, linewidth=0)
    )
    centred: dict[str, Any] = {"ha": "center", "va": "center"}
    axes.text(box.middle, box.top - 0.18, stage.verb, color=stage.colour, fontsize=11, fontweight="bold", **centred)
    axes.text(box.middle, box.top - 0.38, stage.rules, color=GREY, fontsize=7.5, family=MONOSPACE, **centred)
    axes.text(box.middle, box.top - 0.7, stage.purpose, fontsize=8, linespacing=1.35, **centred)
    artefacts = "\n".join(stage.artefacts)
    axes.text(panel.middle, panel.centre, artefacts, fontsize=8, family=MONOSPACE, linespacing=1.35, **centred)
    return box
