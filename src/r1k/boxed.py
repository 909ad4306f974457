"""LaTeX's `\\boxed{…}`, braces inside braces: where answers are found, and what is left without the box."""

import re
from collections.abc import Iterator
from itertools import pairwise

BRACE = re.compile(r"(?P<box>\\boxed\s*\{)|\\.|(?P<open>\{)|(?P<close>\})", re.DOTALL)


def last_boxed(text: str) -> str | None:
    """The inside of the last `\\boxed{…}` whose braces close; escaped braces do not count."""
    return next(reversed(all_boxed(text)), None)


def all_boxed(text: str) -> list[str]:
    """The inside of every `\\boxed{…}` whose braces close, in the order in which they open."""
    return [text[start:end] for _, start, end in sorted(_boxes(text))]


def unboxed(text: str) -> str:
    """The text with every complete `\\boxed{…}` replaced by its inside."""
    cuts = [cut for box, start, end in _boxes(text) for cut in ((box, start), (end, end + 1))]
    ends = [0, *(place for cut in sorted(cuts) for place in cut), len(text)]
    return "".join(text[start:end] for start, end in list(pairwise(ends))[::2])


def _boxes(text: str) -> Iterator[tuple[int, int, int]]:
    """Where each complete box, its inside, and its closing brace begin."""
    starts: list[tuple[int, int] | None] = []
    for brace in BRACE.finditer(text):
        if brace["box"] or brace["open"]:
            starts.append((brace.start(), brace.end()) if brace["box"] else None)
        elif brace["close"] and starts:
            start = starts.pop()
            if start is not None:
                yield *start, brace.start()
