"""A training run on Slurm under preemption, timeouts and kills ends in the weights of an undisturbed run."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from workflows import MICRO, MICRO_ON_SLURM, Workflow, jobs_of, r1k_processes, trainings_of

from r1k.train.checkpoints import is_complete
from r1k.usage import read_attempts

pytestmark = pytest.mark.slow

RUN = "results/micro/runs/tiny-half/0"
WEIGHTS = "adapter/adapter_model.safetensors"
# Half a minute of training, saved every second. While a test waits, the training run is stopped.
LONG = [
    "--config",
    "train={launch: {gpus: 8, cores: 1, checkpoint_seconds: 1, gradient_checkpointing: false}, "
    "lora: {r: 4, lora_alpha: 8, lora_dropout: 0.1}, sft: {num_train_epochs: 300, train_batch_size: 4, "
    "max_length: 1024, dtype: float32, attn_implementation: sdpa}}",
]
# The first attempt of each call gets less memory than training needs.
LITTLE_MEMORY = ["--set-resources", "train_tiny_half:mem_mb=200*attempt**4"]
PATIENCE = 400


class Gauntlet:
    """A training run in the workflow and the faults that hit it."""

    def __init__(self, workflow, cluster) -> None:
        self.workflow, self.cluster = workflow, cluster
        self.log = workflow.directory / "driver.log"
        self.driver: subprocess.Popen | None = None

    def start(self, *more: str) -> None:
        command = [*MICRO_ON_SLURM, *LONG, *more, "--retries", "6", "--", f"{RUN}/adapter"]
        self.driver = self.workflow.start_with(command, self.log, self.cluster.environment)

    def until(self, what: str, reached: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not reached():
            assert time.monotonic() < deadline, f"waited in vain until {what}\n{self._said()}"
            assert self.driver is None or self.driver.poll() is None, (
                f"the workflow ended before {what}\n{self._said()}"
            )
            time.sleep(0.1)

    def _said(self) -> str:
        logs = list((self.workflow.directory / "logs").rglob("*.log"))
        return "\n".join(
            f"{path}:\n{path.read_text()[-1500:]}"
            for path in [self.log, *logs]
            if "train" in path.name or path == self.log
        )

    def said_by_slurm(self) -> str:
        return "".join(path.read_text() for path in (self.workflow.directory / "logs" / "slurm").rglob("*.log"))

    @property
    def step(self) -> int:
        """Return the step of the newest complete checkpoint."""
        checkpoints = (self.workflow.directory / "results/micro/state/train").glob("*/checkpoint-*")
        return max((int(path.name.split("-")[1]) for path in checkpoints if _complete(path)), default=0)

    def running(self) -> list[dict[str, str]]:
        """Return the training jobs that Slurm runs now."""
        return [job for job in trainings_of(self.cluster).values() if job["JobState"] == "RUNNING"]

    def progress(self) -> None:
        """Wait for a newer checkpoint, so that the next fault costs progress."""
        before = self.step
        self.until(f"a checkpoint after step {before}", lambda: self.step > before and self.running())

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the training processes."""
        for process in self._processes():
            os.kill(process, number)

    def ends_as(self, undisturbed: Path) -> None:
        """Assert that the workflow succeeds with exactly these weights."""
        assert self.driver is not None
        self.driver.wait(900)
        assert self.driver.returncode == 0, self._said()
        weights, expected = load_file(self.workflow.directory / RUN / WEIGHTS), load_file(undisturbed)
        assert weights.keys() == expected.keys()
        assert all(torch.equal(value, expected[name]) for name, value in weights.items())

    def _processes(self) -> list[int]:
        here = r1k_processes(self.workflow.directory)
        return [process for process, line in here.items() if b"train" in line and b"snakemake" not in line]


def _complete(path: Path) -> bool:
    try:
        return is_complete(path)
    except FileNotFoundError:  # an old checkpoint is being removed
        return False


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """Return the weights of an undisturbed training run without Slurm."""
    quiet = Workflow(tmp_path_factory.mktemp("quiet"))
    quiet.run(["--configfile", str(MICRO), *LONG, "--", f"{RUN}/adapter"])
    return quiet.directory / RUN / WEIGHTS


def test_training_survives_preemption_and_kills_with_the_same_weights(workflow, cluster, undisturbed):
    gauntlet = Gauntlet(workflow, cluster)
    gauntlet.start(*LITTLE_MEMORY)

    # Out of memory: Slurm kills the first attempt, and the next requests more.
    gauntlet.until(
        "Slurm killed an attempt for its memory", lambda: "exceeded memory limit" in gauntlet.said_by_slurm()
    )
    gauntlet.progress()

    # SIGKILL in the middle of a step.
    gauntlet.signal(signal.SIGKILL)
    gauntlet.progress()

    # Preempted by a job of a partition with priority: requeued, and not a failure.
    (preempted,) = gauntlet.running()
    gauntlet.signal(signal.SIGSTOP)
    first = ["--partition=urgent", f"--nodes={len(cluster.nodes)}", "--exclusive", "--output=/dev/null"]
    cluster.run("sbatch", *first, "--wrap", "sleep 2")
    gauntlet.until("the job was preempted", lambda: jobs_of(cluster)[preempted["JobId"]]["Restarts"] == "1")
    gauntlet.progress()

    # The login node dies with Snakemake. The job continues, and the job of the next Snakemake waits for it.
    (orphan,) = gauntlet.running()
    gauntlet.signal(signal.SIGSTOP)
    gauntlet.driver.kill()
    gauntlet.driver.wait()
    gauntlet.start()
    gauntlet.until("the next driver's job runs", lambda: len(gauntlet.running()) == 2)

    # The orphan's node loses power: the waiting job continues.
    cluster.fail_node(orphan["NodeList"])
    gauntlet.progress()
    cluster.run("scancel", orphan["JobId"])  # it is queued again, and no Snakemake waits for it
    cluster.start_node(orphan["NodeList"])

    # Time limit. Slurm counts in minutes, so the training run is stopped until then.
    (late,) = gauntlet.running()
    cluster.run("scontrol", "update", f"jobid={late['JobId']}", "timelimit=1")
    gauntlet.signal(signal.SIGSTOP)
    gauntlet.until("the time was over", lambda: jobs_of(cluster)[late["JobId"]]["JobState"] == "TIMEOUT")
    reached = gauntlet.step

    gauntlet.ends_as(undisturbed)
    facts = json.loads((workflow.directory / RUN / "adapter" / "facts.json").read_text())
    assert facts["resumed_at"] >= reached > 0
    trained = [a for a in read_attempts(workflow.directory / "results/micro/usage") if a.command == "train"]
    # SIGKILL, preemption, the orphan, the time limit and the end; the attempt without memory may end before it starts.
    assert len(trained) >= 5 and "ok" in {attempt.status for attempt in trained}
