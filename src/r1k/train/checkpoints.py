"""Checkpoints that are complete or do not count, and adapters kept at known steps."""

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
"""Written last into a checkpoint: the sizes of its files."""
ADAPTER = "default"
"""PEFT's name of the adapter that is trained; DPO's reference is another one."""


def seal(checkpoint: Path) -> None:
    """Mark a checkpoint as complete, once all of its files are on the disk."""
    files = [path for path in checkpoint.rglob("*") if path.is_file() and path.name != COMPLETE]
    for path in files:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    write_json(checkpoint / COMPLETE, {str(path.relative_to(checkpoint)): path.stat().st_size for path in files})


def is_complete(checkpoint: Path) -> bool:
    """Was the checkpoint sealed, and is each of its files still as long as it was?"""
    seal_file = checkpoint / COMPLETE
    if not seal_file.is_file():
        return False
    sizes = json.loads(seal_file.read_text(encoding="utf-8"))
    return all(
        (checkpoint / name).is_file() and (checkpoint / name).stat().st_size == size for name, size in sizes.items()
    )


def newest_complete(state: Path) -> Path | None:
    """The checkpoint to resume from; those that a kill left incomplete are removed."""
    complete = []
    for checkpoint in state.glob("checkpoint-*"):
        if is_complete(checkpoint):
            complete.append(checkpoint)
        else:
            print(f"{checkpoint}: incomplete, removed", flush=True)
            shutil.rmtree(checkpoint)
    return max(complete, key=lambda path: int(path.name.split("-")[1]), default=None)


def save_adapter(model: Any, directory: Path, write: bool = True) -> None:
    """Write the trained adapter as a directory of its own, whole or not at all.

    Every process of a training has to call this, since ZeRO-3's shards are gathered; the one with `write` writes.
    """
    parameters = {name: value for name, value in model.named_parameters() if f".{ADAPTER}." in name}
    with _gathered(list(parameters.values())):
        weights = {name: value.detach().cpu().clone() for name, value in parameters.items()}
    if write:
        with atomic_directory(directory) as partial:
            model.save_pretrained(partial, selected_adapters=[ADAPTER], state_dict=weights, safe_serialization=True)
            (partial / "README.md").unlink(missing_ok=True)  # PEFT's empty model card


def _gathered(parameters: list[Any]) -> AbstractContextManager[Any]:
    if not any(hasattr(parameter, "ds_id") for parameter in parameters):
        return nullcontext()
    import deepspeed

    context: AbstractContextManager[Any] = deepspeed.zero.GatheredParameters(parameters)
    return context


class Checkpoints(TrainerCallback):  # type: ignore[misc]
    """Saves by the clock, seals what was saved, and keeps the adapters of the measured steps."""

    def __init__(self, state: Path, seconds: float, measured: Collection[int]) -> None:
        self._state = state
        self._seconds = seconds
        self._measured = measured
        self._last = time.monotonic()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        if state.global_step in self._measured:
            target = self._state / "steps" / str(state.global_step)
            save_adapter(kwargs["model"], target, write=state.is_world_process_zero)
        if state.global_step < state.max_steps and self._is_time():
            control.should_save = True
        return control

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        if torch.distributed.is_initialized():
            torch.distributed.barrier()
        if state.is_world_process_zero:
            seal(Path(args.output_dir) / f"checkpoint-{state.global_step}")
        self._last = time.monotonic()
        return control

    def _is_time(self) -> bool:
        """The same answer in every process: the first one's clock decides."""
        due = time.monotonic() - self._last >= self._seconds
        if not torch.distributed.is_initialized():
            return due
        device = "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"
        decision = torch.tensor(int(due), device=device)
        torch.distributed.broadcast(decision, src=0)
        return bool(decision.item())
