"""Training runs of a random two-layer model, with TRL's trainers, real checkpoints and real kills."""

import math
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from trainings import LORA, SETTINGS, make_plan, trainer_of, write_data

from examples import lines, make_both
from r1k.config import Dpo, Probe, Sft
from r1k.data.sets import probe as draw_probe
from r1k.errors import TrainError
from r1k.probe.run_probe import probe_checkpoints
from r1k.records import Example, LogProb, Pair, read_jsonl, write_jsonl
from r1k.text import format_response, load_tokenizer
from r1k.train import worker
from r1k.train.checkpoints import is_complete, newest_complete
from r1k.train.describe import describe_run, read_run
from r1k.train.order import TrainingOrder
from r1k.train.rows import columns_digest, make_rows
from r1k.train.train import train
from r1k.train.trainers import load_base

pytestmark = pytest.mark.slow

DROPOUT = LORA.model_copy(update={"lora_dropout": 0.1})
SFT = Sft(learning_rate=5e-3, num_train_epochs=3, **SETTINGS)
DPO = Dpo(learning_rate=1e-4, num_train_epochs=1, **SETTINGS)


def describe(folder: Path, base: Path, data: Path, name: str, parent: str | None = None, **more) -> Path:
    settings = {"dpo": DPO, "steps": 4} if parent else {"sft": SFT, "steps": 6, "lora": DROPOUT}
    method = more.pop("method", "dpo" if parent else "sft")
    plan = make_plan(method, **{"run": name, "identity": {"name": name}} | settings | more)
    run_file = folder / name / "run.json"
    parents = [folder / parent / "run.json"] if parent else []
    describe_run(plan=plan, data=data, base=base, output=run_file, parent=parents)
    return run_file


def options(folder: Path, base: Path, data: Path, name: str, parent: str | None = None) -> dict:
    return {
        "run": folder / name / "run.json",
        "base": base,
        "data": data,
        "output": folder / name / "adapter",
        "steps": folder / name / "steps",
        "state": folder / "state",
        "parent": folder / parent / "adapter" if parent else None,
        "per_device_train_batch_size": 2,
        "checkpoint_seconds": 1e9,
        "processes": 1,
    }


@pytest.fixture(scope="module")
def study(tmp_path_factory, tiny_base):
    """Train an SFT run with two probed steps, and the DPO run that continues it."""
    folder = tmp_path_factory.mktemp("study")
    write_data(folder)
    describe(folder, tiny_base, folder / "s1k.jsonl", "sft", probed={2: 1.0, 6: 3.0})
    train(**options(folder, tiny_base, folder / "s1k.jsonl", "sft"))
    describe(folder, tiny_base, folder / "pairs.jsonl", "sft-dpo", parent="sft")
    train(**options(folder, tiny_base, folder / "pairs.jsonl", "sft-dpo", parent="sft"))
    return folder


def test_the_adapters_of_probed_steps_are_published(study):
    first, last = (load_file(study / "sft" / "steps" / step / "adapter_model.safetensors") for step in ("2", "6"))
    final = load_file(study / "sft" / "adapter" / "adapter_model.safetensors")
    assert all(torch.equal(last[name], final[name]) for name in final)
    assert any(not torch.equal(first[name], final[name]) for name in final)


def test_sft_lowers_the_loss(study):
    history = [entry for entry in lines(study / "sft" / "adapter" / "history.jsonl") if "loss" in entry]
    assert [entry["step"] for entry in history] == [1, 2, 3, 4, 5, 6]
    assert history[-1]["loss"] < history[0]["loss"]


def test_dpo_starts_at_ln_2_with_the_sft_model_as_reference(study):
    first = lines(study / "sft-dpo" / "adapter" / "history.jsonl")[0]
    assert first["loss"] == pytest.approx(math.log(2), abs=1e-6)
    assert first["rewards/margins"] == first["rewards/chosen"] == first["rewards/rejected"] == 0


def test_a_second_stage_starts_where_the_first_ended(study, tiny_base):
    """SFT on reverse data from an SFT run: its scores at step 0 equal the first stage's at the last step, exactly."""
    more = {"method": "sft", "sft": SFT, "dpo": None, "lora": None, "probed": {4: 2.0}, "exclude_held_out": True}
    first, second = study / "sft", study / "second"
    forward, reverse = make_both(8)
    write_jsonl(study / "probe.jsonl", draw_probe(list(zip(forward, reverse, strict=True)), 2, 2, 0))
    describe(study, tiny_base, study / "r1k.jsonl", "second", parent="sft", **more)
    train(**options(study, tiny_base, study / "r1k.jsonl", "second", parent="sft") | {"probe": study / "probe.jsonl"})
    assert len(lines(second / "adapter" / "trained_on.jsonl")) == 6
    scored = {}
    for folder, start, step in ((first, None, 6), (second, first / "adapter", 4)):
        probe_checkpoints(
            run=folder.name,
            seed=0,
            base=tiny_base,
            start=start,
            steps={step: folder / "steps" / str(step)},
            epochs={step: 1.0},
            pairs=study / "probe.jsonl",
            config=Probe(dtype="float32", tracked=["chosen", "rejected"]),
            output=folder / "probe.jsonl",
            tracked=folder / "tracked.jsonl",
            greedy=folder / "greedy.jsonl",
            state=folder / "state",
            answers=folder / "answers",
        )
        for record in read_jsonl(folder / "probe.jsonl", LogProb):
            scored.setdefault((folder.name, record.step), []).append(record.sum)
    assert scored["second", 0] == scored["sft", 6]
    assert scored["second", 4] != scored["second", 0]


def test_the_reference_is_the_parents_adapter_not_the_base(study, tiny_base):
    """The reference adapter equals the parent's weights before and after training; the trained adapter changes."""
    tokenizer = load_tokenizer(tiny_base)
    pairs = read_jsonl(study / "pairs.jsonl", Pair)
    rows = [row.columns for row in make_rows(tokenizer, pairs, 1024)]
    more = {"parent": study / "sft" / "adapter", "steps": 4, "per_device_train_batch_size": 2}
    trainer = trainer_of(DPO, tiny_base, rows, study / "scratch", **more)
    parent = load_file(study / "sft" / "adapter" / "adapter_model.safetensors")
    reference = {name: value.clone() for name, value in trainer.model.named_parameters() if ".ref." in name}
    assert len(reference) == len(parent)
    for name, value in reference.items():
        assert torch.equal(value, parent[name.replace(".ref.", ".")])
    trainer.train()
    after = dict(trainer.model.named_parameters())
    assert all(torch.equal(after[name], value) for name, value in reference.items())
    assert any(not torch.equal(after[name.replace(".ref.", ".default.")], value) for name, value in reference.items())


def test_trained_on_lists_the_rows_of_the_data_file(study, tiny_base):
    tokenizer = load_tokenizer(tiny_base)
    examples = read_jsonl(study / "s1k.jsonl", Example)
    recorded = lines(study / "sft" / "adapter" / "trained_on.jsonl")
    assert [entry["id"] for entry in recorded] == [example.id for example in examples]
    assert sum(entry["times_seen"] for entry in recorded) == 6 * 4 and {entry["times_seen"] for entry in recorded} == {
        3
    }
    for entry, example in zip(recorded, examples, strict=True):
        turns = [
            {"role": "user", "content": example.question},
            {"role": "assistant", "content": format_response(example.response)},
        ]
        whole = tokenizer.apply_chat_template(turns, tokenize=True, return_dict=True)["input_ids"]
        head = tokenizer.apply_chat_template(turns[:1], add_generation_prompt=True, return_dict=True)["input_ids"]
        newline = len(tokenizer("\n", add_special_tokens=False)["input_ids"])
        ids = whole[:-newline]
        labels = [-100] * len(head) + ids[len(head) :]
        assert entry["sha256"] == columns_digest({"input_ids": ids, "labels": labels})


def test_the_tokens_that_enter_the_model_are_the_recorded_rows(tmp_path, tiny_base):
    """The collator's batches hold the rows in training order: TRL neither shuffles, truncates nor formats them."""
    tokenizer = load_tokenizer(tiny_base)
    forward, _ = make_both(8)
    rows = [row.columns for row in make_rows(tokenizer, forward, 1024)]
    trainer = trainer_of(SFT, tiny_base, rows, tmp_path, steps=2, per_device_train_batch_size=2)
    seen = []
    for batch in trainer.get_train_dataloader():
        for ids, labels, mask in zip(batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True):
            real = mask.bool()
            assert (labels[~real] == -100).all()
            seen.append({"input_ids": ids[real].tolist(), "labels": labels[real].tolist()})
    assert seen == rows


def test_a_finished_run_is_published_again_without_a_step(study, tiny_base, capsys, monkeypatch):
    before = load_file(study / "sft" / "adapter" / "adapter_model.safetensors")
    monkeypatch.setattr(worker, "work", _must_not_run)
    train(**options(study, tiny_base, study / "s1k.jsonl", "sft"))
    assert "sft: already trained" in capsys.readouterr().out
    after = load_file(study / "sft" / "adapter" / "adapter_model.safetensors")
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_parents_data_is_part_of_the_digest(study, tiny_base, tmp_path):
    known = read_run(study / "sft-dpo" / "run.json").digest
    forward, _ = make_both(8)
    changed = forward[0].model_copy(update={"answer": "another"})
    write_jsonl(tmp_path / "s1k.jsonl", [changed, *forward[1:]])
    describe(tmp_path, tiny_base, tmp_path / "s1k.jsonl", "sft", probed={2: 1.0, 6: 3.0})
    again = describe(tmp_path, tiny_base, study / "pairs.jsonl", "sft-dpo", parent="sft")
    assert read_run(again).digest != known


KILLED = """
import sys
from r1k.train import checkpoints, launch, worker
from r1k.train.describe import read_run
from r1k.train.order import TrainingOrder

class Slow(checkpoints.CheckpointCallback):
    def on_step_end(self, args, state, control, **kwargs):
        print("step", state.global_step, flush=True)
        import time; time.sleep(0.3)
        return super().on_step_end(args, state, control, **kwargs)

worker.CheckpointCallback = Slow
order = TrainingOrder.model_validate_json(sys.argv[1])
launch.start(order, read_run(order.run).settings, 1)
"""


@pytest.mark.parametrize("kind", ["sft", "sft-dpo"])
def test_kill_9_and_resume_gives_the_same_weights(study, tiny_base, tmp_path, kind):
    """A run killed after a checkpoint resumes to the bitwise same adapter and repeats no step before the checkpoint."""
    data = study / ("pairs.jsonl" if kind == "sft-dpo" else "s1k.jsonl")
    state = tmp_path / "state"
    order = TrainingOrder(
        run=study / kind / "run.json",
        base=tiny_base,
        data=data,
        probe=None,
        parent=study / "sft" / "adapter" if kind == "sft-dpo" else None,
        state=state,
        finished=state / "adapter",
        per_device_train_batch_size=2,
        gradient_checkpointing=False,
        checkpoint_seconds=0.5,
        deepspeed=None,
    )
    command = [sys.executable, "-c", KILLED, order.model_dump_json()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as first:
        while not any(is_complete(path) for path in state.glob("checkpoint-*")):
            assert first.poll() is None, "the run ended before the kill"
            time.sleep(0.01)
        first.send_signal(signal.SIGKILL)
    assert not (state / "adapter").exists()
    (state / "checkpoint-99").mkdir()  # as a kill during a save leaves it
    resumed_at = int(newest_complete(state).name.split("-")[1])
    second = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    steps = [int(line.split()[1]) for line in second.stdout.splitlines() if line.startswith("step ")]
    assert steps == list(range(resumed_at + 1, read_run(order.run).steps + 1))
    uninterrupted = load_file(study / kind / "adapter" / "adapter_model.safetensors")
    resumed = load_file(state / "adapter" / "adapter_model.safetensors")
    assert uninterrupted.keys() == resumed.keys()
    assert all(torch.equal(uninterrupted[name], resumed[name]) for name in uninterrupted)


def test_a_full_disk_fails_the_attempt_and_publishes_nothing(study, tiny_base, tmp_path):
    """With a file size limit below a checkpoint's the command fails and publishes nothing; without it, it resumes."""
    folder = tmp_path / "study"
    arguments = options(study, tiny_base, study / "s1k.jsonl", "sft")
    arguments |= {"output": folder / "adapter", "steps": folder / "steps", "state": folder / "state"}
    arguments |= {"checkpoint_seconds": 0.0}
    flat = [f"--{name.replace('_', '-')} {value}" for name, value in arguments.items() if value is not None]
    command = f"{Path(sys.executable).parent / 'r1k'} train {' '.join(flat)}"
    full = subprocess.run(["bash", "-c", f"ulimit -f 30; {command}"], capture_output=True, text=True)
    assert full.returncode != 0 and full.stderr.strip()
    assert not (folder / "adapter").exists() and not (folder / "steps").exists()
    assert not any(is_complete(path) for path in folder.rglob("checkpoint-*"))
    subprocess.run(["bash", "-c", command], capture_output=True, check=True)
    uninterrupted = load_file(study / "sft" / "adapter" / "adapter_model.safetensors")
    after = load_file(folder / "adapter" / "adapter_model.safetensors")
    assert all(torch.equal(uninterrupted[name], after[name]) for name in uninterrupted)


def test_a_truncated_checkpoint_is_removed(tmp_path):
    from r1k.train.checkpoints import seal

    for step in (10, 20):
        checkpoint = tmp_path / f"checkpoint-{step}"
        checkpoint.mkdir()
        (checkpoint / "optimizer.pt").write_bytes(b"x" * 100)
        seal(checkpoint)
    (tmp_path / "checkpoint-20" / "optimizer.pt").write_bytes(b"x" * 50)
    assert newest_complete(tmp_path) == tmp_path / "checkpoint-10"
    assert not (tmp_path / "checkpoint-20").exists()


def test_missing_flash_attention_is_an_error_that_names_the_setting(tiny_base):
    with pytest.raises(
        TrainError, match=r"attn_implementation 'flash_attention_2' is not installed .* set attn_implementation: sdpa"
    ):
        load_base(tiny_base, SFT.model_copy(update={"attn_implementation": "flash_attention_2"}))


def test_a_probed_run_needs_a_directory_for_its_steps(study, tiny_base):
    arguments = options(study, tiny_base, study / "s1k.jsonl", "sft") | {"steps": None}
    with pytest.raises(TrainError, match=r"give the directory .* with --steps"):
        train(**arguments)


def test_a_batch_that_does_not_divide_is_an_error(study, tiny_base, tmp_path):
    describe(tmp_path, tiny_base, study / "s1k.jsonl", "odd")
    arguments = options(tmp_path, tiny_base, study / "s1k.jsonl", "odd") | {"per_device_train_batch_size": 3}
    with pytest.raises(TrainError, match="3 on 1 processes do not divide train_batch_size 4"):
        train(**arguments)


def _must_not_run(order: TrainingOrder) -> None:
    raise AssertionError("the run was trained again")
