"""DeepSpeed: the settings of a training on several processes, on GPUs and on CPUs."""

import json
import os
import warnings
from pathlib import Path
from typing import Any

import torch

from r1k.errors import TrainError


def read_settings(path: Path) -> dict[str, Any]:
    """DeepSpeed's settings from a JSON file, made fit for CPUs where there is no GPU; TrainError if it is no ZeRO-3."""
    try:
        settings: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise TrainError(f"{path}: no DeepSpeed config: {error}") from error
    zero = settings.get("zero_optimization", {})
    if zero.get("stage") != 3:
        raise TrainError(
            f"{path}: zero_optimization.stage is {zero.get('stage')}; only stage 3 is supported, set it to 3"
        )
    if torch.cuda.is_available():
        return settings
    # Communication on a stream of its own needs a device that has streams.
    return settings | {"zero_optimization": zero | {"overlap_comm": False}}


def join_processes() -> None:
    """Join the other processes of this training, before anything else asks for DeepSpeed's device."""
    if not torch.cuda.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    # DeepSpeed calls what this torch calls deprecated, at every step.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\.distributed")
    import deepspeed

    deepspeed.init_distributed(dist_backend="nccl" if torch.cuda.is_available() else "gloo")
