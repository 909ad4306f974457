"""All that is made once for every checkpoint of a run: the distinct responses in batches, and step 0's states."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm import tqdm

from r1k.errors import R1kError
from r1k.probe.adapters import SwappableModel
from r1k.probe.engine import Batch, Item, Tokens, output_head, prepare, score, states


@dataclass(frozen=True)
class Checkpoint:
    """A measured moment of a run. `adapter` is None for the base alone."""

    step: int
    epoch: float
    adapter: Path | None


def check_widths(named: Iterable[tuple[str, Item]], limit: int | None) -> None:
    """R1kError for an item, by its name, that is wider than the base's positions."""
    for name, item in named:
        if limit is not None and item.width > limit:
            raise R1kError(
                f"{name}: {item.width} tokens of prompt and response, and the base has {limit} positions; lower "
                "probe.max_tokens or use a base with more"
            )


class Scoring:
    """Items under any of a run's checkpoints; KL is to the first of these."""

    def __init__(
        self,
        model: SwappableModel,
        start: Checkpoint,
        parts: Sequence[Sequence[Item]],
        tokens_per_batch: int,
        reference: Path,
    ) -> None:
        """`parts` share no batch, so that the values of one do not depend on what else is scored, to the last bit.

        The hidden states of the first model are kept in the directory `reference`.
        """
        self._start, self._model, self._parts = start, model, parts
        self._batches = [prepare(part, tokens_per_batch, model.device) for part in parts]
        self._head = output_head(model.model)
        # Hidden states, not predictions: adapters leave the head as it is, so it makes the one from the other. On disk,
        # as those of all tokens may take more memory than the model, and each is needed once a checkpoint.
        self._reference, self._read = reference, False

    def tokens(self, checkpoint: Checkpoint) -> dict[Item, Tokens]:
        """The values at every response token; R1kError where a log-probability is no finite number."""
        if not self._read:
            self._read_reference()
        if checkpoint == self._start:
            scored = [score(self._head, part, self._kept(place)) for place, part in enumerate(self._batches)]
        else:
            self._model.use(checkpoint.adapter)
            with self._bar(checkpoint) as bar:
                scored = [
                    score(self._head, part, self._states(part, bar), self._kept(place))
                    for place, part in enumerate(self._batches)
                ]
        found = {
            item: values
            for items, part in zip(self._parts, scored, strict=True)
            for item, values in zip(items, part, strict=True)
        }
        if not all(math.isfinite(float(values.log_p.sum())) for values in found.values()):
            raise R1kError(
                f"step {checkpoint.step}: the model of {checkpoint.adapter} gives log-probabilities that are no finite "
                "numbers; its training diverged: lower the learning rate of the run"
            )
        return found

    def _read_reference(self) -> None:
        self._model.use(self._start.adapter)
        with self._bar(self._start) as bar:
            for place, part in enumerate(self._batches):
                for path, found in zip(self._paths(place), self._states(part, bar), strict=True):
                    save_file({"states": found}, path)
        self._read = True

    def _kept(self, place: int) -> Iterator[Tensor]:
        """The first model's states of each batch of a part."""
        return (load_file(path)["states"] for path in self._paths(place))

    def _paths(self, place: int) -> list[Path]:
        return [self._reference / f"{place}-{batch}.safetensors" for batch in range(len(self._batches[place]))]

    def _states(self, batches: Sequence[Batch], bar: "tqdm[None]") -> Iterator[Tensor]:
        return states(self._model.model.get_decoder(), batches, bar.update)

    def _bar(self, checkpoint: Checkpoint) -> "tqdm[None]":
        padded = sum(batch.input_ids.numel() for part in self._batches for batch in part)
        return tqdm(total=padded, desc=f"step {checkpoint.step}", unit="token", unit_scale=True)
