"""Shuffle a response's reasoning: the same tokens, with another meaning or none."""

import random
from collections.abc import Mapping, Sequence

from transformers import PreTrainedTokenizerBase

from r1k.text import reasoning_span

SENTENCE_ENDS = (".", "!", "?")


def shuffle_reasoning(
    tokenizer: PreTrainedTokenizerBase, response: Sequence[int], seed: str, by_sentence: bool
) -> tuple[int, ...] | None:
    """Return the response's token ids with the sentences, or the tokens, of its reasoning shuffled.

    Separators and answer keep their places. Returns None if there is no other order.
    """
    span = reasoning_span(tokenizer, response)
    ids = list(response[span])
    texts = {token: tokenizer.decode([token], clean_up_tokenization_spaces=False) for token in set(ids)}
    parts = _sentences(ids, texts) if by_sentence else [[token] for token in ids]
    shuffled = _shuffled(parts, random.Random(seed))
    return None if shuffled is None else (*response[: span.start], *shuffled, *response[span.stop :])


def _sentences(ids: Sequence[int], texts: Mapping[int, str]) -> list[list[int]]:
    """Split the ids after line breaks, and where a token ends a sentence and the next one starts with a space."""
    sentences: list[list[int]] = [[]]
    for place, token in enumerate(ids):
        sentences[-1].append(token)
        following = texts[ids[place + 1]] if place + 1 < len(ids) else ""
        if "\n" in texts[token] or (texts[token].endswith(SENTENCE_ENDS) and following.startswith(" ")):
            sentences.append([])
    return [sentence for sentence in sentences if sentence]


def _shuffled(parts: list[list[int]], rng: random.Random) -> list[int] | None:
    """Return the parts in another order, joined; None if they are all equal."""
    if len({tuple(part) for part in parts}) < 2:
        return None
    other = parts
    while other == parts:
        other = rng.sample(parts, len(parts))
    return [token for part in other for token in part]
