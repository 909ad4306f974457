"""What a training reads: token rows, the order in which they come, and the record of both."""

import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from r1k.errors import TrainError
from r1k.files import atomic_write
from r1k.records import Example, Pair, ProbePair, SFTExample, read_jsonl
from r1k.text import Encoded, encode, tag_of

IGNORED = -100
"""The label of a token without loss."""


@dataclass(frozen=True)
class Row:
    """One training row: its record's id, the columns that the trainer reads, and what was counted of it."""

    id: str
    columns: dict[str, list[int]]
    tokens: int
    """Response tokens: those with loss for SFT, of both responses for DPO."""
    cut: int
    """Response tokens beyond the limit of length."""


def read_records(
    method: str, data: Path, probe: Path | None, reasoned: bool = True
) -> Sequence[SFTExample] | Sequence[Pair]:
    """The records of a run's data set, without the held-out problems of `probe` where it is given.

    `reasoned` says that every response must have its reasoning.
    """
    if method != "sft":
        return read_pairs(data, probe)
    held_out = _held_out(probe)
    kind = Example if reasoned else SFTExample
    return [record for record in read_jsonl(data, kind) if record.problem not in held_out]


def read_pairs(data: Path, probe: Path | None) -> list[Pair]:
    """`read_records` of pairs."""
    held_out = _held_out(probe)
    return [record for record in read_jsonl(data, Pair) if record.problem not in held_out]


def sft_row(tokenizer: PreTrainedTokenizerBase, example: SFTExample, max_length: int, tagged: bool = False) -> Row:
    """`input_ids` of prompt and response, `labels` of the response alone; a tagged prompt tells its direction."""
    tag = tag_of(example.direction, tagged)
    text = encode(tokenizer, example.question, example.response, example.id, max_length=max_length, tag=tag)
    columns = {"input_ids": text.prompt + text.response, "labels": [IGNORED] * len(text.prompt) + text.response}
    return Row(example.id, columns, tokens=len(text.response), cut=text.truncated_tokens)


def dpo_row(tokenizer: PreTrainedTokenizerBase, pair: Pair, max_length: int, tagged: bool = False) -> Row:
    """`prompt_ids`, `chosen_ids` and `rejected_ids`, each response cut alike; a tagged prompt tells its direction."""
    tag = tag_of(pair.direction, tagged)
    chosen, rejected = (
        encode(tokenizer, pair.question, response, f"{pair.id} {side}", max_length=max_length, tag=tag)
        for side, response in (("chosen", pair.chosen), ("rejected", pair.rejected))
    )
    columns = {"prompt_ids": chosen.prompt, "chosen_ids": chosen.response, "rejected_ids": rejected.response}
    return Row(
        pair.id, columns, tokens=_tokens(chosen, rejected), cut=chosen.truncated_tokens + rejected.truncated_tokens
    )


def make_rows(
    tokenizer: PreTrainedTokenizerBase,
    records: Sequence[SFTExample] | Sequence[Pair],
    max_length: int,
    tagged: bool = False,
) -> list[Row]:
    """The rows of all records, in their order."""
    rows = [
        sft_row(tokenizer, record, max_length, tagged)
        if isinstance(record, SFTExample)
        else dpo_row(tokenizer, record, max_length, tagged)
        for record in tqdm(records, desc="tokens", unit="record")
    ]
    return some(rows)


def some(rows: list[Row]) -> list[Row]:
    """The rows; TrainError where there are none."""
    if not rows:
        raise TrainError("no record is left to train on; the data set holds held-out problems alone")
    return rows


def training_order(n: int, wanted: int, seed: int) -> list[int]:
    """Indices of `wanted` rows: one permutation of the `n` after another, cut at the end.

    The order is fixed before the start, so neither a resume nor the number of processes changes what a step sees.
    """
    shuffle = random.Random(f"order:{seed}")
    order: list[int] = []
    while len(order) < wanted:
        epoch = list(range(n))
        shuffle.shuffle(epoch)
        order += epoch
    return order[:wanted]


def write_trained_on(path: Path, rows: Sequence[Row], order: Iterable[int]) -> None:
    """Write one line for each row: its record, how often it was seen, its tokens, and the digest of its columns."""
    times: Mapping[int, int] = Counter(order)
    with atomic_write(path) as handle:
        for index, row in enumerate(rows):
            line = {
                "id": row.id,
                "times": times.get(index, 0),
                "tokens": row.tokens,
                "cut": row.cut,
                "sha256": columns_digest(row.columns),
            }
            handle.write(json.dumps(line) + "\n")


def columns_digest(columns: Mapping[str, Sequence[int]]) -> str:
    """SHA-256 of token columns."""
    return hashlib.sha256(json.dumps(columns, sort_keys=True).encode()).hexdigest()


def _held_out(probe: Path | None) -> set[str]:
    if probe is None:
        return set()
    return {pair.problem for pair in read_jsonl(probe, ProbePair) if pair.split == "held_out"}


def _tokens(*encoded: Encoded) -> int:
    return sum(len(text.response) for text in encoded)
