"""Figure 1: the pipeline from s1k through the teacher to r1k, SFT, DPO and probing, with one example of the data."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from r1k.errors import RecordError
from r1k.markup import REPLACEMENT
from r1k.records import Example, by_problem, read_jsonl
from r1k.report.figures.diagram import Box, arrow, canvas, frame
from r1k.report.figures.save import figure_files
from r1k.report.figures.style import BLUE, GREEN, GREY, ORANGE, WIDTH
from r1k.report.figures.text_fit import fit

EDGE, MARGIN, CARD_WIDTH, CARD_BOTTOM, CARD_HEIGHT = 0.12, 0.12, 2.95, 3.0, 1.9
"""The cards hold the example. All sizes are in inches; CARD_HEIGHT is the least height of a card."""
TEXT = FontProperties(family="DejaVu Sans", size=6.5)
LINE_HEIGHT = 0.132
LIMITS = {"question": 6, "reasoning": 4, "answer": 2}
"""The most lines for each part of an example."""


@dataclass(frozen=True)
class WrappedText:
    """A part of an example, wrapped to the width of a card."""

    lines: list[str]
    complete: bool


SFT = Box(EDGE, 1.15, 5.1, 1.3)
DPO = Box(5.73, 1.15, WIDTH - EDGE - 5.73, 1.3)
PROBE = Box(EDGE, EDGE, WIDTH - 2 * EDGE, 0.62)


def draw_figure1(*, s1k: Path, r1k: Path, png: Path, pdf: Path) -> None:
    """Draw the pipeline with one worked example of the data (Figure 1).

    Raises RecordError if no problem is in both files.

    Args:
        s1k: The forward examples, s1k.jsonl.
        r1k: The reverse examples, r1k.jsonl.
        png: The figure as PNG.
        pdf: The figure as PDF.
    """
    with figure_files("figure1", {"s1k": s1k, "r1k": r1k}, png=png, pdf=pdf) as files:
        forward, reverse = choose(_examples(s1k), _examples(r1k), f"{s1k}, {r1k}")
        files.save(draw(forward, reverse), problem=forward.problem)


def _examples(path: Path) -> dict[str, Example]:
    return by_problem(path, read_jsonl(path, Example))


def choose(forward: dict[str, Example], reverse: dict[str, Example], where: str) -> tuple[Example, Example]:
    """Return the two examples of the problem to show.

    Prefers, in this order: a problem that fits the figure and is about kinetic energy, as the paper's example is; one
    that fits; one about kinetic energy; any. Takes the first of the file within each. Only the questions must fit:
    the end of a chain of thought and the start of an answer may be cut.
    """
    shared = [(example, reverse[problem]) for problem, example in forward.items() if problem in reverse]
    if not shared:
        raise RecordError(f"{where}: no problem is in both files; make r1k from this s1k")
    ordered = sorted(shared, key=lambda pair: not _kinetic(pair[0]))
    return next(filter(_fits, ordered), ordered[0])


def _kinetic(example: Example) -> bool:
    return "kinetic" in f"{example.kind} {example.question}".lower()


def _fits(pair: tuple[Example, Example]) -> bool:
    questions = [wrap(example, "question") for example in pair]
    return all(question.complete for question in questions) and not any(
        REPLACEMENT in line for example in pair for part in LIMITS for line in wrap(example, part).lines
    )


def wrap(example: Example, part: str) -> WrappedText:
    """Return a part of an example (question, reasoning or answer) in lines of a card's width."""
    width = 72 * (CARD_WIDTH - 2 * MARGIN)
    keep: Literal["start", "end"] = "end" if part == "answer" else "start"
    return WrappedText(*fit(str(getattr(example, part)), TEXT, width, LIMITS[part], keep))


def draw(forward: Example, reverse: Example) -> Figure:
    """Return the figure for the two examples of one problem."""
    height = max(CARD_HEIGHT, *(_card_height(example) for example in (forward, reverse)))
    left = Box(EDGE, CARD_BOTTOM, CARD_WIDTH, height)
    right = Box(WIDTH - EDGE - CARD_WIDTH, CARD_BOTTOM, CARD_WIDTH, height)
    figure, axes = canvas(WIDTH, left.top + EDGE)
    _card(axes, left, BLUE, r"Forward examples $\mathcal{D}_{s1k}$", "f", forward)
    _card(axes, right, ORANGE, r"Reverse examples $\mathcal{D}_{r1k}$", "r", reverse)
    _teacher(axes, left, right, reverse.teacher_metadata.model if reverse.teacher_metadata else None)
    _training(axes, left, right)
    _probing(axes)
    return figure


def _card_height(example: Example) -> float:
    lines = sum(len(wrap(example, part).lines) for part in LIMITS)
    return 0.4 + lines * LINE_HEIGHT + len(LIMITS) * (LINE_HEIGHT + 0.045)


def _card(axes: Axes, box: Box, colour: str, title: str, letter: str, example: Example) -> None:
    frame(axes, box, colour)
    left, y = box.left + MARGIN, box.top - 0.2
    axes.text(left, y, title, color=colour, fontsize=8.5, fontweight="bold", va="center")
    headings = {
        "question": rf"Question  $x_{letter}$",
        "reasoning": rf"Response  $y_{letter}$: chain of thought",
        "answer": rf"Response  $y_{letter}$: answer",
    }
    y -= 0.05
    for part, heading in headings.items():
        y -= LINE_HEIGHT + 0.045
        axes.text(left, y, heading, color=colour, fontsize=6.5, va="center")
        for line in wrap(example, part).lines:
            y -= LINE_HEIGHT
            axes.text(left, y, line, fontproperties=TEXT, va="center", parse_math=False)


def _teacher(axes: Axes, left: Box, right: Box, model: str | None) -> None:
    middle, y = (left.right + right.left) / 2, left.bottom + left.height / 2 + 0.35
    arrow(axes, (left.right + 0.06, y), (right.left - 0.06, y))
    if model:
        (name,), _ = fit(model, TEXT, 72 * (right.left - left.right - 0.2), 1)
        axes.text(middle, y + 0.1, name, ha="center", va="bottom", fontproperties=TEXT, color=GREY, parse_math=False)
    axes.text(middle, y + 0.24, "Teacher", ha="center", va="bottom", fontsize=8.5, fontweight="bold")
    steps = ("1.  inverts $x_f$ with its", "answer into $x_r$", "2.  solves $x_r$ alone,", "which gives $y_r$")
    for k, step in enumerate(steps):
        axes.text(middle, y - 0.18 - 0.16 * k - 0.08 * (k > 1), step, ha="center", va="center", fontsize=7.5)


def _training(axes: Axes, left: Box, right: Box) -> None:
    frame(axes, SFT, GREY, face="#f6f6f6")
    caption = "Supervised fine-tuning (cross-entropy), one model per data set"
    axes.text(SFT.middle, SFT.bottom + 0.17, caption, ha="center", va="center", fontsize=7.5)
    width, bottom, height = 1.5, SFT.bottom + 0.36, 0.78
    arms = (
        (BLUE, "forward only", r"$\mathcal{D}_{s1k}$"),
        (GREEN, "mixed", r"$\mathcal{D} = \mathcal{D}_{s1k} \cup \mathcal{D}_{r1k}$"),
        (ORANGE, "reverse only", r"$\mathcal{D}_{r1k}$"),
    )
    boxes = [Box(SFT.left + 0.15 + k * (width + 0.15), bottom, width, height) for k in range(3)]
    for box, (colour, name, data) in zip(boxes, arms, strict=True):
        frame(axes, box, colour)
        axes.text(box.middle, box.top - 0.26, name, ha="center", va="center", fontsize=8, color=colour)
        axes.text(box.middle, box.top - 0.53, data, ha="center", va="center", fontsize=8.5)
    forward, mixed, reverse = boxes
    arrow(axes, (forward.middle, left.bottom), (forward.middle, forward.top), BLUE)
    arrow(axes, (2.25, left.bottom), (mixed.middle - 0.25, mixed.top), BLUE)
    arrow(axes, (right.left + 0.15, right.bottom), (mixed.middle + 0.25, mixed.top), ORANGE)
    arrow(axes, (right.left + 0.4, right.bottom), (reverse.middle + 0.2, reverse.top), ORANGE)
    arrow(axes, (SFT.right, SFT.bottom + 0.75), (DPO.left, SFT.bottom + 0.75))
    frame(axes, DPO, GREY, face="#f6f6f6")
    pairs = "at $x_f$:  $y^+ = y_f$,  $y^- = y_r$\nat $x_r$:  $y^+ = y_r$,  $y^- = y_f$"
    axes.text(DPO.middle, DPO.top - 0.2, "DPO", ha="center", va="center", fontsize=8.5, fontweight="bold")
    axes.text(DPO.middle, DPO.top - 0.58, pairs, ha="center", va="center", fontsize=7.5, linespacing=1.5)
    axes.text(DPO.middle, DPO.bottom + 0.24, "prompts of both directions;\nreference: the SFT model", ha="center",
              va="center", fontsize=6.8, linespacing=1.3)  # fmt: skip
    arrow(axes, (DPO.middle, right.bottom), (DPO.middle, DPO.top), GREY)
    axes.text(DPO.middle + 0.08, (right.bottom + DPO.top) / 2, r"pairs of $\mathcal{D}$", va="center", fontsize=7.5)


def _probing(axes: Axes) -> None:
    frame(axes, PROBE, GREY)
    for x in (SFT.middle, DPO.middle):
        arrow(axes, (x, SFT.bottom), (x, PROBE.top), GREY)
    axes.text(SFT.middle + 0.1, (SFT.bottom + PROBE.top) / 2, "checkpoints", va="center", fontsize=7, color=GREY)
    axes.text(PROBE.middle, PROBE.top - 0.2, "Probing", ha="center", va="center", fontsize=8.5, fontweight="bold")
    measured = (
        r"average log-probability per token,  ALP($y^+$)  and  ALP($y^-$),  and the margin  "
        r"$\Delta$ = ALP($y^+$) − ALP($y^-$):  Figure 2"
    )
    axes.text(PROBE.middle, PROBE.bottom + 0.19, measured, ha="center", va="center", fontsize=7.5)
