"""Merge several adapters into one, without training (`method: merge`).

A merge combines the adapters' weight updates, lora_alpha / r * B @ A. PEFT's `linear` combines the factors instead,
which yields products of one adapter's B with another's A that no training run produced. A weighted sum of updates is
exactly an adapter of the summed rank. The result of the other methods has full rank and is approximated in the summed
rank (truncated SVD).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from peft import LoraConfig
from peft.utils.merge_utils import dare_linear, dare_ties, ties
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm import tqdm

from r1k.config import Merge
from r1k.errors import TrainError
from r1k.files import atomic_directory, publish_directory, write_json
from r1k.provenance import Stopwatch, write_manifest
from r1k.train.describe import RunFile, read_run

DOWN, UP = ".lora_A.weight", ".lora_B.weight"
METHODS = {"ties": ties, "dare_linear": dare_linear, "dare_ties": dare_ties}


class LowRankUpdate(NamedTuple):
    """A change to a weight [out, in], as two factors: `up @ down`."""

    down: Tensor
    """[rank, in]."""
    up: Tensor
    """[out, rank], multiplied by the adapter's scale."""


class LowRankFit(NamedTuple):
    """A low-rank approximation of an update."""

    update: LowRankUpdate
    retained: float
    """Squared Frobenius norm of the approximation."""
    total: float
    """Squared Frobenius norm of the update that it approximates."""


def merge(*, run: Path, adapters: Sequence[Path], output: Path, steps: Path | None = None) -> None:
    """Merge several adapters into one, without training, as run.json describes.

    Args:
        run: The merge's run.json.
        adapters: The adapters to merge, in the config's order.
        output: The adapter's directory to write.
        steps: Directory to write the adapter of step 1 to, if the run is probed.

    Raises:
        TrainError: The run is not a merge, or the adapters differ in target modules or rank.
    """
    watch = Stopwatch()
    run_file = read_run(run)
    if run_file.merge is None:
        raise TrainError(f"{run}: run {run_file.run} is not a merge; train it with `r1k train`")
    updates = [read_updates(adapter) for adapter in adapters]
    _check_same_shapes(adapters, updates)
    merged = merge_updates(updates, run_file.merge, run_file.seed)
    total = sum(fit.total for fit in merged.values())
    rank = max(fit.update.down.shape[0] for fit in merged.values())
    facts = {"rank": rank, "retained": sum(fit.retained for fit in merged.values()) / total if total else 1.0}
    with atomic_directory(output) as partial:
        _write(partial, adapters[0], {name: fit.update for name, fit in merged.items()}, rank)
        write_json(partial / "facts.json", facts)
    _publish(run_file, output, steps, {"run": run, "adapters": list(adapters)}, watch, facts)


def merge_updates(updates: Sequence[Mapping[str, LowRankUpdate]], config: Merge, seed: int) -> dict[str, LowRankFit]:
    """Return the merged update of each weight, by the weight's name. Random draws depend on `seed` only."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        names = tqdm(sorted(updates[0]), desc="merge", unit="weight")
        return {name: merge_weight([update[name] for update in updates], config) for name in names}


def merge_weight(updates: Sequence[LowRankUpdate], config: Merge) -> LowRankFit:
    """Return the merged update of one weight, in the summed rank of `updates`: exact if linear, else approximated."""
    if config.merge_method == "linear":
        ups = [weight * update.up for update, weight in zip(updates, config.weights, strict=True)]
        merged = LowRankUpdate(torch.cat([update.down for update in updates]), torch.cat(ups, 1))
        return LowRankFit(merged, retained=1.0, total=1.0)
    dense = METHODS[config.merge_method](
        [update.up @ update.down for update in updates], torch.tensor(config.weights), config.density
    )
    return low_rank_fit(dense, sum(update.down.shape[0] for update in updates))


def low_rank_fit(dense: Tensor, rank: int) -> LowRankFit:
    """Return the best approximation of `dense`, [out, in], of at most `rank`, in the Frobenius norm.

    It is `dense` projected onto its top singular vectors, on the side where these are shorter. The factors always have
    `rank` columns and rows; those beyond the weight's smaller dimension are 0.
    """
    tall = dense.shape[0] > dense.shape[1]
    wide = (dense.T if tall else dense).double()
    squares, vectors = torch.linalg.eigh(wide @ wide.T)
    count = min(rank, wide.shape[0])
    top = vectors[:, -count:]
    up, down = wide.new_zeros(wide.shape[0], rank), wide.new_zeros(rank, wide.shape[1])
    up[:, :count], down[:count] = top, top.T @ wide
    factors = LowRankUpdate(up.T, down.T) if tall else LowRankUpdate(down, up)
    return LowRankFit(
        LowRankUpdate(factors.down.to(dense.dtype), factors.up.to(dense.dtype)),
        retained=float(squares[-count:].sum()),
        total=float(squares.sum()),
    )


def read_updates(adapter: Path) -> dict[str, LowRankUpdate]:
    """Return an adapter's updates in float32, by the name of the weight that each changes."""
    config = LoraConfig.from_pretrained(adapter)
    weights = load_file(adapter / "adapter_model.safetensors")
    scale = config.lora_alpha / config.r
    names = [name.removesuffix(DOWN) for name in weights if name.endswith(DOWN)]
    return {name: LowRankUpdate(weights[name + DOWN].float(), scale * weights[name + UP].float()) for name in names}


def _check_same_shapes(adapters: Sequence[Path], updates: Sequence[Mapping[str, LowRankUpdate]]) -> None:
    shapes = [{name: (update.down.shape, update.up.shape) for name, update in found.items()} for found in updates]
    for adapter, shape in zip(adapters, shapes, strict=True):
        if shape != shapes[0]:
            differing = min(name for name in shape.keys() | shapes[0].keys() if shape.get(name) != shapes[0].get(name))
            raise TrainError(
                f"{adapter}: its update of {differing} has another shape than in {adapters[0]}; merge runs of one "
                "base, with the same r and target_modules"
            )


def _write(directory: Path, like: Path, updates: Mapping[str, LowRankUpdate], rank: int) -> None:
    config = replace(LoraConfig.from_pretrained(like), r=rank, lora_alpha=rank, lora_dropout=0.0)
    config.save_pretrained(directory)
    factors = {name + DOWN: update.down for name, update in updates.items()}
    factors |= {name + UP: update.up for name, update in updates.items()}
    tensors = {name: factor.contiguous() for name, factor in factors.items()}
    save_file(tensors, directory / "adapter_model.safetensors", metadata={"format": "pt"})


def _publish(
    run: RunFile,
    output: Path,
    steps: Path | None,
    inputs: Mapping[str, Path | Sequence[Path]],
    watch: Stopwatch,
    facts: Mapping[str, float],
) -> None:
    if steps is not None:
        for step, epoch in run.probed.items():
            publish_directory(output, steps / str(step))
            write_manifest(steps / str(step), "merge.step", inputs, watch, step=step, epoch=epoch)
    write_manifest(output, "merge", inputs, watch, run=run.run, seed=run.seed, **facts)
