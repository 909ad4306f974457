"""How much of long texts is shown, so that a page with all of them can still be opened. Pure functions."""

import json
from collections.abc import Sequence

from r1k.records import Record

BUDGET = 50_000_000
"""Bytes that the answers' texts may take on the page."""
LEAST = 500
"""Bytes of a text that are always shown, should the page grow beyond the budget."""


class Part(Record):
    """A text as shown: whole, or without its middle."""

    head: str
    left_out: int = 0
    """Characters between head and tail."""
    tail: str = ""


def escaped(value: object) -> str:
    """`value` as JSON in ASCII that can stand in a script element: nothing in it ends the element or opens another."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def size(text: str) -> int:
    """Bytes of a text on the page."""
    return len(escaped(text))


def fair_limit(sizes: Sequence[int], budget: int) -> int | None:
    """The bytes that each text may take at most for all of them to keep to the budget; None where all fit whole.

    Short texts leave their room to long ones; never less than LEAST.
    """
    room, left = budget, len(sizes)
    for smallest in sorted(sizes):
        share = room // left
        if smallest > share:
            return max(share, LEAST)
        room, left = room - smallest, left - 1
    return None


def fitted(text: str, limit: int | None) -> Part:
    """The text, cut in its middle to about `limit` bytes."""
    if limit is None or (taken := size(text)) <= limit:
        return Part(head=text)
    kept = len(text) * limit // taken
    head, tail = kept - kept // 2, kept // 2
    return Part(head=text[:head], left_out=len(text) - kept, tail=text[len(text) - tail :])
