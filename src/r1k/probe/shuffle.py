"""A response with its reasoning in another order: the same tokens, and another sense or none."""

import random
from collections.abc import Mapping, Sequence

from transformers import PreTrainedTokenizerBase

from r1k.text import reasoning_span

SENTENCE_ENDS = (".", "!", "?")


def reordered(
    tokenizer: PreTrainedTokenizerBase, response: Sequence[int], seed: str, by_sentence: bool
) -> tuple[int, ...] | None:
    """The token ids of a response with the sentences, or the tokens, of its reasoning in another order.

    Separators and answer stay where they are. None where there is no other order.
    """
    span = reasoning_span(tokenizer, response)
    ids = list(response[span])
    texts = {token: tokenizer.decode([token], clean_up_tokenization_spaces=False) for token in set(ids)}
    parts = _sentences(ids, texts) if by_sentence else [[token] for token in ids]
    body = _shuffled(parts, random.Random(seed))
    return None if body is None else (*response[: span.start], *body, *response[span.stop :])


def _sentences(ids: Sequence[int], texts: Mapping[int, str]) -> list[list[int]]:
    """The ids cut after line breaks, and where a token ends in a full stop and the next begins with a space."""
    sentences: list[list[int]] = [[]]
    for place, token in enumerate(ids):
        sentences[-1].append(token)
        following = texts[ids[place + 1]] if place + 1 < len(ids) else ""
        if "\n" in texts[token] or (texts[token].endswith(SENTENCE_ENDS) and following.startswith(" ")):
            sentences.append([])
    return [sentence for sentence in sentences if sentence]


def _shuffled(parts: list[list[int]], draw: random.Random) -> list[int] | None:
    """The parts in another order, joined; None where they are all alike."""
    if len({tuple(part) for part in parts}) < 2:
        return None
    other = parts
    while other == parts:
        other = draw.sample(parts, len(parts))
    return [token for part in other for token in part]
