"""Generation by transformers, in batches of similar length; the adapter acts beside the base's weights."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, GenerationConfig, LogitsProcessorList

from r1k.config import Evaluate
from r1k.evaluate.batches import batches
from r1k.evaluate.budget_forcing import DecodingState, Rules, begin, go_on, room, stops
from r1k.evaluate.engines import check_model
from r1k.evaluate.engines.sampling import RowDraws
from r1k.evaluate.prompts import Answer, Prompt


class TransformersEngine:
    """Answers in batches: a batch is finished when its longest answer is."""

    def __init__(self, model: Any, rules: Rules, batch_size: int, tokens_per_batch: int | None) -> None:
        """`model` is one that `without_habits` has passed; the limits are those of a batch, in answers and tokens."""
        self.model = model
        self._rules, self._limits = rules, (batch_size, tokens_per_batch)

    def answers(self, prompts: Sequence[Prompt]) -> Iterator[list[Answer]]:
        for batch in batches(prompts, *self._limits):
            writings = [begin(prompt, self._rules) for prompt in batch]
            while going := _going(writings):
                for place, new in zip(going, self._write([writings[place] for place in going]), strict=True):
                    writings[place] = go_on(writings[place], new, self._rules)
            yield [writing.answer for writing in writings]

    @torch.inference_mode()
    def _write(self, writings: Sequence[DecodingState]) -> list[list[int]]:
        """The new tokens of each row, with whatever follows its end. All rows have the same stops."""
        rows = [writing.read for writing in writings]
        width, pad = max(map(len, rows)), self._rules.pad
        ids = torch.tensor([[pad] * (width - len(row)) + row for row in rows])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
        settings = GenerationConfig(
            do_sample=False,
            max_new_tokens=max(room(writing, self._rules) for writing in writings),
            eos_token_id=sorted(stops(writings[0], self._rules)),
            pad_token_id=pad,
        )
        draws = [writing.draw for writing in writings]
        whole = self.model.generate(
            input_ids=ids.to(self.model.device),
            attention_mask=mask.to(self.model.device),
            generation_config=settings,
            logits_processor=LogitsProcessorList([RowDraws(draws)] if any(draws) else []),
        )
        new: list[list[int]] = whole[:, width:].tolist()
        return new


def _going(writings: Sequence[DecodingState]) -> list[int]:
    """The places of the answers to write on next. Those that think have other stops than the rest, and go first."""
    going = [place for place, writing in enumerate(writings) if not writing.over]
    return [place for place in going if writings[place].thinking] or going


def load_model(base: Path, adapter: Path | None, evaluate: Evaluate) -> Any:
    """The model in the config's precision, on the GPU where there is one, the adapter apart as in training."""
    check_model(base, adapter)
    model = AutoModelForCausalLM.from_pretrained(
        base, dtype=evaluate.dtype, use_safetensors=True, local_files_only=True
    )
    model = without_habits(model)
    if adapter is not None:
        model = PeftModel.from_pretrained(model, str(adapter))
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()


def without_habits(model: Any) -> Any:
    """The model, of whose own generation settings only the tokens that end a text are left.

    transformers fills what a generation leaves open from them: Qwen2.5's have a repetition penalty, which changes
    greedy answers too.
    """
    model.generation_config = GenerationConfig(eos_token_id=model.generation_config.eos_token_id)
    return model
