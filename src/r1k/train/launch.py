"""Start one training process per GPU: in this process if one is enough, else with torchrun on each node."""

import os
import shlex
import socket
import subprocess
import sys
import uuid

from r1k.child_process import die_with_parent
from r1k.config import Settings
from r1k.errors import TrainError
from r1k.loading import without_collection
from r1k.train.order import TrainingOrder


def start(order: TrainingOrder, settings: Settings, processes: int = 0, nodes: int = 1, launcher: str = "") -> None:
    """Train in `processes` processes per node and wait until they end.

    Args:
        order: The inputs of every process.
        settings: The run's settings.
        processes: Processes per node; 0 means one per visible GPU, and at least one.
        nodes: Nodes of the job.
        launcher: Command that starts another command once on each node, this one included; used with several nodes.

    Raises:
        TrainError: bfloat16 is configured without a GPU, the launcher is missing, or a process fails.
    """
    with without_collection():
        import torch

        from r1k.train.checkpoints import newest_complete

    if settings.dtype == "bfloat16" and not torch.cuda.is_available():
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "not set")
        raise TrainError(
            f"training in bfloat16 needs a GPU, and torch finds none (CUDA_VISIBLE_DEVICES: {visible}); run it on a "
            "machine with a GPU and its driver, or set dtype: float32 in the config to train on CPUs"
        )
    order = order.model_copy(update={"resume": newest_complete(order.state)})
    processes_per_node = processes or max(1, torch.cuda.device_count())
    if processes_per_node == nodes == 1:
        with without_collection():
            from r1k.train.worker import work

        work(order)
        return
    command = [*_torchrun(nodes, launcher), f"--nproc-per-node={processes_per_node}", "-m", "r1k.train.worker"]
    try:
        ended = subprocess.run([*command, order.model_dump_json()], preexec_fn=die_with_parent, check=False)
    except FileNotFoundError as error:
        raise TrainError(
            f"training on {nodes} nodes: the command {command[0]!r} is not on this machine; set train.launch.launcher "
            "in the config to the command that starts another command once on each node of a job"
        ) from error
    if ended.returncode:
        raise TrainError(
            f"training in {order.state}: a process exited with status {ended.returncode}; its message is above. "
            "A new attempt resumes from the newest complete checkpoint"
        )


def _torchrun(nodes: int, launcher: str) -> list[str]:
    """Return the start of torchrun's command, with a free port, so that several runs can share a node."""
    torchrun = [sys.executable, "-m", "torch.distributed.run"]
    if nodes == 1:
        return [*torchrun, "--standalone"]
    # The rendezvous is on this node; the first process to arrive opens the port.
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    rendezvous = [f"--rdzv-endpoint={socket.gethostname()}:{port}", f"--rdzv-id={uuid.uuid4()}"]
    return [*shlex.split(launcher), *torchrun, f"--nnodes={nodes}", "--rdzv-backend=c10d", *rendezvous]
