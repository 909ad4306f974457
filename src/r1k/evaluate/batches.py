"""Prompts in batches of similar length."""

from collections.abc import Iterator, Sequence

from r1k.evaluate.prompts import Prompt


def batches(prompts: Sequence[Prompt], most: int, tokens: int | None = None) -> Iterator[list[Prompt]]:
    """The prompts in batches of at most `most`, the longest first, those of one length in their own order.

    With a ceiling of `tokens`, all rows of a batch together, padded and at their limit, stay below it; a prompt that
    exceeds it by itself goes alone. A batch follows from what comes after it alone: what is left of the prompts when
    the first batches are done falls into the batches that it would have fallen into.
    """
    batch: list[Prompt] = []
    limit = 0
    for prompt in sorted(prompts, key=lambda prompt: -len(prompt.ids)):
        widest = len(batch[0].ids) if batch else len(prompt.ids)
        padded = (len(batch) + 1) * (widest + max(limit, prompt.limit))
        if batch and (len(batch) == most or (tokens is not None and padded > tokens)):
            yield batch
            batch, limit = [], 0
        batch.append(prompt)
        limit = max(limit, prompt.limit)
    if batch:
        yield batch
