"""Score items at each checkpoint of a run, with batches and the hidden hidden_states of step 0 computed once."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm import tqdm

from r1k.errors import R1kError
from r1k.probe.adapters import SwappableModel
from r1k.probe.engine import Item, PaddedBatch, TokenMetrics, hidden_states, output_head, prepare, score


@dataclass(frozen=True)
class Checkpoint:
    """A probed step of a run. `adapter` is None for the base alone."""

    step: int
    epoch: float
    adapter: Path | None


def check_widths(named: Iterable[tuple[str, Item]], limit: int | None) -> None:
    """Raise R1kError, with its name, for an item that is wider than the base's positions."""
    for name, item in named:
        if limit is not None and item.width > limit:
            raise R1kError(
                f"{name}: {item.width} tokens of prompt and response, but the base has {limit} positions; lower "
                "probe.max_tokens or use a base with more positions"
            )


class CheckpointScorer:
    """Scores items at any checkpoint of a run; KL is relative to the first checkpoint."""

    def __init__(
        self,
        model: SwappableModel,
        start: Checkpoint,
        parts: Sequence[Sequence[Item]],
        tokens_per_batch: int,
        reference: Path,
    ) -> None:
        """Prepare batches. `parts` share no batch, so that no value depends on the other parts, to the last bit.

        The directory `reference` holds the hidden states of the first checkpoint.
        """
        self._start, self._model, self._parts = start, model, parts
        self._batches = [prepare(part, tokens_per_batch, model.device) for part in parts]
        self._head = output_head(model.model)
        # Hidden states rather than predictions: the head has no adapter, so it gives the predictions from them. On
        # disk, because those of all tokens can exceed the model's memory, and each is needed once per checkpoint.
        self._reference, self._saved = reference, False

    def tokens(self, checkpoint: Checkpoint) -> dict[Item, TokenMetrics]:
        """Return the metrics at every response token. Raises R1kError if a log-probability is not finite."""
        if not self._saved:
            self._save_reference()
        if checkpoint == self._start:
            scored = [
                score(self._head, part, self._reference_states(place)) for place, part in enumerate(self._batches)
            ]
        else:
            self._model.use(checkpoint.adapter)
            with self._bar(checkpoint) as bar:
                scored = [
                    score(self._head, part, self._hidden_states(part, bar), self._reference_states(place))
                    for place, part in enumerate(self._batches)
                ]
        found = {
            item: values
            for items, part in zip(self._parts, scored, strict=True)
            for item, values in zip(items, part, strict=True)
        }
        if not all(math.isfinite(float(values.log_p.sum())) for values in found.values()):
            raise R1kError(
                f"step {checkpoint.step}: the model of {checkpoint.adapter} gives log-probabilities that are not "
                "finite; its training diverged: lower the learning rate of the run"
            )
        return found

    def _save_reference(self) -> None:
        self._model.use(self._start.adapter)
        with self._bar(self._start) as bar:
            for place, part in enumerate(self._batches):
                for path, found in zip(self._paths(place), self._hidden_states(part, bar), strict=True):
                    save_file({"hidden_states": found}, path)
        self._saved = True

    def _reference_states(self, place: int) -> Iterator[Tensor]:
        """Yield the first checkpoint's hidden states of each batch of a part."""
        return (load_file(path)["hidden_states"] for path in self._paths(place))

    def _paths(self, place: int) -> list[Path]:
        return [self._reference / f"{place}-{batch}.safetensors" for batch in range(len(self._batches[place]))]

    def _hidden_states(self, batches: Sequence[PaddedBatch], bar: "tqdm[None]") -> Iterator[Tensor]:
        return hidden_states(self._model.model.get_decoder(), batches, bar.update)

    def _bar(self, checkpoint: Checkpoint) -> "tqdm[None]":
        padded = sum(batch.input_ids.numel() for part in self._batches for batch in part)
        return tqdm(total=padded, desc=f"step {checkpoint.step}", unit="token", unit_scale=True)
