"""Engines: what turns prompts into tokens, behind one rule."""

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, Protocol

from r1k.config import Evaluate
from r1k.errors import R1kError
from r1k.evaluate.budget_forcing import Rules
from r1k.evaluate.prompts import Answer, Prompt
from r1k.loading import without_collection

Kind = Literal["transformers", "vllm"]

ADAPTER_APPLIED = {
    "transformers": "beside the base's weights, not merged into them",
    "vllm": "beside the base's weights, not merged into them, by vLLM's LoRA kernels in the base's precision",
}
"""How an adapter acts, by engine."""


class Engine(Protocol):
    """A model that is ready to answer."""

    def answers(self, prompts: Sequence[Prompt]) -> Iterator[list[Answer]]:
        """The answers to all prompts, in groups as they are finished."""
        ...


def choose(wanted: Literal["auto", "transformers", "vllm"], gpu: bool) -> Kind:
    """The engine that answers: as wanted, else vLLM where there is a GPU. R1kError where it cannot run here."""
    kind: Kind = wanted if wanted != "auto" else "vllm" if gpu else "transformers"
    if kind == "vllm" and not gpu:
        raise R1kError(
            "evaluate.engine: vllm needs a GPU, and torch finds none; run it where there is one with a driver, or set "
            "evaluate.engine: transformers"
        )
    if kind == "vllm" and importlib.util.find_spec("vllm") is None:
        raise R1kError(
            "evaluate.engine: vLLM is not installed here; fill the environment from envs/evaluate.txt, or set "
            "evaluate.engine: transformers, which is slower"
        )
    return kind


def load(kind: Kind, base: Path, adapter: Path | None, evaluate: Evaluate, rules: Rules) -> Engine:
    """The engine with a base and, where there is one, an adapter."""
    if kind == "vllm":
        from r1k.evaluate.engines.vllm_engine import VllmEngine

        return VllmEngine(base, adapter, evaluate, rules)
    with without_collection():
        from r1k.evaluate.engines.transformers_engine import TransformersEngine, load_model

    model = load_model(base, adapter, evaluate)
    return TransformersEngine(model, rules, evaluate.batch_size, evaluate.tokens_per_batch)


def check_model(base: Path, adapter: Path | None) -> None:
    """R1kError where a directory does not hold what it should."""
    if not (base / "config.json").is_file():
        raise R1kError(f"{base}: holds no model (no config.json); make it with `snakemake {base}`")
    if adapter is not None and not (adapter / "adapter_model.safetensors").is_file():
        raise R1kError(f"{adapter}: holds no adapter_model.safetensors; make it with `snakemake {adapter}`")
