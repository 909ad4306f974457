"""Stop rules and s1's budget forcing, as pure functions of tokens, for every engine.

An engine generates from `DecodingState.model_input`, at most `remaining_tokens` tokens, up to one of `stop_tokens`, and
passes the new tokens to `advance`, until the answer is finished. Without budget forcing this is one step.

Budget forcing (Muennighoff et al. 2025, section 3.1) opens the chain of thought, replaces an early end of it by `Wait`,
ends it at a maximum length, and then asks for the final answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from r1k.config import BudgetForcing
from r1k.evaluate.prompts import GeneratedAnswer, Prompt, SamplingParams
from r1k.text import ANSWER, END_OF_TURN, THINK

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedTokenizerBase

WAIT = "Wait"
FINAL = "Final Answer:"


@dataclass(frozen=True)
class ForcingTokens:
    """The settings of budget forcing, and its texts as tokens."""

    config: BudgetForcing
    opening: int
    """The token that opens a part of a turn; inside a chain of thought, it ends it."""
    think: tuple[int, ...]
    wait: tuple[int, ...]
    answer: tuple[int, ...]
    newline: tuple[int, ...]
    final: tuple[int, ...]


@dataclass(frozen=True)
class StopRules:
    """The tokens that end and pad turns of one base, and its budget forcing."""

    ends: frozenset[int]
    pad: int
    forcing: ForcingTokens | None = None


@dataclass(frozen=True)
class DecodingState:
    """An answer that is being generated."""

    prompt: Prompt
    ids: tuple[int, ...] = ()
    """Tokens so far, including forced ones."""
    thinking: bool = False
    """Whether budget forcing is on and the chain of thought is open."""
    num_waits: int = 0
    steps: int = 0
    ended: bool | None = None
    """Whether the turn ended before the limit; None while the answer is not finished."""

    @property
    def finished(self) -> bool:
        return self.ended is not None

    @property
    def model_input(self) -> list[int]:
        """The tokens that the model reads."""
        return [*self.prompt.ids, *self.ids]

    @property
    def sampling(self) -> SamplingParams | None:
        """Sampling of the next tokens; None means greedy. Each step has its own seed."""
        draw = self.prompt.sampling
        return draw and draw.model_copy(update={"seed": (draw.seed + self.steps) % 2**32})

    @property
    def answer(self) -> GeneratedAnswer:
        return GeneratedAnswer(key=self.prompt.key, ids=list(self.ids), ended=bool(self.ended))


def start_decoding(prompt: Prompt, rules: StopRules) -> DecodingState:
    """Return the state before the model generates anything."""
    if rules.forcing is None:
        return DecodingState(prompt)
    return _within_limit(DecodingState(prompt, rules.forcing.think, thinking=True))


def stop_tokens(state: DecodingState, rules: StopRules) -> frozenset[int]:
    """Return the tokens at which the engine stops."""
    opening = {rules.forcing.opening} if rules.forcing and state.thinking else set()
    return rules.ends | opening


def remaining_tokens(state: DecodingState, rules: StopRules) -> int:
    """Return the maximum number of tokens that the engine may generate in this step."""
    left = state.prompt.max_new_tokens - len(state.ids)
    if rules.forcing is None or not state.thinking or rules.forcing.config.max_thinking_tokens is None:
        return left
    return min(left, rules.forcing.config.max_thinking_tokens - _thinking_tokens(state, rules.forcing))


def advance(state: DecodingState, new: Sequence[int], rules: StopRules) -> DecodingState:
    """Append the engine's new tokens, up to the first stop token and the step's limit; discard the rest."""
    new = new[: remaining_tokens(state, rules)]
    stops = stop_tokens(state, rules)
    place = next((place for place, token in enumerate(new) if token in stops), None)
    written = replace(state, ids=(*state.ids, *new[:place]), steps=state.steps + 1)
    if rules.forcing is None or not state.thinking:
        return replace(written, ended=place is not None)
    return _within_limit(_end_thinking(written, place is not None, rules.forcing))


def _end_thinking(written: DecodingState, model_stopped: bool, forcing: ForcingTokens) -> DecodingState:
    config, thought = forcing.config, _thinking_tokens(written, forcing)
    if model_stopped:
        early = config.min_thinking_tokens is None or thought < config.min_thinking_tokens
        fits = config.max_thinking_tokens is None or thought + len(forcing.wait) < config.max_thinking_tokens
        if written.num_waits < config.num_waits and early and fits:
            return replace(written, ids=(*written.ids, *forcing.wait), num_waits=written.num_waits + 1)
        return replace(written, ids=(*written.ids, *forcing.answer), thinking=False)
    if len(written.ids) >= written.prompt.max_new_tokens:
        return written
    newline = () if written.ids[-len(forcing.newline) :] == forcing.newline else forcing.newline
    return replace(written, ids=(*written.ids, *newline, *forcing.answer, *forcing.final), thinking=False)


def _thinking_tokens(state: DecodingState, forcing: ForcingTokens) -> int:
    return len(state.ids) - len(forcing.think)


def _within_limit(state: DecodingState) -> DecodingState:
    limit = state.prompt.max_new_tokens
    return state if len(state.ids) < limit else replace(state, ids=state.ids[:limit], ended=False)


def stop_rules(base: Path, tokenizer: "PreTrainedTokenizerBase", forcing: BudgetForcing | None) -> StopRules:
    """Return the rules of the base in a directory."""

    def ids(text: str) -> tuple[int, ...]:
        return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])

    ends = end_token_ids(tokenizer, generation_config(base))
    if forcing is None:
        return StopRules(ends, _pad(tokenizer))
    (opening, *_) = think = ids(THINK)
    return StopRules(
        ends, _pad(tokenizer), ForcingTokens(forcing, opening, think, ids(WAIT), ids(ANSWER), ids("\n"), ids(FINAL))
    )


def generation_config(base: Path) -> "GenerationConfig":
    """Return a base's generation config, or the defaults from its model config."""
    from transformers import AutoConfig, GenerationConfig

    if (base / "generation_config.json").is_file():
        return GenerationConfig.from_pretrained(base, local_files_only=True)
    return GenerationConfig.from_model_config(AutoConfig.from_pretrained(base, local_files_only=True))


def end_token_ids(tokenizer: "PreTrainedTokenizerBase", config: "GenerationConfig") -> frozenset[int]:
    """Return the tokens that end a turn: ChatML's end of turn, and the end-of-text tokens of the tokenizer and the
    model."""
    model_ends = config.eos_token_id
    ends = [tokenizer.convert_tokens_to_ids(END_OF_TURN), tokenizer.eos_token_id]
    ends += model_ends if isinstance(model_ends, list) else [model_ends]
    return frozenset(int(token) for token in ends if token is not None)


def _pad(tokenizer: "PreTrainedTokenizerBase") -> int:
    return int(tokenizer.pad_token_id)
