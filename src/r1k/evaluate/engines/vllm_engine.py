"""Generation with vLLM on one GPU, with continuous batching and an unmerged adapter.

The last bits of the logits depend on the other sequences in the batch, so a second generation may differ in a few
answers. Each answer is yielded as soon as it finishes.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from r1k.config import Evaluate
from r1k.errors import R1kError
from r1k.evaluate.budget_forcing import DecodingState, StopRules, advance, remaining_tokens, start_decoding, stop_tokens
from r1k.evaluate.engines.model_files import check_model
from r1k.evaluate.prompts import GeneratedAnswer, Prompt

LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""The values that vLLM accepts as `max_lora_rank`."""
GPU_MEMORY_UTILIZATION = 0.92
"""Share of a GPU's memory that vLLM allocates at start."""


class VllmEngine:
    """Runs vLLM's LLMEngine step by step."""

    def __init__(self, base: Path, adapter: Path | None, evaluate: Evaluate, rules: StopRules) -> None:
        from vllm import EngineArgs, LLMEngine
        from vllm.lora.request import LoRARequest

        arguments = EngineArgs(**engine_arguments(base, adapter, evaluate))
        self._engine = LLMEngine.from_engine_args(arguments)
        self._lora = None if adapter is None else LoRARequest("adapter", 1, str(adapter))
        self._rules = rules

    def answers(self, prompts: Sequence[Prompt]) -> Iterator[list[GeneratedAnswer]]:
        states = {str(place): start_decoding(prompt, self._rules) for place, prompt in enumerate(prompts)}
        for name, state in states.items():
            self._add_request(name, state)
        while self._engine.has_unfinished_requests():
            finished = []
            for output in self._engine.step():
                if not output.finished:
                    continue
                name = output.request_id
                states[name] = advance(states[name], output.outputs[0].token_ids, self._rules)
                if states[name].finished:
                    finished.append(states[name].answer)
                else:
                    self._add_request(name, states[name])
            if finished:
                yield finished

    def _add_request(self, name: str, state: DecodingState) -> None:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        sampling = SamplingParams(**sampling_arguments(state, self._rules), output_kind=RequestOutputKind.FINAL_ONLY)
        self._engine.add_request(name, {"prompt_token_ids": state.model_input}, sampling, lora_request=self._lora)


def engine_arguments(base: Path, adapter: Path | None, evaluate: Evaluate) -> dict[str, Any]:
    """Return the arguments of vLLM's `EngineArgs`. Raises R1kError for an adapter that vLLM cannot serve."""
    check_model(base, adapter)
    arguments: dict[str, Any] = {
        "model": str(base),
        "dtype": evaluate.dtype,
        "max_num_seqs": evaluate.batch_size,
        "gpu_memory_utilization": GPU_MEMORY_UTILIZATION,
        "seed": evaluate.seed,
        # Ignores the base's own sampling settings, such as Qwen2.5's repetition penalty.
        "generation_config": "vllm",
        "disable_log_stats": True,
    }
    if adapter is not None:
        arguments |= {"enable_lora": True, "max_loras": 1, "max_lora_rank": max_lora_rank(adapter)}
    return arguments


def max_lora_rank(adapter: Path) -> int:
    """Return the smallest `max_lora_rank` that serves an adapter."""
    rank = int(json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))["r"])
    for served in LORA_RANKS:
        if rank <= served:
            return served
    raise R1kError(
        f"{adapter}: its rank is {rank}, and vLLM serves at most {LORA_RANKS[-1]}; set evaluate.engine: transformers, "
        "or train with a lower rank"
    )


def sampling_arguments(state: DecodingState, rules: StopRules) -> dict[str, Any]:
    """Return the arguments of vLLM's `SamplingParams` for the next step of an answer."""
    sampling = state.sampling
    return {
        "temperature": sampling.temperature if sampling else 0.0,
        "top_p": sampling.top_p if sampling else 1.0,
        "seed": sampling.seed if sampling else None,
        "repetition_penalty": 1.0,
        "max_tokens": remaining_tokens(state, rules),
        "stop_token_ids": sorted(stop_tokens(state, rules)),
        # `stop_token_ids` has every token that ends a turn.
        "ignore_eos": True,
        "detokenize": False,
    }
