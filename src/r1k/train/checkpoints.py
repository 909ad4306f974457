"""Checkpoints that a kill cannot leave half-written, and the adapters of probed steps."""

import json
import os
import shutil
import time
from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from r1k.files import atomic_directory, write_json

COMPLETE = "complete.json"
"""The last file written into a checkpoint; it lists the sizes of the others."""
ADAPTER = "default"
"""PEFT's name for the adapter that is trained; DPO's reference adapter is named `ref`."""


def seal(checkpoint: Path) -> None:
    """Flush a checkpoint's files to disk, then mark it as complete."""
    files = [path for path in checkpoint.rglob("*") if path.is_file() and path.name != COMPLETE]
    for path in files:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    write_json(checkpoint / COMPLETE, {str(path.relative_to(checkpoint)): path.stat().st_size for path in files})


def is_complete(checkpoint: Path) -> bool:
    """Return whether the checkpoint is sealed and each of its files still has its recorded size."""
    seal_file = checkpoint / COMPLETE
    if not seal_file.is_file():
        return False
    sizes = json.loads(seal_file.read_text(encoding="utf-8"))
    return all(
        (checkpoint / name).is_file() and (checkpoint / name).stat().st_size == size for name, size in sizes.items()
    )


def newest_complete(state: Path) -> Path | None:
    """Remove incomplete checkpoints and return the newest complete one, or None."""
    complete = []
    for checkpoint in state.glob("checkpoint-*"):
        if is_complete(checkpoint):
            complete.append(checkpoint)
        else:
            print(f"{checkpoint}: removed an incomplete checkpoint", flush=True)
            shutil.rmtree(checkpoint)
    return max(complete, key=lambda path: int(path.name.split("-")[1]), default=None)


def save_adapter(model: Any, directory: Path, write: bool = True) -> None:
    """Write the trained adapter to `directory`, atomically.

    Every process of a training run must call this, because ZeRO-3 gathers shards collectively. Only the process with
    `write` writes.
    """
    parameters = {name: value for name, value in model.named_parameters() if f".{ADAPTER}." in name}
    with _gathered(list(parameters.values())):
        weights = {name: value.detach().cpu().clone() for name, value in parameters.items()}
    if write:
        with atomic_directory(directory) as partial:
            model.save_pretrained(partial, selected_adapters=[ADAPTER], state_dict=weights, safe_serialization=True)
            (partial / "README.md").unlink(missing_ok=True)  # an empty model card that PEFT writes


def _gathered(parameters: list[Any]) -> AbstractContextManager[Any]:
    if not any(hasattr(parameter, "ds_id") for parameter in parameters):
        return nullcontext()
    import deepspeed

    context: AbstractContextManager[Any] = deepspeed.zero.GatheredParameters(parameters)
    return context


class CheckpointCallback(TrainerCallback):  # type: ignore[misc]
    """Saves and seals a checkpoint every so many seconds, and the adapter at each probed step."""

    def __init__(self, state: Path, seconds: float, probed_steps: Collection[int]) -> None:
        self._state = state
        self._seconds = seconds
        self._probed_steps = probed_steps
        self._saved_at = time.monotonic()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        if state.global_step in self._probed_steps:
            target = self._state / "steps" / str(state.global_step)
            save_adapter(kwargs["model"], target, write=state.is_world_process_zero)
        if state.global_step < state.max_steps and self._is_due():
            control.should_save = True
        return control

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        if torch.distributed.is_initialized():
            torch.distributed.barrier()
        if state.is_world_process_zero:
            seal(Path(args.output_dir) / f"checkpoint-{state.global_step}")
        self._saved_at = time.monotonic()
        return control

    def _is_due(self) -> bool:
        """Return whether a checkpoint is due, by the clock of rank 0 in every process."""
        due = time.monotonic() - self._saved_at >= self._seconds
        if not torch.distributed.is_initialized():
            return due
        device = "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"
        decision = torch.tensor(int(due), device=device)
        torch.distributed.broadcast(decision, src=0)
        return bool(decision.item())
