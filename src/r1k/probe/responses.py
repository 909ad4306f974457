"""The probe pairs, and both responses of each as tokens."""

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
class Scored:
    """A response of a probe pair, as tokens; `item` is what the model reads and predicts."""

    pair: ProbePair
    side: Literal["chosen", "rejected"]
    item: Item
    truncated: bool


def read_pairs(path: Path) -> list[ProbePair]:
    """The probe pairs; RecordError where a problem comes twice in one direction."""
    found = read_jsonl(path, ProbePair)
    (key, times), *_ = Counter((pair.problem, pair.direction) for pair in found).most_common(1)
    if times > 1:
        raise RecordError(f"{path}: field 'problem': {key[0]!r} comes {times} times as {key[1]}; keep one of them")
    return found


def encode_pairs(
    tokenizer: PreTrainedTokenizerBase, pairs: Sequence[ProbePair], max_tokens: int, tagged: bool = False
) -> list[Scored]:
    """Both responses of each pair after its prompt, each cut at its first `max_tokens` tokens.

    `tagged`: the prompt tells its direction.
    """
    scored = []
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
            scored.append(Scored(pair, side, Item(tuple(tokens.prompt), tuple(tokens.response)), tokens.truncated))
    return scored


def placed(run: str, seed: int, checkpoint: Checkpoint, pair: ProbePair) -> dict[str, Any]:
    """What the records of a pair say alike: whose measurement it is, when it was made and at which prompt."""
    return {
        "run": run,
        "seed": seed,
        "step": checkpoint.step,
        "epoch": checkpoint.epoch,
        "split": pair.split,
        "problem": pair.problem,
        "direction": pair.direction,
    }
