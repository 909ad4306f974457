"""The text that the teacher paraphrases, and the response that the probe scores with the paraphrase."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from r1k.errors import RecordError
from r1k.probe.responses import EncodedResponse
from r1k.records import OPPOSITE, Direction, Paraphrase, ProbePair, Response, read_jsonl
from r1k.text import answer_start, encode, reasoning_span

Paraphrases = Mapping[tuple[str, Direction], Paraphrase]


@dataclass(frozen=True)
class Excerpt:
    """The reasoning of a pair's chosen response, up to the probe's limit of tokens."""

    pair: ProbePair
    reasoning: str
    whole: bool


def excerpt(tokenizer: PreTrainedTokenizerBase, encoded: EncodedResponse) -> Excerpt:
    """Return the text that the teacher paraphrases. Raises RecordError if the probe's limit leaves no reasoning."""
    response = encoded.item.response
    if answer_start(tokenizer, response) < len(response) or not encoded.truncated:
        return Excerpt(encoded.pair, encoded.pair.chosen.reasoning, whole=True)
    text = tokenizer.decode(response[reasoning_span(tokenizer, response)], clean_up_tokenization_spaces=False)
    # Truncation may split the bytes of the last character.
    text = text.rstrip("\ufffd").strip()
    if not text:
        raise RecordError(
            f"{encoded.pair.id}: the first {len(response)} tokens of a response, which the probe reads, hold no "
            "reasoning; raise probe.max_tokens"
        )
    return Excerpt(encoded.pair, text, whole=False)


def read_paraphrases(path: Path) -> Paraphrases:
    """Return the paraphrases by problem and direction of the response."""
    return {(found.problem, found.direction): found for found in read_jsonl(path, Paraphrase)}


def paraphrased_tokens(
    tokenizer: PreTrainedTokenizerBase, pair: ProbePair, chosen: bool, paraphrases: Paraphrases, max_tokens: int
) -> tuple[tuple[int, ...], bool] | None:
    """Return token ids of a pair's chosen or rejected response with its reasoning paraphrased, and whether they are
    truncated.

    The answer is the response's own; truncated reasoning has no answer. Returns None if there is no
    paraphrase.
    """
    direction = pair.direction if chosen else OPPOSITE[pair.direction]
    found = paraphrases.get((pair.problem, direction))
    if found is None:
        return None
    answer = (pair.chosen if chosen else pair.rejected).answer
    name = f"{pair.id}, paraphrase"
    encoded = encode(
        tokenizer, pair.question, Response(reasoning=found.reasoning, answer=answer), name, max_response=max_tokens
    )
    if found.whole:
        return tuple(encoded.response), encoded.truncated
    return tuple(encoded.response[: reasoning_span(tokenizer, encoded.response).stop]), True
