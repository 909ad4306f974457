"""Checks for every figure: no text overlaps or leaves the figure, and its files are reproducible."""

from collections.abc import Callable, Mapping
from pathlib import Path

from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text


def hide_ticks_beyond(axis: Axis, low: float, high: float) -> None:
    """Hide the labels of ticks outside the limits, which matplotlib never draws."""
    for tick in axis.get_major_ticks():
        tick.label1.set_visible(tick.label1.get_visible() and low <= tick.get_loc() <= high)


def assert_words_stay_apart_and_inside(figure: Figure) -> None:
    """Check a figure after `draw_without_rendering`."""
    texts = [t for t in figure.findobj(Text) if t.get_text() and t.get_visible() and t.get_window_extent().width > 0]
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts]
    for text, box in boxes:
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1, text
        assert figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1, text
    clashes = [
        (a, b)
        for k, (a, first) in enumerate(boxes)
        for b, second in boxes[k + 1 :]
        if first.shrunk(0.9, 0.9).overlaps(second.shrunk(0.9, 0.9))
    ]
    assert not clashes


def made_twice(make: Callable[[], None], outputs: Mapping[str, Path]) -> dict[str, bytes]:
    """Make the files twice; check that the bytes are equal and the picture is not blank, and return the bytes."""
    make()
    first = {name: path.read_bytes() for name, path in outputs.items()}
    make()
    assert first == {name: path.read_bytes() for name, path in outputs.items()}
    assert imread(outputs["png"]).std() > 0.05
    return first
