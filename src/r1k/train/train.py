"""A training, from `run.json` to a published adapter.

Its state lives in a directory named by the run's digest. Whatever kills it, the next attempt goes on from the newest
complete checkpoint; a training that had finished is published again without a step.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from r1k.errors import TrainError
from r1k.files import exclusive, publish_directory
from r1k.provenance import Stopwatch, write_manifest
from r1k.train.describe import RunFile, read_run
from r1k.train.launch import WorkOrder, start

FINISHED = "adapter"
"""The directory, in a training's state, that appears when it has finished."""


def train(
    *,
    run: Path,
    base: Path,
    data: Path,
    output: Path,
    state: Path,
    per_device_train_batch_size: int,
    gradient_checkpointing: bool,
    checkpoint_seconds: float,
    probe: Path | None = None,
    parent: Path | None = None,
    steps: Path | None = None,
    processes: int = 0,
    nodes: int = 1,
    launcher: str = "",
    deepspeed: Path | None = None,
) -> None:
    """Train the run that `run` (a run.json) describes and publish its adapter as `output`.

    `parent` is the adapter to start from, `probe` the probe set whose held-out problems are left out, `steps` the
    directory under which the adapters of the measured steps are published, `state` where trainings keep theirs. A
    kill costs at most `checkpoint_seconds` of training. `processes`, on each of the `nodes`, of 0 means as many as
    there are GPUs, and `deepspeed` is used where there are several. `launcher` starts a command on each node.
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
            order = WorkOrder(
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
