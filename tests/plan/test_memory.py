"""Estimates of memory and disk, compared with DeepSpeed's estimator and with measured training runs."""

import json
import os
import subprocess
import sys

import pytest
import torch
from deepspeed.runtime.zero.stage3 import estimate_zero3_model_states_mem_needs
from safetensors import safe_open
from transformers import Qwen2Config, Qwen2ForCausalLM

from examples import ROOT, lines, make_both
from r1k.config import Architecture, Dpo, Lora, Sft, load
from r1k.data.sets import make_set
from r1k.plan import cost, memory
from r1k.plan.architecture import architecture_of, lora_parameters, parameters
from r1k.plan.memory import Placement
from r1k.plan.workload import read_architecture
from r1k.records import write_jsonl
from r1k.train.describe import RunPlan, describe_run

pytestmark = pytest.mark.slow

PAPER = load(ROOT / "config" / "paper.yaml")
LORA = PAPER.train.lora
SEVEN = architecture_of("qwen2.5-7b", PAPER.bases["qwen2.5-7b"])
EIGHT = Placement(gpus=8, per_device_train_batch_size=1)
CPU = Placement(gpus=0, per_device_train_batch_size=4, gradient_checkpointing=False)
STATES = ("adapter", "gradients", "optimizer")
SMALL = {"dtype": "float32", "attn_implementation": "sdpa", "max_length": 4096}
ADAPTER = Lora(r=16, lora_dropout=0.0)


@pytest.mark.parametrize("gpus", [2, 8, 64])
def test_states_of_the_adapter_equal_deepspeeds_estimate(gpus):
    """DeepSpeed's estimator has no frozen parameters; it gets the adapter's only, at 18 bytes per parameter."""
    settings = PAPER.train.sft
    parts = memory.training(SEVEN, settings, LORA, Placement(gpus, 1), tokens=1)
    adapter = lora_parameters(SEVEN, LORA.r, LORA.target_modules)
    _, on_gpu, _ = estimate_zero3_model_states_mem_needs(
        adapter, largest_layer_params=0, num_gpus_per_node=gpus, cpu_offload=False
    )
    assert sum(parts[part] for part in STATES) == pytest.approx(on_gpu, rel=1e-6)


def test_a_frozen_base_has_weights_only():
    """DeepSpeed's estimate of the whole model includes gradients and moments of the base; ours does not."""
    parts = memory.training(SEVEN, PAPER.train.sft, LORA, EIGHT, tokens=1)
    assert parts["weights"] == parameters(SEVEN) * 2 / 8
    _, on_gpu, _ = estimate_zero3_model_states_mem_needs(
        parameters(SEVEN), largest_layer_params=0, num_gpus_per_node=8, cpu_offload=False
    )
    assert on_gpu == pytest.approx(9 * parts["weights"], rel=1e-6)


def test_dpo_holds_a_second_adapter_and_twice_the_activations():
    sft, dpo = (memory.training(SEVEN, s, LORA, EIGHT, 4096) for s in (PAPER.train.sft, PAPER.train.dpo))
    assert dpo["adapter"] == 2 * sft["adapter"] and dpo["optimizer"] == sft["optimizer"]
    assert dpo["activations"] == 2 * sft["activations"]


def test_gradient_checkpointing_saves_layer_inputs_only():
    on, off = (memory.activations(SEVEN, Sft(), LORA, 1, 1000, 2, flag) for flag in (True, False))
    inputs = 28 * 1000 * 3584 * 2
    assert inputs < on < off / 5


def test_one_process_shards_nothing():
    alone = memory.training(SEVEN, PAPER.train.sft, LORA, Placement(1, 1), 4096)
    assert alone["weights"] == parameters(SEVEN) * 2 and "gathered weights" not in alone


def test_processes_on_the_cpu_shard_like_gpus():
    assert Placement(0, 1).zero_stage == 0 and Placement(0, 1, processes=2).shards == 2
    assert Placement(8, 1).world_size == 8 and Placement(8, 1, processes=4).world_size == 4


@pytest.mark.parametrize(("batch", "length"), [(1, 4096), (8, 4096), (8, 32768)])
def test_the_kv_cache_is_that_of_transformers(batch, length):
    """Qwen2.5-7B: 2 x 28 layers x 512 x 2 bytes per token, and one more layer during its copy."""
    parts = memory.generating(SEVEN, 256, ["q_proj"], "bfloat16", batch, 0, length)
    assert parts["KV cache"] == pytest.approx(batch * length * 2 * 29 * 512 * 2)


PROGRAM = """
import sys
from pathlib import Path
import r1k.train.worker
from r1k.provenance import peak_memory
from r1k.train.train import train
before = peak_memory()["host"]
folder, base, parent = map(Path, sys.argv[1:4])
train(run=folder / "run.json", base=base, data=folder / "data.jsonl", output=folder / "adapter",
      state=folder / "state", parent=parent if sys.argv[3] != "-" else None, per_device_train_batch_size=4,
      checkpoint_seconds=0, processes=1)
print(before, peak_memory()["host"])
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory, tiny_base):
    """Write a random model that is large beside the libraries' own allocations."""
    folder = tmp_path_factory.mktemp("plan") / "base"
    folder.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (folder / name).write_bytes((tiny_base / name).read_bytes())
    config = json.loads((tiny_base / "config.json").read_text())
    torch.manual_seed(0)
    Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=8192,
            hidden_size=512,
            intermediate_size=1536,
            num_hidden_layers=6,
            num_attention_heads=8,
            num_key_value_heads=2,
            max_position_embeddings=4096,
            tie_word_embeddings=True,
            eos_token_id=config["eos_token_id"],
            pad_token_id=config["pad_token_id"],
        )
    ).save_pretrained(folder)
    return folder


def run_training(folder, base, settings, parent=None):
    """Train two steps, with a checkpoint at each, and return the peak bytes minus those of the imports."""
    folder.mkdir()
    forward, reverse = (
        [example.model_copy(update={"reasoning": example.reasoning * 25}) for example in examples]
        for examples in make_both(4)
    )
    if parent is None:
        write_jsonl(folder / "data.jsonl", forward)
    else:
        write_jsonl(folder / "s1k.jsonl", forward)
        write_jsonl(folder / "r1k.jsonl", reverse)
        make_set("pairs", s1k=folder / "s1k.jsonl", r1k=folder / "r1k.jsonl", output=folder / "data.jsonl")
    method = "sft" if parent is None else "dpo"
    plan = {
        "run": "x",
        "lora": ADAPTER if parent is None else None,
        "seed": 0,
        "identity": {},
        "probed": {},
        "exclude_held_out": False,
        "steps": 2,
    }
    run_plan = RunPlan(**plan, method=method, **{method: settings})
    describe_run(plan=run_plan, data=folder / "data.jsonl", base=base, output=folder / "run.json")
    command = [sys.executable, "-c", PROGRAM, str(folder), str(base), str(parent or "-")]
    environment = {
        **os.environ,
        "MALLOC_MMAP_THRESHOLD_": "1000000",
    }  # no heap fragmentation: freed arrays are returned
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    before, peak = map(int, shown.split()[-2:])
    return peak - before


def trained_tokens(folder) -> int:
    """Return the response tokens of the longest row, from the run's record."""
    return max(row["tokens"] for row in lines(folder / "adapter" / "trained_on.jsonl"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory, base):
    folder = tmp_path_factory.mktemp("plan") / "sft"
    return folder, run_training(folder, base, Sft(train_batch_size=4, **SMALL))


def test_peak_memory_of_sft_is_within_a_quarter(trained, base):
    folder, peak = trained
    settings = Sft(train_batch_size=4, **SMALL)
    a, tokens = read_architecture(base / "config.json"), trained_tokens(folder) + 80
    estimate = sum(memory.training(a, settings, ADAPTER, CPU, tokens).values())
    print(f"SFT: estimated {estimate / 1e6:.0f} MB, measured {peak / 1e6:.0f} MB above the imports, {tokens} tokens")
    assert estimate == pytest.approx(peak, rel=0.25)


def test_an_adapter_and_its_optimizer_on_disk(trained, base):
    folder, _ = trained
    settings = Sft(train_batch_size=4, **SMALL)
    a: Architecture = read_architecture(base / "config.json")
    saved = folder / "adapter" / "adapter_model.safetensors"
    assert cost.adapter_bytes(a, settings, ADAPTER, CPU) == pytest.approx(saved.stat().st_size, rel=0.02)
    with safe_open(saved, framework="pt") as tensors:
        count = sum(tensors.get_tensor(name).numel() for name in tensors.keys())  # noqa: SIM118
    assert count == lora_parameters(a, 16, ADAPTER.target_modules)
    (optimizer,) = folder.glob("state/*/checkpoint-1/optimizer.pt")
    assert cost.optimizer_bytes(a, ADAPTER, CPU) == pytest.approx(optimizer.stat().st_size, rel=0.02)
    assert cost.base_bytes(a, "float32") == pytest.approx((base / "model.safetensors").stat().st_size, rel=0.02)


def test_peak_memory_of_dpo_is_within_a_quarter(tmp_path, trained, base):
    settings = Dpo(train_batch_size=4, **SMALL)
    peak = run_training(tmp_path / "dpo", base, settings, parent=trained[0] / "adapter")
    a, tokens = read_architecture(base / "config.json"), trained_tokens(trained[0]) + 80
    estimate = sum(memory.training(a, settings, ADAPTER, CPU, tokens).values())
    print(f"DPO: estimated {estimate / 1e6:.0f} MB, measured {peak / 1e6:.0f} MB above the imports, {tokens} tokens")
    assert estimate == pytest.approx(peak, rel=0.25)


def test_nodes_share_the_model():
    two = Placement(gpus=8, per_device_train_batch_size=1, nodes=2)
    assert (two.world_size, two.processes_per_node, two.shards) == (16, 8, 16)
    settings = PAPER.train.sft
    one_node, two_nodes = (memory.training(SEVEN, settings, LORA, place, 4096) for place in (EIGHT, two))
    assert sum(two_nodes.values()) < sum(one_node.values())
