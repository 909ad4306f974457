"""A response with its reasoning in a teacher's words: what the teacher is given, and what is scored."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from r1k.errors import RecordError
from r1k.probe.responses import Scored
from r1k.records import OPPOSITE, Direction, Paraphrase, ProbePair, Response, read_jsonl
from r1k.text import answer_start, encode, reasoning_span

Reworded = Mapping[tuple[str, Direction], Paraphrase]


@dataclass(frozen=True)
class Excerpt:
    """The reasoning of a pair's own response, or as much of it as is scored."""

    pair: ProbePair
    reasoning: str
    whole: bool


def excerpt(tokenizer: PreTrainedTokenizerBase, own: Scored) -> Excerpt:
    """What a teacher is to reword; RecordError where the limit of a response leaves none of its reasoning."""
    response = own.item.response
    if answer_start(tokenizer, response) < len(response) or not own.truncated:
        return Excerpt(own.pair, own.pair.chosen.reasoning, whole=True)
    text = tokenizer.decode(response[reasoning_span(tokenizer, response)], clean_up_tokenization_spaces=False)
    # The last character may be cut in its bytes.
    text = text.rstrip("\ufffd").strip()
    if not text:
        raise RecordError(
            f"{own.pair.id}: the probe reads {len(response)} tokens of a response; raise probe.max_tokens"
        )
    return Excerpt(own.pair, text, whole=False)


def read_paraphrases(path: Path) -> Reworded:
    """By the problem and the direction of the response."""
    return {(found.problem, found.direction): found for found in read_jsonl(path, Paraphrase)}


def reworded(
    tokenizer: PreTrainedTokenizerBase, pair: ProbePair, own: bool, paraphrases: Reworded, max_tokens: int
) -> tuple[tuple[int, ...], bool] | None:
    """Token ids of a pair's own response, or of the other one, with its reasoning reworded, and were any cut off.

    The answer is the response's; where the reasoning was not whole there is none. None where nobody reworded it.
    """
    direction = pair.direction if own else OPPOSITE[pair.direction]
    found = paraphrases.get((pair.problem, direction))
    if found is None:
        return None
    answer = (pair.chosen if own else pair.rejected).answer
    name = f"{pair.id}, paraphrase"
    made = encode(
        tokenizer, pair.question, Response(reasoning=found.reasoning, answer=answer), name, max_response=max_tokens
    )
    if found.whole:
        return tuple(made.response), made.truncated
    return tuple(made.response[: reasoning_span(tokenizer, made.response).stop]), True
