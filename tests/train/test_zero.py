"""DeepSpeed ZeRO-3 on two processes over gloo, started by the command that cluster jobs run."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from trainings import SETTINGS, make_plan, write_data

from examples import ROOT, lines
from r1k.config import Dpo, Sft
from r1k.errors import TrainError
from r1k.train.checkpoints import is_complete
from r1k.train.describe import describe_run, read_run
from r1k.train.order import TrainingOrder
from r1k.train.zero import read_deepspeed_config

TOLERANCE = 1e-5
"""Largest difference of a weight between a resumed and an uninterrupted run: the order of sums can differ."""


class Study:
    """An SFT run and the DPO run that continues it, on the data of eight problems."""

    def __init__(self, folder: Path, base: Path) -> None:
        self.folder, self.base = folder, base
        write_data(folder)
        self.data = {"sft": folder / "s1k.jsonl", "dpo": folder / "pairs.jsonl"}
        self._describe("sft", sft=Sft(learning_rate=5e-3, num_train_epochs=3, **SETTINGS), steps=6, probed={2: 1.0})
        dpo = Dpo(learning_rate=1e-4, num_train_epochs=1, **SETTINGS)
        self._describe("dpo", parents=[folder / "sft.json"], dpo=dpo, steps=4)

    def _describe(self, method: str, parents: Sequence[Path] = (), **more) -> None:
        plan, output = make_plan(method, **more), self.folder / f"{method}.json"
        describe_run(plan=plan, data=self.data[method], base=self.base, output=output, parent=parents)

    def command(self, method: str, place: Path, processes: int = 2) -> list[str]:
        """Return the rule's command for a run whose files are in `place`."""
        options = {
            "run": self.folder / f"{method}.json",
            "data": self.data[method],
            "base": self.base,
            "output": place / "adapter",
            "steps": place / "steps",
            "state": place / "state",
            "deepspeed": ROOT / "envs" / "zero3.json",
            "per-device-train-batch-size": 1,
            "checkpoint-seconds": 0,
            "processes": processes,
        } | ({"parent": self.folder / "uninterrupted-sft" / "adapter"} if method == "dpo" else {})
        flat = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
        return [str(Path(sys.executable).parent / "r1k"), "train", "--gradient-checkpointing", *flat]

    def train(self, method: str, place: Path, processes: int = 2) -> Path:
        """Run the command and return the published adapter."""
        done = subprocess.run(self.command(method, place, processes), capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return place / "adapter"


@pytest.fixture(scope="module")
def study(tmp_path_factory, tiny_base) -> Study:
    made = Study(tmp_path_factory.mktemp("zero"), tiny_base)
    for method in ("sft", "dpo"):
        made.train(method, made.folder / f"uninterrupted-{method}")
    return made


def losses(adapter: Path) -> list[float]:
    return [entry["loss"] for entry in lines(adapter / "history.jsonl") if "loss" in entry]


@pytest.mark.slow
def test_the_manifest_records_zero_3(study):
    manifest = json.loads((study.folder / "uninterrupted-sft" / "adapter" / "manifest.json").read_text())
    facts = json.dumps(manifest)
    assert '"zero_stage": 3' in facts and '"processes": 2' in facts and '"attn_implementation": "sdpa"' in facts


@pytest.mark.slow
def test_zero_3_gives_the_losses_and_weights_of_one_process(study, tmp_path):
    alone = study.train("sft", tmp_path, processes=1)
    together = study.folder / "uninterrupted-sft" / "adapter"
    assert losses(together) == pytest.approx(losses(alone), abs=1e-4)
    first, second = (load_file(place / "adapter_model.safetensors") for place in (alone, together))
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.allclose(value, second[name], atol=1e-3), name
    assert (study.folder / "uninterrupted-sft" / "steps" / "2" / "adapter_model.safetensors").is_file()


@pytest.mark.slow
def test_dpo_under_zero_3_starts_at_ln_2_from_the_sft_model(study):
    first = lines(study.folder / "uninterrupted-dpo" / "adapter" / "history.jsonl")[0]
    assert first["loss"] == pytest.approx(math.log(2), abs=1e-6)
    assert first["rewards/margins"] == 0


@pytest.mark.slow
def test_dpo_in_bf16_under_zero_3_starts_at_ln_2(study, tmp_path, tiny_base):
    """Adapter and reference have the base's dtype, as on GPUs. `r1k train` refuses bf16 on CPUs: torchrun starts it."""
    run_file = tmp_path / "dpo.json"
    settings = Dpo(learning_rate=1e-4, num_train_epochs=1, **SETTINGS | {"dtype": "bfloat16"})
    plan = make_plan("dpo", dpo=settings, steps=2)
    data, parent = study.data["dpo"], study.folder / "uninterrupted-sft" / "adapter"
    describe_run(plan=plan, data=data, base=tiny_base, output=run_file, parent=[study.folder / "sft.json"])
    order = TrainingOrder(
        run=run_file,
        base=tiny_base,
        data=data,
        probe=None,
        parent=parent,
        state=tmp_path / "state",
        finished=tmp_path / "state" / "adapter",
        per_device_train_batch_size=1,
        gradient_checkpointing=True,
        checkpoint_seconds=1e9,
        deepspeed=ROOT / "envs" / "zero3.json",
    )
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [*launcher, "-m", "r1k.train.worker", order.model_dump_json()]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    first = lines(tmp_path / "state" / "adapter" / "history.jsonl")[0]
    assert first["loss"] == pytest.approx(math.log(2), abs=1e-6) and first["rewards/margins"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_kill_9_and_resume_under_zero_3(study, tmp_path, method):
    state = tmp_path / "state" / read_run(study.folder / f"{method}.json").digest
    with (tmp_path / "first.log").open("w") as log:
        first = subprocess.Popen(study.command(method, tmp_path), stdout=log, stderr=log)
        while not any(is_complete(checkpoint) for checkpoint in state.glob("checkpoint-*")):
            assert first.poll() is None, (tmp_path / "first.log").read_text()[-3000:]
            time.sleep(0.02)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    _wait_until_gone(str(state))
    assert not (tmp_path / "adapter").exists()
    adapter = study.train(method, tmp_path)
    assert json.loads((adapter / "facts.json").read_text())["resumed_at"] >= 1
    resumed = load_file(adapter / "adapter_model.safetensors")
    uninterrupted = load_file(study.folder / f"uninterrupted-{method}" / "adapter" / "adapter_model.safetensors")
    assert resumed.keys() == uninterrupted.keys()
    for name, value in uninterrupted.items():
        assert torch.allclose(value, resumed[name], atol=TOLERANCE), name


@pytest.mark.slow
def test_a_process_killed_while_it_compiles_holds_up_no_later_training(tmp_path):
    alone = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    environment = os.environ | alone | {"TORCH_EXTENSIONS_DIR": str(tmp_path)}
    command = [sys.executable, "-c", "from r1k.train.zero import init_distributed; init_distributed()"]
    killed = subprocess.Popen(command, env=environment, start_new_session=True)
    while not (left := list(tmp_path.glob("*/deepspeed_shm_comm/lock"))):
        assert killed.poll() is None, "it ended without compiling"
        time.sleep(0.01)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert left[0].exists(), "torch left nothing behind: this test shows nothing"
    subprocess.run(command, env=environment, check=True, timeout=600)


def test_a_zero_stage_other_than_3_is_an_error(tmp_path):
    (tmp_path / "zero2.json").write_text('{"zero_optimization": {"stage": 2}}')
    with pytest.raises(TrainError, match=r"zero2.json: zero_optimization.stage is 2; only stage 3"):
        read_deepspeed_config(tmp_path / "zero2.json")


def _wait_until_gone(argument: str) -> None:
    """Wait until no process of the killed command is left."""
    deadline = time.monotonic() + 20
    while any(argument in _command_line(entry) for entry in Path("/proc").glob("[0-9]*")):
        assert time.monotonic() < deadline, "processes of the killed run are still alive"
        time.sleep(0.05)


def _command_line(entry: Path) -> str:
    try:
        return (entry / "cmdline").read_text(errors="replace")
    except OSError:
        return ""
