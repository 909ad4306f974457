"""Find LaTeX's `\\boxed{…}` and `\\fbox{…}`, including nested braces."""

import re
from collections.abc import Iterator
from itertools import pairwise

BRACE = re.compile(r"(?P<box>\\(?:boxed|fbox)\s*\{)|\\.|(?P<open>\{)|(?P<close>\})", re.DOTALL)


def last_boxed(text: str) -> str | None:
    """Return the content of the last `\\boxed{…}` whose braces close, or None. Escaped braces do not count."""
    return next(reversed(all_boxed(text)), None)


def all_boxed(text: str) -> list[str]:
    """Return the content of every `\\boxed{…}` whose braces close, in the order in which they open."""
    return [text[start:end] for _, start, end in sorted(_boxes(text))]


def unboxed(text: str) -> str:
    """Return the text with every complete `\\boxed{…}` replaced by its content."""
    removed = [span for box, start, end in _boxes(text) for span in ((box, start), (end, end + 1))]
    ends = [0, *(index for span in sorted(removed) for index in span), len(text)]
    return "".join(text[start:end] for start, end in list(pairwise(ends))[::2])


def _boxes(text: str) -> Iterator[tuple[int, int, int]]:
    """Yield the indices at which each complete box, its content, and its closing brace start."""
    starts: list[tuple[int, int] | None] = []
    for brace in BRACE.finditer(text):
        if brace["box"] or brace["open"]:
            starts.append((brace.start(), brace.end()) if brace["box"] else None)
        elif brace["close"] and starts:
            start = starts.pop()
            if start is not None:
                yield *start, brace.start()
