"""From one command to one process a GPU: in this process where one is enough, else by torchrun on each node."""

import ctypes
import os
import shlex
import signal
import socket
import subprocess
import sys
import uuid
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from r1k.config import Settings
from r1k.errors import TrainError
from r1k.loading import without_collection

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


def start(order: WorkOrder, settings: Settings, processes: int = 0, nodes: int = 1, launcher: str = "") -> None:
    """Do the work in as many processes a node as it has GPUs (or as asked); TrainError where they fail.

    `launcher` is the command that starts another once on each of several `nodes`, this one among them.
    """
    with without_collection():
        import torch

        from r1k.train.checkpoints import newest_complete

    if settings.precision == "bf16" and not torch.cuda.is_available():
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "not set")
        raise TrainError(
            f"training in bf16 needs a GPU, and torch finds none (CUDA_VISIBLE_DEVICES: {visible}); run it where there "
            "is one with a driver, or set precision: fp32 in the config to train on CPUs"
        )
    order = order.model_copy(update={"resume": newest_complete(order.own)})
    wanted = processes or max(1, torch.cuda.device_count())
    if wanted == nodes == 1:
        with without_collection():
            from r1k.train.worker import work

        work(order)
        return
    command = [*_torchrun(nodes, launcher), f"--nproc-per-node={wanted}", "-m", "r1k.train.worker"]
    try:
        ended = subprocess.run([*command, order.model_dump_json()], preexec_fn=die_with_parent, check=False)
    except FileNotFoundError as error:
        raise TrainError(
            f"training on {nodes} nodes: there is no {command[0]!r} here; set train.launch.launcher in the config to "
            "the command that starts another once on each node of a job"
        ) from error
    if ended.returncode:
        raise TrainError(
            f"training in {order.own}: a process ended with {ended.returncode}; its message is above. "
            "A new attempt goes on from the newest complete checkpoint"
        )


def _torchrun(nodes: int, launcher: str) -> list[str]:
    """The start of torchrun's command; a free port for each training lets several share a node."""
    torchrun = [sys.executable, "-m", "torch.distributed.run"]
    if nodes == 1:
        return [*torchrun, "--standalone"]
    # All nodes meet at this one, where the first to come opens the port.
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    meeting = [f"--rdzv-endpoint={socket.gethostname()}:{port}", f"--rdzv-id={uuid.uuid4()}"]
    return [*shlex.split(launcher), *torchrun, f"--nnodes={nodes}", "--rdzv-backend=c10d", *meeting]


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies, so that a killed training leaves none behind."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
