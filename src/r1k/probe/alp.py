"""Log-probabilities of preferred and rejected responses over a run's checkpoints (the paper's section 3.2).

ALP(y) is the mean over examples of the mean over tokens of log p(y_t | x, y_<t), each response cut at its first
tokens. Here the values of each example are written; averages and their intervals are the report's.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from torch import Tensor
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from r1k import config as settings
from r1k.errors import R1kError, RecordError
from r1k.files import exclusive
from r1k.probe.adapters import SwappableModel, check_adapters
from r1k.probe.engine import Item, output_head, prepare, score
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import LogProb, ProbePair, read_jsonl, write_jsonl
from r1k.text import encode, load_tokenizer

SIDES: tuple[Literal["chosen", "rejected"], ...] = ("chosen", "rejected")


@dataclass(frozen=True)
class Checkpoint:
    """A measured moment of a run. `adapter` is None for the base alone."""

    step: int
    epoch: float
    adapter: Path | None


@dataclass(frozen=True)
class Scored:
    """A response of a probe pair, as tokens; `item` is what the model reads and predicts."""

    pair: ProbePair
    side: Literal["chosen", "rejected"]
    item: Item
    truncated: bool


def probe(
    *,
    run: str,
    seed: int,
    base: Path,
    start: Path | None,
    steps: Mapping[int, Path],
    epochs: Mapping[int, float],
    pairs: Path,
    config: settings.Probe,
    output: Path,
    state: Path,
) -> None:
    """Write a LogProb for each probe pair, response and checkpoint of a run, step 0 included.

    `base` is the directory of the model at the root of the run's ancestry, `start` that of the adapter it starts from
    (None where it starts from the base alone), `steps` the adapter after each measured step and `epochs` the epoch of
    each. A checkpoint's records are kept in `state` as soon as they are whole, and a second call scores only what is
    missing there; the path of `state` must change with anything that changes the values.

    Raises R1kError for adapters that are missing or not of one shape, RecordError for bad pairs or for a `state` that
    is of other inputs, TextError for a text or template that cannot be encoded.
    """
    watch = Stopwatch()
    checkpoints = list_checkpoints(start, steps, epochs)
    check_adapters([checkpoint.adapter for checkpoint in checkpoints if checkpoint.adapter])
    responses = encode_pairs(load_tokenizer(base), read_pairs(pairs), config.max_tokens)
    distinct = list(dict.fromkeys(response.item for response in responses))
    with exclusive(state / "lock", f"probing {run}, seed {seed}"):
        kept = {checkpoint.step: state / f"{checkpoint.step}.jsonl" for checkpoint in checkpoints}
        missing = [checkpoint for checkpoint in checkpoints if not kept[checkpoint.step].is_file()]
        to_records = partial(_records, run, seed, responses)
        if missing:
            scoring = _Scoring(base, checkpoints, responses, distinct, config)
            for checkpoint in missing:
                write_jsonl(kept[checkpoint.step], to_records(checkpoint, scoring.sums(checkpoint)))
        records = [
            record
            for checkpoint in checkpoints
            for record in _read_kept(kept[checkpoint.step], to_records(checkpoint, [0.0] * len(responses)))
        ]
        write_jsonl(output, records)
    write_manifest(
        output,
        "probe",
        {"pairs": pairs, "base": base, "adapters": [point.adapter for point in checkpoints if point.adapter]},
        watch,
        run=run,
        seed=seed,
        checkpoints=len(checkpoints),
        checkpoints_resumed=len(checkpoints) - len(missing),
        responses=len(responses),
        responses_truncated=sum(response.truncated for response in responses),
        responses_distinct=len(distinct),
        response_tokens=sum(len(response.item.response) for response in responses),
        **config.model_dump(),
    )


def list_checkpoints(start: Path | None, steps: Mapping[int, Path], epochs: Mapping[int, float]) -> list[Checkpoint]:
    """Step 0 and the measured steps, in order; R1kError for a step that is not positive or has no epoch."""
    for step in steps:
        if step <= 0 or step not in epochs:
            raise R1kError(f"step {step}: a measured step is positive and has an epoch; steps with one: {list(epochs)}")
    return [Checkpoint(0, 0.0, start), *(Checkpoint(step, epochs[step], steps[step]) for step in sorted(steps))]


def read_pairs(path: Path) -> list[ProbePair]:
    """The probe pairs; RecordError where a problem comes twice in one direction."""
    found = read_jsonl(path, ProbePair)
    (key, times), *_ = Counter((pair.problem, pair.direction) for pair in found).most_common(1)
    if times > 1:
        raise RecordError(f"{path}: field 'problem': {key[0]!r} comes {times} times as {key[1]}; keep one of them")
    return found


def encode_pairs(tokenizer: PreTrainedTokenizerBase, pairs: Sequence[ProbePair], max_tokens: int) -> list[Scored]:
    """Both responses of each pair after its prompt, each cut at its first `max_tokens` tokens."""
    scored = []
    for pair in pairs:
        for side in SIDES:
            tokens = encode(
                tokenizer, pair.question, getattr(pair, side), f"{pair.id}, {side}", max_response=max_tokens
            )
            scored.append(Scored(pair, side, Item(tuple(tokens.prompt), tuple(tokens.response)), tokens.truncated))
    return scored


class _Scoring:
    """All that is made once for every checkpoint: the base, and the distinct responses in batches."""

    def __init__(
        self,
        base: Path,
        checkpoints: Sequence[Checkpoint],
        responses: Sequence[Scored],
        distinct: Sequence[Item],
        config: settings.Probe,
    ) -> None:
        adapters = [checkpoint.adapter for checkpoint in checkpoints if checkpoint.adapter]
        self._model = SwappableModel(base, adapters, config.precision)
        self._items = [response.item for response in responses]
        self._places = {item: place for place, item in enumerate(distinct)}
        _check_widths(responses, getattr(self._model.model.config, "max_position_embeddings", None))
        self._batches = prepare(distinct, config.tokens_per_batch, self._model.device)
        self._head = output_head(self._model.model)

    def sums(self, checkpoint: Checkpoint) -> list[float]:
        """The log-probability of each response."""
        self._model.use(checkpoint.adapter)
        backbone = self._model.model.get_decoder()
        padded = sum(batch.input_ids.numel() for batch in self._batches)
        with tqdm(total=padded, desc=f"step {checkpoint.step}", unit="token", unit_scale=True) as bar:
            values: list[Tensor] = score(backbone, self._head, self._batches, bar.update)
        sums = [float(value.double().sum()) for value in values]
        if not all(map(math.isfinite, sums)):
            raise R1kError(
                f"step {checkpoint.step}: the model of {checkpoint.adapter} gives log-probabilities that are no finite "
                "numbers; its training diverged: lower the learning rate of the run"
            )
        return [sums[self._places[item]] for item in self._items]


def _check_widths(responses: Sequence[Scored], limit: int | None) -> None:
    for response in responses:
        if limit is not None and response.item.width > limit:
            raise R1kError(
                f"{response.pair.id}, {response.side}: {response.item.width} tokens of prompt and response, and the "
                f"base has {limit} positions; lower probe.max_tokens or use a base with more"
            )


def _records(
    run: str, seed: int, responses: Sequence[Scored], checkpoint: Checkpoint, sums: Sequence[float]
) -> list[LogProb]:
    return [
        LogProb(
            run=run,
            seed=seed,
            step=checkpoint.step,
            epoch=checkpoint.epoch,
            split=response.pair.split,
            problem=response.pair.problem,
            direction=response.pair.direction,
            response=response.side,
            tokens=len(response.item.response),
            truncated=response.truncated,
            sum=value,
            mean=value / len(response.item.response),
        )
        for response, value in zip(responses, sums, strict=True)
    ]


def _read_kept(path: Path, expected: Sequence[LogProb]) -> list[LogProb]:
    kept = read_jsonl(path, LogProb)
    if [record.model_copy(update={"sum": 0.0, "mean": 0.0}) for record in kept] != list(expected):
        raise RecordError(f"{path}: holds records of other probe pairs or settings; remove {path.parent}")
    return kept
