"""Shapes of diagrams: boxes with round corners, and arrows, in inches from the lower left corner."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch


@dataclass(frozen=True)
class Box:
    """A rectangle, in inches."""

    left: float
    bottom: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """The horizontal position of its centre."""
        return self.left + self.width / 2

    @property
    def centre(self) -> float:
        """The vertical position of its centre."""
        return self.bottom + self.height / 2

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def top(self) -> float:
        return self.bottom + self.height


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """Return an empty figure whose axes count inches from the lower left corner."""
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.set_axis_off()
    return figure, axes


def frame(axes: Axes, box: Box, colour: str, face: str = "white") -> None:
    """Draw a box with round corners."""
    axes.add_patch(
        FancyBboxPatch(
            (box.left, box.bottom),
            box.width,
            box.height,
            boxstyle="round,pad=0,rounding_size=0.08",
            edgecolor=colour,
            facecolor=face,
            linewidth=1.1,
        )
    )


def arrow(axes: Axes, start: Sequence[float], end: Sequence[float], colour: str = "black") -> None:
    """Draw an arrow between two points (x, y)."""
    axes.add_patch(
        FancyArrowPatch(
            (start[0], start[1]),
            (end[0], end[1]),
            arrowstyle="-|>",
            mutation_scale=9,
            color=colour,
            linewidth=1.1,
            shrinkA=1,
            shrinkB=1,
        )
    )
