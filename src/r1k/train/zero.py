"""DeepSpeed ZeRO-3 for a training run of several processes, on GPUs or CPUs."""

import json
import os
import warnings
from pathlib import Path
from typing import Any

import torch

from r1k.errors import TrainError
from r1k.files import exclusive


def read_deepspeed_config(path: Path) -> dict[str, Any]:
    """Return a DeepSpeed config, adapted to CPUs if there is no GPU; raises TrainError if it is not ZeRO-3."""
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise TrainError(f"{path}: not a DeepSpeed config: {error}") from error
    zero = config.get("zero_optimization", {})
    if zero.get("stage") != 3:
        raise TrainError(
            f"{path}: zero_optimization.stage is {zero.get('stage')}; only stage 3 is supported, set it to 3"
        )
    if torch.cuda.is_available():
        return config
    # Overlapping communication needs a device with streams.
    return config | {"zero_optimization": zero | {"overlap_comm": False}}


def init_distributed() -> None:
    """Join the run's other processes; call this before any other use of DeepSpeed, which selects its device once."""
    if not torch.cuda.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    # At every step DeepSpeed calls functions that this torch deprecates.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\.distributed")
    import deepspeed

    if not torch.cuda.is_available():
        _load_cpu_communication()
    deepspeed.init_distributed(dist_backend="nccl" if torch.cuda.is_available() else "gloo")


def _load_cpu_communication() -> None:
    """Compile or load DeepSpeed's extension for communication on CPUs, before DeepSpeed itself does.

    torch guards an extension by a file, which a killed process leaves behind: every later training would wait for it
    without end. Here a lock that dies with its holder guards a directory of r1k's own, so that such a file is stale.
    """
    import deepspeed
    from deepspeed.accelerator import get_accelerator
    from torch.utils.cpp_extension import get_default_build_root

    builder = get_accelerator().create_op_builder("ShareMemCommBuilder")
    if builder is None or not deepspeed.ops.__compatible_ops__.get(builder.NAME, False):
        return
    root = Path(os.environ.get("TORCH_EXTENSIONS_DIR") or get_default_build_root()) / f"r1k-torch-{torch.__version__}"
    os.environ["TORCH_EXTENSIONS_DIR"] = str(root)
    with exclusive(root / "lock", f"compiling {builder.NAME}"):
        (root / builder.NAME / "lock").unlink(missing_ok=True)
        builder.load()
