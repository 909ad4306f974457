"""Two processes over gloo, started by torchrun: the same data order and global batch as one process."""

import pytest
from trainings import SETTINGS, make_plan

from examples import lines, make_both
from r1k.config import Sft
from r1k.errors import TrainError
from r1k.records import write_jsonl
from r1k.train.describe import describe_run
from r1k.train.train import train

SFT = Sft(**SETTINGS)


@pytest.mark.slow
def test_two_processes_start_with_the_loss_of_one(tmp_path, tiny_base):
    forward, _ = make_both(8)
    data = tmp_path / "s1k.jsonl"
    write_jsonl(data, forward)
    plan = make_plan("sft", sft=SFT, steps=2, probed={1: 0.5})
    describe_run(plan=plan, data=data, base=tiny_base, output=tmp_path / "run.json")
    losses = {}
    for processes in (1, 2):
        train(
            run=tmp_path / "run.json",
            base=tiny_base,
            data=data,
            output=tmp_path / f"adapter-{processes}",
            steps=tmp_path / f"steps-{processes}",
            state=tmp_path / f"state-{processes}",
            per_device_train_batch_size=1,
            checkpoint_seconds=1e9,
            processes=processes,
        )
        history = lines(tmp_path / f"adapter-{processes}" / "history.jsonl")
        losses[processes] = [entry["loss"] for entry in history if "loss" in entry]
        assert (tmp_path / f"steps-{processes}" / "1" / "adapter_model.safetensors").is_file()
    assert losses[1] == pytest.approx(losses[2], abs=1e-4)


def test_a_missing_launcher_is_an_error(tmp_path, tiny_base, both_files):
    s1k, _ = both_files
    plan = make_plan("sft", sft=SFT, steps=2)
    describe_run(plan=plan, data=s1k, base=tiny_base, output=tmp_path / "run.json")
    with pytest.raises(
        TrainError, match=r"on 2 nodes: the command 'beam' is not on this machine.*train\.launch\.launcher"
    ):
        train(
            run=tmp_path / "run.json",
            base=tiny_base,
            data=s1k,
            output=tmp_path / "adapter",
            state=tmp_path / "state",
            per_device_train_batch_size=1,
            checkpoint_seconds=1,
            processes=1,
            nodes=2,
            launcher="beam --all",
        )
