"""Generation by vLLM on one GPU: answers come and go in its batch, the adapter is beside the base's weights.

Answers depend on what they are computed beside, in the last bits of the logits: a second generation may differ in a
few of them. Each is handed on as it ends.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from r1k.config import Evaluate
from r1k.errors import R1kError
from r1k.evaluate.budget_forcing import DecodingState, Rules, begin, go_on, room, stops
from r1k.evaluate.engines import check_model
from r1k.evaluate.prompts import Answer, Prompt

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""The values of vLLM's `max_lora_rank`."""
GPU_SHARE = 0.92
"""Of a GPU's memory, that vLLM takes at its start."""


class VllmEngine:
    """vLLM's engine, a step at a time."""

    def __init__(self, base: Path, adapter: Path | None, evaluate: Evaluate, rules: Rules) -> None:
        from vllm import EngineArgs, LLMEngine
        from vllm.lora.request import LoRARequest

        arguments = EngineArgs(**engine_arguments(base, adapter, evaluate))
        self._engine = LLMEngine.from_engine_args(arguments)
        self._lora = None if adapter is None else LoRARequest("adapter", 1, str(adapter))
        self._rules = rules

    def answers(self, prompts: Sequence[Prompt]) -> Iterator[list[Answer]]:
        writings = {str(place): begin(prompt, self._rules) for place, prompt in enumerate(prompts)}
        for name, writing in writings.items():
            self._ask(name, writing)
        while self._engine.has_unfinished_requests():
            finished = []
            for output in self._engine.step():
                if not output.finished:
                    continue
                name = output.request_id
                writings[name] = go_on(writings[name], output.outputs[0].token_ids, self._rules)
                if writings[name].over:
                    finished.append(writings[name].answer)
                else:
                    self._ask(name, writings[name])
            if finished:
                yield finished

    def _ask(self, name: str, writing: DecodingState) -> None:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        sampling = SamplingParams(**sampling_arguments(writing, self._rules), output_kind=RequestOutputKind.FINAL_ONLY)
        self._engine.add_request(name, {"prompt_token_ids": writing.read}, sampling, lora_request=self._lora)


def engine_arguments(base: Path, adapter: Path | None, evaluate: Evaluate) -> dict[str, Any]:
    """The arguments of vLLM's `EngineArgs`. R1kError for an adapter that it cannot serve."""
    check_model(base, adapter)
    found: dict[str, Any] = {
        "model": str(base),
        "dtype": evaluate.dtype,
        "max_num_seqs": evaluate.batch_size,
        "gpu_memory_utilization": GPU_SHARE,
        "seed": evaluate.seed,
        # The base's own sampling settings, as Qwen2.5's repetition penalty, are not taken over.
        "generation_config": "vllm",
        "disable_log_stats": True,
    }
    if adapter is not None:
        found |= {"enable_lora": True, "max_loras": 1, "max_lora_rank": served_rank(adapter)}
    return found


def served_rank(adapter: Path) -> int:
    """The least `max_lora_rank` that serves an adapter."""
    rank = int(json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))["r"])
    for served in RANKS:
        if rank <= served:
            return served
    raise R1kError(
        f"{adapter}: its rank is {rank}, and vLLM serves {RANKS[-1]} at most; set evaluate.engine: transformers, or "
        "train with a lower rank"
    )


def sampling_arguments(writing: DecodingState, rules: Rules) -> dict[str, Any]:
    """The arguments of vLLM's `SamplingParams` for an answer's next step."""
    draw = writing.draw
    return {
        "temperature": draw.temperature if draw else 0.0,
        "top_p": draw.top_p if draw else 1.0,
        "seed": draw.seed if draw else None,
        "repetition_penalty": 1.0,
        "max_tokens": room(writing, rules),
        "stop_token_ids": sorted(stops(writing, rules)),
        # What ends a turn is ours to say.
        "ignore_eos": True,
        "detokenize": False,
    }
