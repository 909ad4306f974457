"""Number of rows of logits that exist at once. Imports no torch, because the plan uses it too."""

MAX_ROWS = 256
"""Maximum rows of a tile."""
SMALL_TILE = 1 << 20
"""Logits that are few for any model: 4 MiB in float32, which stay in the caches if the vocabulary is small."""


def rows_at_once(vocabulary: int, hidden: int) -> int:
    """Return the rows of one tile: as many as give 1/16 of the head's size in logits, or SMALL_TILE, at most MAX_ROWS.

    Three tiles exist at once (the model's logits, its exponentials, the reference's logits), so all are small relative
    to the head for any vocabulary and batch. With fewer rows, the product with the head would be limited by memory
    bandwidth.
    """
    return max(1, min(MAX_ROWS, max(hidden // 16, SMALL_TILE // vocabulary)))
