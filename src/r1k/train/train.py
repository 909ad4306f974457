"""A training, from `run.json` to a published adapter.

Its state lives in a directory named by the run's digest. Whatever kills it, the next attempt goes on from the newest
complete checkpoint; a training that had finished is published again without a step.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from r1k.config import Launch
from r1k.errors import TrainError
from r1k.files import exclusive, publish_directory
from r1k.provenance import Stopwatch, write_manifest
from r1k.train.describe import RunFile, read_run
from r1k.train.launch import TrainingOrder, start

LAUNCH = Launch()
"""The defaults of the options that do not change the result."""
FINISHED = "adapter"
"""The directory, in a training's state, that appears when it has finished."""


def train(
    *,
    run: Path,
    base: Path,
    data: Path,
    output: Path,
    state: Path,
    per_device_train_batch_size: int = LAUNCH.per_device_train_batch_size,
    gradient_checkpointing: bool = False,
    checkpoint_seconds: float = LAUNCH.checkpoint_seconds,
    probe: Path | None = None,
    parent: Path | None = None,
    steps: Path | None = None,
    processes: int = LAUNCH.processes,
    nodes: int = LAUNCH.nodes,
    launcher: str = "",
    deepspeed: Path | None = None,
) -> None:
    """Train a LoRA adapter with SFT or DPO as run.json describes; after a kill, resume from the newest checkpoint.

    Args:
        run: The run's run.json.
        base: Directory of the base model.
        data: The data set to train on.
        output: The adapter's directory to write.
        state: Directory that keeps checkpoints, in a subdirectory for each run's digest.
        per_device_train_batch_size: Examples per device and forward pass.
        gradient_checkpointing: Recompute activations in the backward pass.
        checkpoint_seconds: Seconds between checkpoints; a kill loses no more.
        probe: The probe set, probe.jsonl, if its held-out problems are excluded from the training data.
        parent: The parent's adapter, from which training starts.
        steps: Directory to write the adapters of the probed steps to.
        processes: Processes per node; 0 means one per visible GPU, at least one.
        nodes: Nodes of the job.
        launcher: Command that starts another command once on each node, if there are several.
        deepspeed: DeepSpeed config, used if there are several processes.

    Raises:
        TrainError: An option that the run needs is missing, or a process fails.
    """
    described = read_run(run)
    if described.probed and steps is None:
        raise TrainError(f"run {described.run} is probed: say with --steps where the adapters of its steps go")
    if described.exclude_held_out and probe is None:
        raise TrainError(f"run {described.run} leaves the held-out problems out: give the probe set with --probe")
    own = state / described.digest
    with exclusive(own / "lock", f"training {described.run}"):
        if (own / FINISHED).is_dir():
            print(f"{described.run}: already trained, in {own}", flush=True)
        else:
            order = TrainingOrder(
                run=run,
                base=base,
                data=data,
                probe=probe if described.exclude_held_out else None,
                parent=parent,
                own=own,
                finished=own / FINISHED,
                per_device_train_batch_size=per_device_train_batch_size,
                gradient_checkpointing=gradient_checkpointing,
                checkpoint_seconds=checkpoint_seconds,
                deepspeed=deepspeed,
            )
            start(order, described.settings, processes, nodes, launcher)
        _publish(described, own, output, steps, {"run": run, "base": base, "data": data})


def _publish(run: RunFile, own: Path, output: Path, steps: Path | None, inputs: Mapping[str, Path]) -> None:
    watch = Stopwatch()
    facts = json.loads((own / FINISHED / "facts.json").read_text(encoding="utf-8"))
    if steps is not None:
        for step, epoch in run.probed.items():
            publish_directory(own / "steps" / str(step), steps / str(step))
            write_manifest(steps / str(step), "train.step", inputs, watch, step=step, epoch=epoch)
    publish_directory(own / FINISHED, output)
    write_manifest(output, "train", inputs, watch, run=run.run, seed=run.seed, steps=run.steps, **facts)
