"""Select and load an inference engine."""

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, Protocol

from r1k.config import Evaluate
from r1k.errors import R1kError
from r1k.evaluate.budget_forcing import StopRules
from r1k.evaluate.prompts import GeneratedAnswer, Prompt
from r1k.loading import without_collection

EngineKind = Literal["transformers", "vllm"]

ADAPTER_APPLIED = {
    "transformers": "not merged into the base's weights",
    "vllm": "not merged into the base's weights, by vLLM's LoRA kernels in the base's dtype",
}
"""How each engine applies an adapter, for the manifest."""


class Engine(Protocol):
    """A loaded model that generates answers."""

    def answers(self, prompts: Sequence[Prompt]) -> Iterator[list[GeneratedAnswer]]:
        """Yield the answers to all prompts, in groups as they finish."""
        ...


def choose_engine(wanted: Literal["auto", "transformers", "vllm"], gpu: bool) -> EngineKind:
    """Return the wanted engine; `auto` means vLLM if there is a GPU, else transformers.

    Raises R1kError if the engine cannot run here.
    """
    kind: EngineKind = wanted if wanted != "auto" else "vllm" if gpu else "transformers"
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


def load_engine(kind: EngineKind, base: Path, adapter: Path | None, evaluate: Evaluate, rules: StopRules) -> Engine:
    """Load the base and, if given, the adapter."""
    if kind == "vllm":
        from r1k.evaluate.engines.vllm_engine import VllmEngine

        return VllmEngine(base, adapter, evaluate, rules)
    with without_collection():
        from r1k.evaluate.engines.transformers_engine import TransformersEngine, load_model

    model = load_model(base, adapter, evaluate)
    return TransformersEngine(model, rules, evaluate.batch_size, evaluate.tokens_per_batch)
