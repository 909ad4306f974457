"""The figures of the audit's page, as PNG."""

from collections import Counter
from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from r1k.data.audit.records import Audit, ExampleFacts, FormatSummary, Overlap, OverlapSummary, Share
from r1k.intervals import Interval
from r1k.records import DIRECTIONS, Direction, OverlapPlace
from r1k.report.figures.save import png_bytes
from r1k.report.figures.style import ARM_COLOURS, BLUE, GREY, WIDTH, style

LIGHT = 0.45
"""Opacity of the marks of responses; those of questions are opaque."""
FORMATS: dict[str, Callable[[FormatSummary], Share]] = {
    r"answer contains \boxed{…}": lambda form: form.boxed,
    "starts with “Answer:”": lambda form: form.starts_with_answer,
    "the same, in training": lambda form: form.trained_with_answer,
    "graded correct": lambda form: form.correct,
}


def contamination(shared: Sequence[OverlapSummary], overlaps: Sequence[Overlap]) -> bytes:
    """Return the shares of contaminated examples per benchmark (left) and the lengths of the overlaps (right)."""
    names = list(dict.fromkeys(line.benchmark for line in shared))
    with style():
        figure = Figure(figsize=(WIDTH, 1.1 + 0.75 * len(names)), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=[1.25, 1])
        for line in shared:
            place = names.index(line.benchmark) + _offset(line.direction, line.where)
            _bar(left, place, line.examples, ARM_COLOURS[line.direction], 1 if line.where == "question" else LIGHT)
        _benchmarks(left, names)
        left.set_xlabel("share of examples with a shared 8-gram, 95 % interval")
        left.set_xlim(0, 1)
        handles = [left.barh([-9], [0], color=ARM_COLOURS[d], alpha=a) for a in (1, LIGHT) for d in DIRECTIONS]
        labels = [f"{d} {where}s" for where in ("question", "response") for d in DIRECTIONS]
        figure.legend(handles, labels, loc="outside upper left", ncols=4, frameon=False, fontsize=7)
        _longest(right, names, overlaps)
    return png_bytes(figure)


def formats(found: Sequence[FormatSummary]) -> bytes:
    """Return the answer formats and grades by direction."""
    with style():
        figure = Figure(figsize=(WIDTH, 2.4), layout="constrained")
        axes = figure.subplots()
        for form in found:
            for place, share in enumerate(FORMATS.values()):
                shown = share(form)
                shift = -0.14 if form.direction == "forward" else 0.14
                if shown.interval:
                    _point(axes, shown.interval, place + shift, ARM_COLOURS[form.direction])
        axes.set_yticks(range(len(FORMATS)), list(FORMATS))
        axes.set_ylim(len(FORMATS) - 0.5, -0.5)
        axes.set_xlim(-0.02, 1.02)
        axes.set_xlabel("share of examples, 95 % interval")
        handles = [axes.plot([], [], "o", color=ARM_COLOURS[direction], markersize=4)[0] for direction in DIRECTIONS]
        figure.legend(handles, list(DIRECTIONS), loc="outside upper right", ncols=2, frameon=False)
    return png_bytes(figure)


def separability(audit: Audit) -> bytes:
    """Return the accuracy and AUC of the regression on token counts."""
    lines = audit.separability
    with style():
        figure = Figure(figsize=(WIDTH, 2.9), layout="constrained")
        axes = figure.subplots()
        for place, line in enumerate(lines):
            _point(axes, line.accuracy, place - 0.12, BLUE, "o")
            _point(axes, line.auc, place + 0.12, GREY, "D")
        axes.axvline(0.5, color=GREY, linewidth=0.8, linestyle=":")
        axes.set_yticks(
            range(len(lines)), [f"{line.prompts} prompts, {line.end} {line.tokens} tokens" for line in lines]
        )
        axes.set_ylim(len(lines) - 0.5, -0.5)
        axes.set_xlim(0.3, 1.02)
        axes.set_xlabel("classification as $y^{+}$ or $y^{-}$, 95 % interval over problems; dotted: chance")
        handles = [axes.plot([], [], "oD"[k], color=(BLUE, GREY)[k], markersize=4)[0] for k in range(2)]
        figure.legend(handles, ["accuracy", "AUC"], loc="outside upper right", ncols=2, frameon=False)
    return png_bytes(figure)


def lengths(examples: Sequence[ExampleFacts], limits: Sequence[int]) -> bytes:
    """Return the cumulative distributions of tokens per example (left) and per answer (right)."""
    with style():
        figure = Figure(figsize=(WIDTH, 2.8), layout="constrained")
        whole, answers = figure.subplots(1, 2, sharey=True)
        for direction in DIRECTIONS:
            own = [example for example in examples if example.direction == direction]
            for axes, tokens in ((whole, [e.prompt + e.response for e in own]), (answers, [e.answer for e in own])):
                axes.ecdf(tokens, color=ARM_COLOURS[direction], label=direction)
        for limit in limits:
            whole.axvline(limit, color=GREY, linewidth=0.8, linestyle=":")
        for axes, label in (
            (whole, "tokens of prompt and response; dotted: max_length"),
            (answers, "tokens of the answer"),
        ):
            axes.set_xlim(left=0)
            axes.set_xlabel(label)
        whole.set_ylabel("share of examples")
        figure.legend(*answers.get_legend_handles_labels(), loc="outside upper right", ncols=2, frameon=False)
    return png_bytes(figure)


def _longest(axes: Axes, names: Sequence[str], overlaps: Sequence[Overlap]) -> None:
    """Draw one dot per length; its area shows the number of overlaps."""
    alike = Counter((o.benchmark, o.direction, o.where, o.longest) for o in overlaps if o.longest)
    most = max(alike.values(), default=1)
    for (benchmark, direction, where, longest), count in alike.items():
        place = names.index(benchmark) + _offset(direction, where)
        alpha = 1 if where == "question" else LIGHT
        axes.scatter(longest, place, s=2 + 45 * count / most, color=ARM_COLOURS[direction], alpha=alpha, linewidth=0)
    _benchmarks(axes, names)
    axes.set_xlim(0, 1.08 * max([20, *(overlap.longest for overlap in overlaps)]))
    axes.set_xlabel(f"longest overlap (words); largest dot: n = {most:,}" if overlaps else "no overlaps")
    axes.tick_params(labelleft=False)


def _offset(direction: Direction, where: OverlapPlace) -> float:
    return {"question": -0.2, "response": 0.2}[where] + {"forward": -0.1, "reverse": 0.1}[direction]


def _bar(axes: Axes, place: float, share: Share, colour: str, alpha: float) -> None:
    value = share.interval or Interval(0, 0, 0)
    axes.barh(place, value.value, height=0.17, color=colour, alpha=alpha)
    axes.plot([value.low, value.high], [place, place], color="black", linewidth=0.7)


def _point(axes: Axes, value: Interval, place: float, colour: str, marker: str = "o") -> None:
    axes.plot([value.low, value.high], [place, place], color=colour, linewidth=1.2)
    axes.plot(value.value, place, marker, color=colour, markersize=4)


def _benchmarks(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
