"""lm-eval's transformers model as a chat that is trained and probed here: same tokens in, whole turns out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from tqdm import tqdm
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from r1k.errors import R1kError
from r1k.text import END_OF_TURN, encode_prompt


@dataclass(frozen=True)
class Turn:
    """An assistant's turn as generated."""

    text: str
    """Decoded with its chat markers, without the token that ended it."""
    tokens: int
    """Generated tokens, the one that ended the turn included."""
    truncated: bool
    """The limit came before an end of turn."""


@dataclass(frozen=True)
class _Prompt:
    index: int
    ids: list[int]
    limit: int


class ChatLM(HFLM):  # type: ignore[misc]
    """An lm-eval model that answers `generate_until` with one whole assistant's turn, greedily.

    HFLM's own `generate_until` drops special tokens when it decodes, and so the separators between thinking and answer;
    cuts a long prompt at its left in silence; and does not say how many tokens it made. Everything else is HFLM's.

    A document's `turn` is the user's, from which the prompt's tokens are made: in the rendered text, a marker that the
    question quotes cannot be told from the template's. What an assistant's turn was, besides its text, is in `turns`,
    by task name and document index.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, batch_size: int) -> None:
        super().__init__(pretrained=model, tokenizer=tokenizer, batch_size=batch_size, backend="causal")
        self.end_ids = end_ids(model, tokenizer)
        self.turns: dict[tuple[str, int], Turn] = {}

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """The text of a turn for each request, in their order.

        Prompts of similar length go together, the longest first. A request's limit is its `max_gen_toks`, or what
        the model's positions leave after the prompt; it holds for each request alone, whatever it is batched with.
        R1kError where a prompt leaves no room, or a task asks for sampling or other stops.
        """
        prompts = sorted((self._prompt(*pair) for pair in enumerate(requests)), key=lambda prompt: -len(prompt.ids))
        turns: dict[int, Turn] = {}
        with tqdm(total=len(prompts), desc="generating", unit="answer", disable=disable_tqdm) as progress:
            for start in range(0, len(prompts), self.batch_size):
                batch = prompts[start : start + self.batch_size]
                for prompt, new in zip(batch, self._continue(batch), strict=True):
                    turns[prompt.index] = self._turn(new, prompt.limit)
                progress.update(len(batch))
        for index, request in enumerate(requests):
            self.turns[(str(request.task_name), int(request.doc_id))] = turns[index]
        return [turns[index].text for index in range(len(requests))]

    def _prompt(self, index: int, request: Instance) -> _Prompt:
        _, settings = request.args
        name = f"{request.task_name}: question {request.doc.get('id', request.doc_id)}"
        others = [stop for stop in settings["until"] if self.tokenizer.convert_tokens_to_ids(stop) not in self.end_ids]
        if others or settings.get("do_sample"):
            raise R1kError(f"{name}: the task asks for sampling or for the stops {others}; a turn is greedy and whole")
        ids = encode_prompt(self.tokenizer, request.doc["turn"], name)
        room = self.max_length - len(ids)
        if room < 1:
            raise R1kError(
                f"{name}: the prompt has {len(ids)} tokens and the model has {self.max_length} positions, which leaves "
                "no room for an answer; leave the question out, or take a base with more positions"
            )
        return _Prompt(index=index, ids=ids, limit=min(settings["max_gen_toks"], room))

    @torch.inference_mode()
    def _continue(self, batch: Sequence[_Prompt]) -> list[list[int]]:
        """The new tokens of each prompt of a batch, with whatever follows its end of turn."""
        width = max(len(prompt.ids) for prompt in batch)
        pad = self.tokenizer.pad_token_id
        ids = torch.tensor([[pad] * (width - len(prompt.ids)) + prompt.ids for prompt in batch])
        mask = torch.tensor([[0] * (width - len(prompt.ids)) + [1] * len(prompt.ids) for prompt in batch])
        settings = GenerationConfig(
            do_sample=False,
            max_new_tokens=max(prompt.limit for prompt in batch),
            eos_token_id=sorted(self.end_ids),
            pad_token_id=pad,
        )
        whole = self.model.generate(
            input_ids=ids.to(self.device), attention_mask=mask.to(self.device), generation_config=settings
        )
        new: list[list[int]] = whole[:, width:].tolist()
        return new

    def _turn(self, new: list[int], limit: int) -> Turn:
        end = next((place for place, token in enumerate(new[:limit]) if token in self.end_ids), None)
        length = limit if end is None else end
        text = self.tokenizer.decode(new[:length], skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return Turn(text=text, tokens=limit if end is None else end + 1, truncated=end is None)


def end_ids(model: Any, tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """The tokens that end a turn: ChatML's end of turn, the tokenizer's and the model's own ends of text."""
    declared = model.generation_config.eos_token_id
    found = [tokenizer.convert_tokens_to_ids(END_OF_TURN), tokenizer.eos_token_id]
    found += declared if isinstance(declared, list) else [declared]
    return {int(token) for token in found if token is not None}
