"""Parameter counts, compared with models built on the meta device, which takes no memory."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config

from examples import ROOT
from r1k.config import Architecture, HubBase, Lora, ScratchBase, load
from r1k.errors import ConfigError
from r1k.plan.architecture import (
    architecture_of,
    embedding_parameters,
    layer_parameters,
    lora_parameters,
    multiplied_parameters,
    parameters,
)

PAPER, SMOLLM2 = (load(ROOT / "config" / f"{name}.yaml") for name in ("paper", "smollm2"))
BASES = {**PAPER.bases, **SMOLLM2.bases, "tiny": ScratchBase(kind="scratch", title="tiny", vocab_size=833)}
PUBLISHED = {
    "qwen2.5-7b": 7_615_616_512,
    "qwen2.5-14b": 14_770_033_664,
    "smollm2": 134_515_008,
    "tiny": 747_648,
}
"""Parameters that the model cards (7.61B, 14.7B, 135M) and the demo's manifest state."""


def build(a: Architecture) -> torch.nn.Module:
    sizes = {
        "hidden_size": a.hidden_size,
        "num_hidden_layers": a.num_hidden_layers,
        "num_attention_heads": a.num_attention_heads,
        "num_key_value_heads": a.num_key_value_heads,
        "intermediate_size": a.intermediate_size,
        "vocab_size": a.vocab_size,
        "tie_word_embeddings": a.tie_word_embeddings,
    }
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config((Qwen2Config if a.attention_bias else LlamaConfig)(**sizes))


@pytest.mark.parametrize("name", BASES)
def test_parameters_equal_those_of_the_built_model(name):
    a = architecture_of(name, BASES[name])
    model = build(a)
    assert parameters(a) == model.num_parameters() == PUBLISHED[name]
    assert layer_parameters(a) == sum(p.numel() for p in model.model.layers[0].parameters())
    assert embedding_parameters(a) == model.get_input_embeddings().weight.numel()
    head = model.get_output_embeddings().weight.numel()
    looked_up = 0 if a.tie_word_embeddings else head
    assert multiplied_parameters(a) == model.num_parameters() - looked_up - a.hidden_size  # the final norm


@pytest.mark.parametrize("name", BASES)
def test_an_adapter_has_the_parameters_that_peft_trains(name):
    a, lora = architecture_of(name, BASES[name]), PAPER.train.lora
    model = build(a)
    with torch.device("meta"):
        adapted = get_peft_model(
            model, LoraConfig(r=lora.r, target_modules=list(lora.target_modules), task_type="CAUSAL_LM")
        )
    trained, _ = adapted.get_nb_trainable_parameters()
    assert lora_parameters(a, lora.r, lora.target_modules) == trained


def test_an_adapter_on_some_projections():
    a = architecture_of("smollm2", BASES["smollm2"])
    assert lora_parameters(a, 16, ["q_proj", "v_proj"]) == 30 * 16 * (576 + 576 + 576 + 192)


def test_an_unknown_target_module_is_an_error():
    with pytest.raises(ConfigError, match=r"lora.target_modules: 'c_attn' is not a linear module"):
        lora_parameters(
            architecture_of("tiny", BASES["tiny"]), 4, Lora(target_modules=["q_proj", "c_attn"]).target_modules
        )


def test_a_base_without_sizes_is_an_error_that_names_the_key():
    base = HubBase(kind="hub", title="x", repo="a/b", revision="main")
    with pytest.raises(ConfigError, match=r"bases.new.architecture: missing.*config.json"):
        architecture_of("new", base)
