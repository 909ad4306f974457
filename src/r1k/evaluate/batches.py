"""Batches of prompts of similar length."""

from collections.abc import Iterator, Sequence

from r1k.evaluate.prompts import Prompt


def batches(prompts: Sequence[Prompt], max_size: int, max_tokens: int | None = None) -> Iterator[list[Prompt]]:
    """Yield batches of at most `max_size` prompts, longest prompts first; prompts of equal length keep their order.

    `max_tokens` limits a batch's tokens: padded prompts plus full-length answers. A prompt above this limit gets its
    own batch. A batch depends only on the prompts after it: once the first batches are done, the remaining prompts form
    the same batches again.
    """
    batch: list[Prompt] = []
    limit = 0
    for prompt in sorted(prompts, key=lambda prompt: -len(prompt.ids)):
        widest = len(batch[0].ids) if batch else len(prompt.ids)
        padded = (len(batch) + 1) * (widest + max(limit, prompt.max_new_tokens))
        if batch and (len(batch) == max_size or (max_tokens is not None and padded > max_tokens)):
            yield batch
            batch, limit = [], 0
        batch.append(prompt)
        limit = max(limit, prompt.max_new_tokens)
    if batch:
        yield batch
