"""Train a run, from `run.json` to the published adapter.

A directory named after the run's digest holds the checkpoints. After a kill at any moment, the next attempt resumes
from the newest complete checkpoint. A run that had finished is published again without a training step.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from r1k.config import Launch
from r1k.errors import TrainError
from r1k.files import exclusive, publish_directory
from r1k.provenance import Stopwatch, write_manifest
from r1k.train.describe import RunFile, read_run
from r1k.train.launch import start
from r1k.train.order import TrainingOrder

LAUNCH = Launch()
"""Defaults of the options that do not change the result."""
FINISHED = "adapter"
"""Name of the directory that appears in a run's state when training has finished."""


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
    run_file = read_run(run)
    if run_file.probed and steps is None:
        raise TrainError(f"run {run_file.run} is probed: give the directory for the adapters of its steps with --steps")
    if run_file.exclude_held_out and probe is None:
        raise TrainError(f"run {run_file.run} excludes the held-out problems: give the probe set with --probe")
    run_state = state / run_file.digest
    with exclusive(run_state / "lock", f"training {run_file.run}"):
        if (run_state / FINISHED).is_dir():
            print(f"{run_file.run}: already trained, in {run_state}", flush=True)
        else:
            order = TrainingOrder(
                run=run,
                base=base,
                data=data,
                probe=probe if run_file.exclude_held_out else None,
                parent=parent,
                state=run_state,
                finished=run_state / FINISHED,
                per_device_train_batch_size=per_device_train_batch_size,
                gradient_checkpointing=gradient_checkpointing,
                checkpoint_seconds=checkpoint_seconds,
                deepspeed=deepspeed,
            )
            start(order, run_file.settings, processes, nodes, launcher)
        _publish(run_file, run_state, output, steps, {"run": run, "base": base, "data": data})


def _publish(run: RunFile, state: Path, output: Path, steps: Path | None, inputs: Mapping[str, Path]) -> None:
    watch = Stopwatch()
    facts = json.loads((state / FINISHED / "facts.json").read_text(encoding="utf-8"))
    if steps is not None:
        for step, epoch in run.probed.items():
            publish_directory(state / "steps" / str(step), steps / str(step))
            write_manifest(steps / str(step), "train.step", inputs, watch, step=step, epoch=epoch)
    publish_directory(state / FINISHED, output)
    write_manifest(output, "train", inputs, watch, run=run.run, seed=run.seed, steps=run.steps, **facts)
