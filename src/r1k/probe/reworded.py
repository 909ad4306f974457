"""A response with its reasoning in a teacher's words: what the teacher is given, and what is scored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from r1k.errors import RecordError
from r1k.probe.responses import Scored
from r1k.records import Direction, Paraphrase, ProbePair, Response, read_jsonl
from r1k.text import THINK, answer_start, encode

OPPOSITE: dict[Direction, Direction] = {"forward": "reverse", "reverse": "forward"}
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
    opened = len(tokenizer(THINK, add_special_tokens=False)["input_ids"])
    text = tokenizer.decode(response[opened:], clean_up_tokenization_spaces=False)
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
    ids: Sequence[int] = made.response
    if found.whole:
        return tuple(ids), made.truncated
    end = answer_start(tokenizer, ids)
    # The separator's line break is the reasoning's last token, alone or with its last character.
    return tuple(ids[: end - 1] if end < len(ids) else ids), True
