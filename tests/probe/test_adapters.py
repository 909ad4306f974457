"""Adapters swapped in place give the same logits as adapters loaded again."""

import json
import shutil

import pytest
import torch
from peft import PeftModel
from probe_models import build_adapter, build_base
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from r1k.errors import R1kError
from r1k.probe.adapters import SwappableModel, check_adapters

IDS = torch.tensor([[5, 9, 200, 41, 7, 77, 130, 8]])


def logits(model) -> torch.Tensor:
    with torch.inference_mode():
        return model(input_ids=IDS.to(model.device)).logits.float().cpu()


def fresh(base, adapter, dtype) -> torch.Tensor:
    model = AutoModelForCausalLM.from_pretrained(base, dtype=dtype)
    if adapter is not None:
        model = PeftModel.from_pretrained(model, adapter, autocast_adapter_dtype=False)
    return logits(model.eval())


@pytest.mark.parametrize(("name", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_swapping_in_any_order_equals_loading_again(study, name, dtype):
    adapters = list(study.adapters.values())
    model = SwappableModel(study.base, adapters, name)
    for adapter in (adapters[0], None, adapters[2], adapters[1], None, adapters[0]):
        model.use(adapter)
        torch.testing.assert_close(logits(model.model), fresh(study.base, adapter, dtype), atol=1e-4, rtol=1e-5)
    first, second = (fresh(study.base, adapter, dtype) for adapter in adapters[:2])
    assert (first - second).abs().max() > 0.5


def test_the_base_alone_needs_no_adapter(study):
    model = SwappableModel(study.base, [], "float32")
    model.use(None)
    assert torch.equal(logits(model.model), fresh(study.base, None, torch.float32))


@pytest.mark.parametrize(
    ("key", "override"),
    [("r", {"rank": 8}), ("lora_alpha", {"alpha": 16}), ("target_modules", {"targets": ["q_proj", "v_proj"]})],
)
def test_adapters_of_different_shapes_are_rejected(study, tmp_path, key, override):
    other = build_adapter(tmp_path / "other", study.base, seed=1, **override)
    with pytest.raises(R1kError, match=rf"other/adapter_config.json: {key} is .*one shape"):
        SwappableModel(study.base, [*study.adapters.values(), other], "float32")


@pytest.mark.parametrize(("key", "value"), [("use_dora", True), ("bias", "all"), ("modules_to_save", ["lm_head"])])
def test_an_adapter_that_changes_more_than_projections_is_rejected(study, tmp_path, key, value):
    adapter = shutil.copytree(study.adapters[3], tmp_path / "more")
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps(config | {key: value}))
    with pytest.raises(R1kError, match=f"more/adapter_config.json: {key} is"):
        check_adapters([adapter])


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_missing_file_is_named(study, tmp_path, name):
    adapter = shutil.copytree(study.adapters[3], tmp_path / "lost")
    (adapter / name).unlink()
    with pytest.raises(R1kError, match=rf"lost/{name}: no such file; make the adapter with"):
        check_adapters([adapter])


def test_a_missing_tensor_is_an_error(study, tmp_path):
    adapter = shutil.copytree(study.adapters[3], tmp_path / "holed")
    weights = load_file(adapter / "adapter_model.safetensors")
    gone = sorted(weights)[0]
    save_file({name: weight for name, weight in weights.items() if name != gone}, adapter / "adapter_model.safetensors")
    model = SwappableModel(study.base, [study.adapters[6], adapter], "float32")
    model.use(study.adapters[6])
    with pytest.raises(R1kError, match=f"holed/adapter_model.safetensors: tensor {gone} does not fit"):
        model.use(adapter)


def test_a_truncated_file_is_an_error(study, tmp_path):
    adapter = shutil.copytree(study.adapters[3], tmp_path / "cut")
    weights = adapter / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(R1kError, match=r"cut/adapter_model.safetensors: damaged"):
        SwappableModel(study.base, [adapter], "float32").use(adapter)


def test_an_adapter_of_another_base_is_an_error(study, tmp_path):
    wide = build_base(tmp_path / "wide", hidden=64)
    adapter = study.adapters[3]
    with pytest.raises(R1kError, match="does not fit the base"):
        SwappableModel(wide, [adapter], "float32").use(adapter)
