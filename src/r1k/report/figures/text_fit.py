"""Wrap and cut text of the data to the space that a figure has for it. TeX in the text stays as written."""

from bisect import bisect_right
from collections.abc import Iterator
from typing import Literal

from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.textpath import text_to_path

from r1k.markup import REPLACEMENT, one_line

ELLIPSIS = "…"
LONGEST_LINE = 200
"""In characters; no line of a figure holds more."""


def fit(
    text: str, font: FontProperties, width: float, limit: int, keep: Literal["start", "end"] = "start"
) -> tuple[list[str], bool]:
    """Return `text` in at most `limit` lines of `width` points, and whether the lines hold all of it.

    If not, they hold its start or its end (`keep`), in whole words, with `…` for the rest. U+FFFD replaces characters
    that the font lacks.
    """
    text = one_line(text)
    room = LONGEST_LINE * limit
    part = text[:room] if keep == "start" else text[-room:]
    words = list(_pieces(_drawable(part, font).split(" "), font, width))
    lines = _wrap(words, font, width, limit + 1)
    if part == text and len(lines) <= limit:
        return [" ".join(line) for line in lines], True
    if keep == "start":
        shown = lines[:limit]
        shown[-1] = _shorten(shown[-1], font, width)
    else:
        backwards = _wrap(words[::-1], font, width, limit)
        backwards[-1] = _shorten(backwards[-1], font, width)
        shown = [line[::-1] for line in reversed(backwards)]
    return [" ".join(line) for line in shown], False


def _wrap(words: list[str], font: FontProperties, width: float, limit: int) -> list[list[str]]:
    """Return the words of the first `limit` lines."""
    lines: list[list[str]] = [[]]
    for word in words:
        if not lines[-1] or _width(" ".join([*lines[-1], word]), font) <= width:
            lines[-1].append(word)
        elif len(lines) < limit:
            lines.append([word])
        else:
            break
    return lines


def _shorten(line: list[str], font: FontProperties, width: float) -> list[str]:
    """Return the line with `…` at its end, without the last words if it is too wide."""
    while len(line) > 1 and _width(" ".join([*line, ELLIPSIS]), font) > width:
        line = line[:-1]
    return [*line, ELLIPSIS]


def _drawable(text: str, font: FontProperties) -> str:
    face = get_font(findfont(font))
    return "".join(c if c == " " or face.get_char_index(ord(c)) else REPLACEMENT for c in text)


def _pieces(words: list[str], font: FontProperties, width: float) -> Iterator[str]:
    """Yield the words; split a word that is wider than a line."""
    for word in words:
        rest = word
        while len(rest) > LONGEST_LINE or _width(rest, font) > width:
            sizes = range(1, min(len(rest), LONGEST_LINE))
            size = max(1, bisect_right(sizes, width, key=lambda k: _width(rest[:k], font)))
            yield rest[:size]
            rest = rest[size:]
        yield rest


def _width(text: str, font: FontProperties) -> float:
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0])
