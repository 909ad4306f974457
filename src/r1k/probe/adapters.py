"""One base model in memory, with a LoRA adapter that can be swapped in place."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from peft.tuners import lora
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional
from transformers import AutoModelForCausalLM

from r1k.errors import R1kError

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
SHAPE_KEYS = ("r", "lora_alpha", "target_modules", "rank_pattern", "alpha_pattern", "use_rslora")
"""Keys of peft's config in which adapters must agree to be swapped for each other."""
PLAIN = {"peft_type": "LORA", "use_dora": False, "bias": "none", "modules_to_save": None}
"""The config of an adapter that changes only projections, by low-rank updates."""


class SwappableModel:
    """A base model in evaluation mode, with or without one of its adapters."""

    def __init__(self, base: Path, adapters: Sequence[Path], dtype: Literal["bfloat16", "float32"]) -> None:
        """Load `base` once. Raises R1kError for adapters that differ in shape or do not fit the base."""
        check_adapters(adapters)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        model = AutoModelForCausalLM.from_pretrained(
            base, dtype=dtype, attn_implementation="sdpa", use_safetensors=True
        )
        self.model = model.to(self.device).eval()
        self._adapted = _with_empty_adapter(self.model, base, adapters[0]) if adapters else None
        self._layers = [layer for layer in self.model.modules() if isinstance(layer, lora.Linear)]
        # In float32, one product with W + BA equals the sum of two products, and is faster. In bf16, rounding W + BA
        # would lose small updates, so the adapter stays unmerged, as in training. It also stays unmerged while
        # gradients are computed, so that they are with respect to A and B only.
        if dtype == "float32":
            for layer in self._layers:
                layer.forward = partial(_folded_forward, layer, layer.forward)

    @property
    def max_positions(self) -> int | None:
        """The base's maximum sequence length in tokens, if its config has one."""
        found: int | None = getattr(self.model.config, "max_position_embeddings", None)
        return found

    @property
    def adapter_parameters(self) -> list[Tensor]:
        """A and B of each projection's adapter, in the model's order; they require gradients while the adapter is in
        use."""
        return [part["default"].weight for layer in self._layers for part in (layer.lora_A, layer.lora_B)]

    def use(self, adapter: Path | None) -> None:
        """Switch to the base with `adapter`, or to the base alone.

        Raises R1kError if the adapter's tensors differ from those of the first adapter in names or shapes.
        """
        if self._adapted is not None:
            for layer in self._layers:
                layer.enable_adapters(adapter is not None)
        if adapter is None:
            return
        weights = _read_weights(adapter)
        expected = get_peft_model_state_dict(self._adapted, save_embedding_layers=False)
        wrong = _first_difference(weights, expected)
        if wrong is not None:
            raise R1kError(
                f"{adapter / WEIGHTS}: tensor {wrong} does not fit the base; the adapter belongs to another base or is "
                "incomplete: rebuild its run"
            )
        set_peft_model_state_dict(self._adapted, weights)


def check_adapters(adapters: Sequence[Path]) -> None:
    """Raise R1kError unless all are plain LoRA adapters of one shape; the message names the first that is not."""
    shapes = [_shape(adapter) for adapter in adapters]
    for adapter, shape in zip(adapters, shapes, strict=True):
        for key in SHAPE_KEYS:
            if shape[key] != shapes[0][key]:
                raise R1kError(
                    f"{adapter / CONFIG}: {key} is {shape[key]!r}, but {shapes[0][key]!r} in {adapters[0]}; the "
                    "checkpoints of a run must have adapters of one shape: rebuild the run"
                )


def _shape(adapter: Path) -> dict[str, Any]:
    for name in (CONFIG, WEIGHTS):
        if not (adapter / name).is_file():
            raise R1kError(f"{adapter / name}: no such file; make the adapter with `snakemake {adapter}`")
    try:
        config = json.loads((adapter / CONFIG).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise R1kError(f"{adapter / CONFIG}: not JSON ({error}); rebuild its run") from error
    for key, plain in PLAIN.items():
        if config.get(key, plain) != plain:
            raise R1kError(
                f"{adapter / CONFIG}: {key} is {config[key]!r}; the probe supports only LoRA adapters with {plain!r}"
            )
    targets = config.get("target_modules")
    return {key: config.get(key) for key in SHAPE_KEYS} | {
        "target_modules": sorted(targets) if isinstance(targets, list) else targets
    }


def _with_empty_adapter(model: Any, base: Path, adapter: Path) -> Any:
    config = LoraConfig.from_pretrained(adapter)
    # Some initialisations modify the base, and all values of the adapter are loaded later.
    config.init_lora_weights = False
    config.inference_mode = True
    config.base_model_name_or_path = None
    try:
        return get_peft_model(model, config, autocast_adapter_dtype=False).eval()
    except ValueError as error:
        raise R1kError(f"{adapter / CONFIG}: does not fit the base {base} ({error}); rebuild the run") from error


def _read_weights(adapter: Path) -> dict[str, Tensor]:
    try:
        return load_file(adapter / WEIGHTS)
    except SafetensorError as error:
        raise R1kError(f"{adapter / WEIGHTS}: damaged ({error}); rebuild its run") from error


def _first_difference(weights: dict[str, Tensor], expected: dict[str, Tensor]) -> str | None:
    for name in sorted(weights.keys() | expected.keys()):
        if name not in weights or name not in expected or weights[name].shape != expected[name].shape:
            return name
    return None


def _folded_forward(layer: Any, trained: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    if torch.is_grad_enabled():
        return trained(x)
    linear = layer.get_base_layer()
    if layer.disable_adapters:
        return functional.linear(x, linear.weight, linear.bias)
    down, up, scale = (part["default"] for part in (layer.lora_A, layer.lora_B, layer.scaling))
    return functional.linear(x, torch.addmm(linear.weight, up.weight, down.weight, alpha=scale), linear.bias)
