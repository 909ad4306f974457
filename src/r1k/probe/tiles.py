"""How many rows of logits exist at once. Imports no torch: the plan asks too."""

ROWS = 256
FEW = 1 << 20
"""Logits that are few for any model: 4 MiB in float32, which stay in the caches where the vocabulary is small."""


def rows_at_once(vocabulary: int, hidden: int) -> int:
    """Rows of logits in one tile of the head: a sixteenth of the head's own size, or `FEW`, and at most `ROWS`.

    Three tiles exist at once, the model's, its weights and the reference's, so that all are small beside the head
    however large the vocabulary, and whatever the batch; fewer rows than that would leave the product with the head
    waiting for memory.
    """
    return max(1, min(ROWS, max(hidden // 16, FEW // vocabulary)))
