"""The probe pairs, and both responses of each pair as tokens."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from transformers import PreTrainedTokenizerBase

from r1k.errors import RecordError
from r1k.probe.engine import Item
from r1k.probe.scoring import Checkpoint
from r1k.records import ProbePair, read_jsonl
from r1k.text import encode, tag_of

SIDES: tuple[Literal["chosen", "rejected"], ...] = ("chosen", "rejected")


@dataclass(frozen=True)
class EncodedResponse:
    """A response of a probe pair as tokens; `item` is the model's input."""

    pair: ProbePair
    side: Literal["chosen", "rejected"]
    item: Item
    truncated: bool


def read_pairs(path: Path) -> list[ProbePair]:
    """Return the probe pairs. Raises RecordError if a problem occurs twice in one direction."""
    found = read_jsonl(path, ProbePair)
    (key, times), *_ = Counter((pair.problem, pair.direction) for pair in found).most_common(1)
    if times > 1:
        raise RecordError(f"{path}: field 'problem': {key[0]!r} occurs {times} times as {key[1]}; keep one of them")
    return found


def encode_pairs(
    tokenizer: PreTrainedTokenizerBase, pairs: Sequence[ProbePair], max_tokens: int, tagged: bool = False
) -> list[EncodedResponse]:
    """Return both responses of each pair after its prompt, each truncated at `max_tokens` tokens.

    `tagged` means that prompts state their direction.
    """
    responses = []
    for pair in pairs:
        for side in SIDES:
            tokens = encode(
                tokenizer,
                pair.question,
                getattr(pair, side),
                f"{pair.id}, {side}",
                max_response=max_tokens,
                tag=tag_of(pair.direction, tagged),
            )
            item = Item(tuple(tokens.prompt), tuple(tokens.response))
            responses.append(EncodedResponse(pair, side, item, tokens.truncated))
    return responses


def record_fields(run: str, seed: int, checkpoint: Checkpoint, pair: ProbePair) -> dict[str, Any]:
    """Return the fields that all records of a pair at a checkpoint share."""
    return {
        "run": run,
        "seed": seed,
        "step": checkpoint.step,
        "epoch": checkpoint.epoch,
        "split": pair.split,
        "problem": pair.problem,
        "direction": pair.direction,
    }
