"""Cut long texts in the middle, so that a browser can open a page with all of them. Pure functions."""

import json
from collections.abc import Sequence

from r1k.records import Record

MAX_BYTES = 50_000_000
"""The most bytes of the page for the texts of all answers."""
MIN_BYTES = 500
"""Bytes of a text that the page always shows, even if the page then exceeds MAX_BYTES."""


class ShownText(Record):
    """A text as the page shows it: whole, or without its middle."""

    head: str
    left_out: int = 0
    """Characters between head and tail."""
    tail: str = ""


def script_json(value: object) -> str:
    """Return `value` as ASCII JSON for a script element; nothing in it ends the element or opens another."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def size(text: str) -> int:
    """Return the bytes of a text on the page."""
    return len(script_json(text))


def fair_limit(sizes: Sequence[int], budget: int) -> int | None:
    """Return the most bytes per text with which all texts fit `budget`, or None if all fit whole.

    Long texts share the bytes that short texts leave. The limit is at least MIN_BYTES.
    """
    room, left = budget, len(sizes)
    for smallest in sorted(sizes):
        share = room // left
        if smallest > share:
            return max(share, MIN_BYTES)
        room, left = room - smallest, left - 1
    return None


def truncate(text: str, limit: int | None) -> ShownText:
    """Return the text, without its middle if it takes more than about `limit` bytes."""
    if limit is None or (taken := size(text)) <= limit:
        return ShownText(head=text)
    kept = len(text) * limit // taken
    head, tail = kept - kept // 2, kept // 2
    return ShownText(head=text[:head], left_out=len(text) - kept, tail=text[len(text) - tail :])
