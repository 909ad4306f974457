"""One adapter from several, without training (`method: merge`).

What is merged is each adapter's update to a weight, alpha / r times up @ down. Merging the factors instead, as PEFT's
`linear` does, gives products of one adapter's factor with another's, which no training made. A sum of updates is an
adapter whose rank is the sum of theirs, exactly; what the other rules make has no such rank, and is the nearest of it.
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
RULES = {"ties": ties, "dare_linear": dare_linear, "dare_ties": dare_ties}


class Update(NamedTuple):
    """A change to a weight [out, in], as factors."""

    down: Tensor
    """[rank, in]."""
    up: Tensor
    """[out, rank], with the adapter's scale."""


class Fit(NamedTuple):
    """An update of bounded rank for a whole one, with the squared norms of both."""

    update: Update
    kept: float
    whole: float


def merge(*, run: Path, adapters: Sequence[Path], output: Path, steps: Path | None = None) -> None:
    """Merge several adapters into one, without training, as run.json describes.

    Args:
        run: The merge's run.json.
        adapters: The adapters to merge, in the config's order.
        output: The adapter's directory to write.
        steps: Directory to write the adapter of the merge's one step to, if the run is probed.

    Raises:
        TrainError: The run is not a merge, or the adapters differ in target modules or rank.
    """
    watch = Stopwatch()
    described = read_run(run)
    if described.merge is None:
        raise TrainError(f"{run}: run {described.run} is no merge; train it with `r1k train`")
    updates = [read_updates(adapter) for adapter in adapters]
    _check_alike(adapters, updates)
    merged = merge_all(updates, described.merge, described.seed)
    whole = sum(fit.whole for fit in merged.values())
    rank = max(fit.update.down.shape[0] for fit in merged.values())
    facts = {"rank": rank, "kept": sum(fit.kept for fit in merged.values()) / whole if whole else 1.0}
    with atomic_directory(output) as partial:
        _write(partial, adapters[0], {name: fit.update for name, fit in merged.items()}, rank)
        write_json(partial / "facts.json", facts)
    _publish(described, output, steps, {"run": run, "adapters": list(adapters)}, watch, facts)


def merge_all(updates: Sequence[Mapping[str, Update]], rule: Merge, seed: int) -> dict[str, Fit]:
    """The merged update of each weight, by name. What is drawn at random depends on `seed` and on nothing else."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        names = tqdm(sorted(updates[0]), desc="merge", unit="weight")
        return {name: merge_one([update[name] for update in updates], rule) for name in names}


def merge_one(updates: Sequence[Update], rule: Merge) -> Fit:
    """The merged update of one weight: exact where it is a sum, else the nearest of the updates' ranks together."""
    if rule.merge_method == "linear":
        ups = [weight * update.up for update, weight in zip(updates, rule.weights, strict=True)]
        return Fit(Update(torch.cat([update.down for update in updates]), torch.cat(ups, 1)), kept=1.0, whole=1.0)
    dense = RULES[rule.merge_method](
        [update.up @ update.down for update in updates], torch.tensor(rule.weights), rule.density
    )
    return nearest(dense, sum(update.down.shape[0] for update in updates))


def nearest(dense: Tensor, rank: int) -> Fit:
    """The update of a rank that is nearest to `dense`, [out, in], in the sum of squares.

    It is `dense` projected on its strongest singular vectors, on the side where they are shorter. The rank stays as it
    is asked for where a weight has less: the rest is 0.
    """
    tall = dense.shape[0] > dense.shape[1]
    wide = (dense.T if tall else dense).double()
    squares, vectors = torch.linalg.eigh(wide @ wide.T)
    count = min(rank, wide.shape[0])
    strongest = vectors[:, -count:]
    up, down = wide.new_zeros(wide.shape[0], rank), wide.new_zeros(rank, wide.shape[1])
    up[:, :count], down[:count] = strongest, strongest.T @ wide
    found = Update(up.T, down.T) if tall else Update(down, up)
    return Fit(
        Update(found.down.to(dense.dtype), found.up.to(dense.dtype)),
        kept=float(squares[-count:].sum()),
        whole=float(squares.sum()),
    )


def read_updates(adapter: Path) -> dict[str, Update]:
    """The updates of an adapter in float32, by the name of the weight that they change."""
    config = LoraConfig.from_pretrained(adapter)
    weights = load_file(adapter / "adapter_model.safetensors")
    scale = config.lora_alpha / config.r
    names = [name.removesuffix(DOWN) for name in weights if name.endswith(DOWN)]
    return {name: Update(weights[name + DOWN].float(), scale * weights[name + UP].float()) for name in names}


def _check_alike(adapters: Sequence[Path], updates: Sequence[Mapping[str, Update]]) -> None:
    shapes = [{name: (update.down.shape, update.up.shape) for name, update in found.items()} for found in updates]
    for adapter, shape in zip(adapters, shapes, strict=True):
        if shape != shapes[0]:
            unlike = min(name for name in shape.keys() | shapes[0].keys() if shape.get(name) != shapes[0].get(name))
            raise TrainError(
                f"{adapter}: its change to {unlike} has another shape than in {adapters[0]}; merge runs of one base, "
                "with the same rank and targets"
            )


def _write(directory: Path, like: Path, updates: Mapping[str, Update], rank: int) -> None:
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
