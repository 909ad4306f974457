"""From one command to one process a GPU: in this process where one is enough, else by torchrun on this node."""

import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from r1k.config import Settings
from r1k.errors import TrainError

PR_SET_PDEATHSIG = 1


class WorkOrder(BaseModel):
    """What every process of a training is told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: Path
    base: Path
    data: Path
    probe: Path | None
    parent: Path | None
    own: Path
    finished: Path
    micro_batch_size: int
    checkpoint_seconds: float
    deepspeed: Path | None
    resume: Path | None = None


def start(order: WorkOrder, settings: Settings, processes: int = 0) -> None:
    """Do the work in as many processes as there are GPUs (or as asked); TrainError where they fail."""
    import torch

    if settings.precision == "bf16" and not torch.cuda.is_available():
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "not set")
        raise TrainError(
            f"training in bf16 needs a GPU, and torch finds none (CUDA_VISIBLE_DEVICES: {visible}); run it where there "
            "is one with a driver, or set precision: fp32 in the config to train on CPUs"
        )
    from r1k.train.checkpoints import newest_complete

    order = order.model_copy(update={"resume": newest_complete(order.own)})
    wanted = processes or max(1, torch.cuda.device_count())
    if wanted == 1:
        from r1k.train.worker import work

        work(order)
        return
    # A free port of its own (--standalone) lets several trainings share a node.
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={wanted}"]
    ended = subprocess.run(
        [*command, "-m", "r1k.train.worker", order.model_dump_json()], preexec_fn=die_with_parent, check=False
    )
    if ended.returncode:
        raise TrainError(
            f"training in {order.own}: a process ended with {ended.returncode}; its message is above. "
            "A new attempt goes on from the newest complete checkpoint"
        )


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies, so that a killed training leaves none behind."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
