"""Generation with transformers, in batches of prompts of similar length."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, GenerationConfig, LogitsProcessorList

from r1k.config import Evaluate
from r1k.evaluate.batches import batches
from r1k.evaluate.budget_forcing import DecodingState, StopRules, advance, remaining_tokens, start_decoding, stop_tokens
from r1k.evaluate.engines.model_files import check_model
from r1k.evaluate.engines.sampling import SeededSampling
from r1k.evaluate.prompts import GeneratedAnswer, Prompt


class TransformersEngine:
    """Generates batch by batch; a batch takes as long as its longest answer."""

    def __init__(self, model: Any, rules: StopRules, batch_size: int, tokens_per_batch: int | None) -> None:
        """Take a model from `without_generation_defaults`; `batch_size` and `tokens_per_batch` limit a batch."""
        self.model = model
        self._rules, self._limits = rules, (batch_size, tokens_per_batch)

    def answers(self, prompts: Sequence[Prompt]) -> Iterator[list[GeneratedAnswer]]:
        for batch in batches(prompts, *self._limits):
            states = [start_decoding(prompt, self._rules) for prompt in batch]
            while unfinished := _unfinished(states):
                for place, new in zip(unfinished, self._decode([states[place] for place in unfinished]), strict=True):
                    states[place] = advance(states[place], new, self._rules)
            yield [state.answer for state in states]

    @torch.inference_mode()
    def _decode(self, states: Sequence[DecodingState]) -> list[list[int]]:
        """Return the new tokens of each row, including any after its end. All rows have the same stop tokens."""
        rows = [state.model_input for state in states]
        width, pad = max(map(len, rows)), self._rules.pad
        ids = torch.tensor([[pad] * (width - len(row)) + row for row in rows])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
        settings = GenerationConfig(
            do_sample=False,
            max_new_tokens=max(remaining_tokens(state, self._rules) for state in states),
            eos_token_id=sorted(stop_tokens(states[0], self._rules)),
            pad_token_id=pad,
        )
        params = [state.sampling for state in states]
        whole = self.model.generate(
            input_ids=ids.to(self.model.device),
            attention_mask=mask.to(self.model.device),
            generation_config=settings,
            logits_processor=LogitsProcessorList([SeededSampling(params)] if any(params) else []),
        )
        new: list[list[int]] = whole[:, width:].tolist()
        return new


def _unfinished(states: Sequence[DecodingState]) -> list[int]:
    """Return the indices of the answers to continue. Open chains of thought go first: their stop tokens differ."""
    unfinished = [place for place, state in enumerate(states) if not state.finished]
    return [place for place in unfinished if states[place].thinking] or unfinished


def load_model(base: Path, adapter: Path | None, evaluate: Evaluate) -> Any:
    """Return the model in the configured dtype, on the GPU if there is one, with the adapter unmerged, as in
    training."""
    check_model(base, adapter)
    model = AutoModelForCausalLM.from_pretrained(
        base, dtype=evaluate.dtype, use_safetensors=True, local_files_only=True
    )
    model = without_generation_defaults(model)
    if adapter is not None:
        model = PeftModel.from_pretrained(model, str(adapter))
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()


def without_generation_defaults(model: Any) -> Any:
    """Reset the model's own generation settings, except the tokens that end a text, and return the model.

    transformers takes unset settings from them: those of Qwen2.5 include a repetition penalty, which also changes
    greedy answers.
    """
    model.generation_config = GenerationConfig(eos_token_id=model.generation_config.eos_token_id)
    return model
