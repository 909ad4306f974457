"""The input of a training run: its rows of tokens, their order, and the record of both."""

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
from r1k.text import encode, tag_of

IGNORED = -100
"""The label that excludes a token from the loss (PyTorch's ignore_index)."""


@dataclass(frozen=True)
class TrainingRow:
    """The tokens of one record, as the trainer reads them, and their counts."""

    id: str
    """Id of the record."""
    columns: dict[str, list[int]]
    """Token ids by column name."""
    tokens: int
    """Response tokens: those with loss in SFT, of both responses in DPO."""
    truncated_tokens: int
    """Response tokens removed by the length limit."""


def read_records(
    method: str, data: Path, probe: Path | None, reasoned: bool = True
) -> Sequence[SFTExample] | Sequence[Pair]:
    """Return the records of a run's data set.

    Args:
        method: `sft` or `dpo`.
        data: The data set.
        probe: The probe set whose held-out problems are excluded; None excludes nothing.
        reasoned: Whether an SFT example without reasoning is an error.

    Raises:
        RecordError: A file is missing or invalid.
    """
    if method != "sft":
        return read_pairs(data, probe)
    held_out = _held_out(probe)
    record_type = Example if reasoned else SFTExample
    return [record for record in read_jsonl(data, record_type) if record.problem not in held_out]


def read_pairs(data: Path, probe: Path | None) -> list[Pair]:
    """Return the preference pairs of a data set, without the held-out problems of `probe`."""
    held_out = _held_out(probe)
    return [record for record in read_jsonl(data, Pair) if record.problem not in held_out]


def sft_row(
    tokenizer: PreTrainedTokenizerBase, example: SFTExample, max_length: int, tagged: bool = False
) -> TrainingRow:
    """Return `input_ids` (prompt and response) and `labels` (response); a `tagged` prompt names its direction."""
    tag = tag_of(example.direction, tagged)
    text = encode(tokenizer, example.question, example.response, example.id, max_length=max_length, tag=tag)
    columns = {"input_ids": text.prompt + text.response, "labels": [IGNORED] * len(text.prompt) + text.response}
    return TrainingRow(example.id, columns, tokens=len(text.response), truncated_tokens=text.truncated_tokens)


def dpo_row(tokenizer: PreTrainedTokenizerBase, pair: Pair, max_length: int, tagged: bool = False) -> TrainingRow:
    """Return `prompt_ids`, `chosen_ids` and `rejected_ids`, each response truncated on its own to the limit."""
    tag = tag_of(pair.direction, tagged)
    chosen, rejected = (
        encode(tokenizer, pair.question, response, f"{pair.id} {side}", max_length=max_length, tag=tag)
        for side, response in (("chosen", pair.chosen), ("rejected", pair.rejected))
    )
    columns = {"prompt_ids": chosen.prompt, "chosen_ids": chosen.response, "rejected_ids": rejected.response}
    truncated = chosen.truncated_tokens + rejected.truncated_tokens
    tokens = len(chosen.response) + len(rejected.response)
    return TrainingRow(pair.id, columns, tokens, truncated_tokens=truncated)


def make_rows(
    tokenizer: PreTrainedTokenizerBase,
    records: Sequence[SFTExample] | Sequence[Pair],
    max_length: int,
    tagged: bool = False,
) -> list[TrainingRow]:
    """Return the rows of all records, in their order; raises TrainError if there are no records."""
    rows = [
        sft_row(tokenizer, record, max_length, tagged)
        if isinstance(record, SFTExample)
        else dpo_row(tokenizer, record, max_length, tagged)
        for record in tqdm(records, desc="tokenize", unit="record")
    ]
    return require_rows(rows)


def require_rows(rows: list[TrainingRow]) -> list[TrainingRow]:
    """Return the rows; raises TrainError if there are none."""
    if not rows:
        raise TrainError("no record is left to train on; the data set has held-out problems only")
    return rows


def training_order(n: int, length: int, seed: int) -> list[int]:
    """Return `length` row indices: random permutations of the `n` rows, one per epoch, the last one truncated.

    The order is fixed in advance; neither resuming nor the number of processes changes the rows of a step.
    """
    generator = random.Random(f"order:{seed}")
    order: list[int] = []
    while len(order) < length:
        epoch = list(range(n))
        generator.shuffle(epoch)
        order += epoch
    return order[:length]


def write_trained_on(path: Path, rows: Sequence[TrainingRow], order: Iterable[int]) -> None:
    """Write one line per row: record id, times seen, tokens, truncated tokens, and SHA-256 of the columns."""
    times_seen: Mapping[int, int] = Counter(order)
    with atomic_write(path) as handle:
        for index, row in enumerate(rows):
            line = {
                "id": row.id,
                "times_seen": times_seen.get(index, 0),
                "tokens": row.tokens,
                "truncated_tokens": row.truncated_tokens,
                "sha256": columns_digest(row.columns),
            }
            handle.write(json.dumps(line) + "\n")


def columns_digest(columns: Mapping[str, Sequence[int]]) -> str:
    """Return the SHA-256 of token columns, in hexadecimal."""
    return hashlib.sha256(json.dumps(columns, sort_keys=True).encode()).hexdigest()


def _held_out(probe: Path | None) -> set[str]:
    if probe is None:
        return set()
    return {pair.problem for pair in read_jsonl(probe, ProbePair) if pair.split == "held_out"}
