"""Where an answer ends, and s1's budget forcing. Pure functions of tokens, for every engine.

An engine continues a prompt from `DecodingState.read`, by at most `room` tokens, up to one of `stops`, and hands the
new tokens to `go_on`, until the answer is over. Without budget forcing this is one step.

Budget forcing (Muennighoff et al. 2025, section 3.1): the chain of thought is opened; where the model ends it early,
`Wait` takes the place of its end; where it grows too long, it is ended and the final answer asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from r1k.config import BudgetForcing
from r1k.evaluate.prompts import Answer, Prompt, SamplingParams
from r1k.text import ANSWER, END_OF_TURN, THINK

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedTokenizerBase

WAIT = "Wait"
FINAL = "Final Answer:"


@dataclass(frozen=True)
class Forcing:
    """Budget forcing in tokens."""

    config: BudgetForcing
    opening: int
    """The token that opens a part of a turn; in a chain of thought it ends that."""
    think: tuple[int, ...]
    wait: tuple[int, ...]
    answer: tuple[int, ...]
    newline: tuple[int, ...]
    final: tuple[int, ...]


@dataclass(frozen=True)
class Rules:
    """How turns end, for one base."""

    ends: frozenset[int]
    pad: int
    forcing: Forcing | None = None


@dataclass(frozen=True)
class DecodingState:
    """An answer while it is written."""

    prompt: Prompt
    ids: tuple[int, ...] = ()
    """Written so far, what was forced included."""
    thinking: bool = False
    """Under budget forcing, in the chain of thought."""
    num_waits: int = 0
    steps: int = 0
    ended: bool | None = None
    """None: it is not over."""

    @property
    def over(self) -> bool:
        return self.ended is not None

    @property
    def read(self) -> list[int]:
        """What the model reads."""
        return [*self.prompt.ids, *self.ids]

    @property
    def draw(self) -> SamplingParams | None:
        """How the next tokens are drawn; each step has a seed of its own."""
        draw = self.prompt.draw
        return draw and draw.model_copy(update={"seed": (draw.seed + self.steps) % 2**32})

    @property
    def answer(self) -> Answer:
        return Answer(key=self.prompt.key, ids=list(self.ids), ended=bool(self.ended))


def begin(prompt: Prompt, rules: Rules) -> DecodingState:
    """An answer of which the model has written nothing."""
    if rules.forcing is None:
        return DecodingState(prompt)
    return _within_limit(DecodingState(prompt, rules.forcing.think, thinking=True))


def stops(writing: DecodingState, rules: Rules) -> frozenset[int]:
    """The tokens at which the engine stops."""
    opening = {rules.forcing.opening} if rules.forcing and writing.thinking else set()
    return rules.ends | opening


def room(writing: DecodingState, rules: Rules) -> int:
    """The tokens that the engine writes at most."""
    left = writing.prompt.limit - len(writing.ids)
    if rules.forcing is None or not writing.thinking or rules.forcing.config.max_thinking_tokens is None:
        return left
    return min(left, rules.forcing.config.max_thinking_tokens - _thought(writing, rules.forcing))


def go_on(writing: DecodingState, new: Sequence[int], rules: Rules) -> DecodingState:
    """The answer with what the engine wrote, up to its first stop and its room; what comes after them is left out."""
    new = new[: room(writing, rules)]
    ending = stops(writing, rules)
    place = next((place for place, token in enumerate(new) if token in ending), None)
    written = replace(writing, ids=(*writing.ids, *new[:place]), steps=writing.steps + 1)
    if rules.forcing is None or not writing.thinking:
        return replace(written, ended=place is not None)
    return _within_limit(_end_thinking(written, place is not None, rules.forcing))


def _end_thinking(written: DecodingState, of_itself: bool, forcing: Forcing) -> DecodingState:
    config, thought = forcing.config, _thought(written, forcing)
    if of_itself:
        early = config.min_thinking_tokens is None or thought < config.min_thinking_tokens
        fits = config.max_thinking_tokens is None or thought + len(forcing.wait) < config.max_thinking_tokens
        if written.num_waits < config.num_waits and early and fits:
            return replace(written, ids=(*written.ids, *forcing.wait), num_waits=written.num_waits + 1)
        return replace(written, ids=(*written.ids, *forcing.answer), thinking=False)
    if len(written.ids) >= written.prompt.limit:
        return written
    newline = () if written.ids[-len(forcing.newline) :] == forcing.newline else forcing.newline
    return replace(written, ids=(*written.ids, *newline, *forcing.answer, *forcing.final), thinking=False)


def _thought(writing: DecodingState, forcing: Forcing) -> int:
    return len(writing.ids) - len(forcing.think)


def _within_limit(writing: DecodingState) -> DecodingState:
    limit = writing.prompt.limit
    return writing if len(writing.ids) < limit else replace(writing, ids=writing.ids[:limit], ended=False)


def rules_of(base: Path, tokenizer: "PreTrainedTokenizerBase", forcing: BudgetForcing | None) -> Rules:
    """The rules of the base in a directory."""

    def ids(text: str) -> tuple[int, ...]:
        return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])

    ends = end_ids(tokenizer, declared(base))
    if forcing is None:
        return Rules(ends, _pad(tokenizer))
    (opening, *_) = think = ids(THINK)
    return Rules(ends, _pad(tokenizer), Forcing(forcing, opening, think, ids(WAIT), ids(ANSWER), ids("\n"), ids(FINAL)))


def declared(base: Path) -> "GenerationConfig":
    """What a base says of generation."""
    from transformers import AutoConfig, GenerationConfig

    if (base / "generation_config.json").is_file():
        return GenerationConfig.from_pretrained(base, local_files_only=True)
    return GenerationConfig.from_model_config(AutoConfig.from_pretrained(base, local_files_only=True))


def end_ids(tokenizer: "PreTrainedTokenizerBase", declared: "GenerationConfig") -> frozenset[int]:
    """The tokens that end a turn: ChatML's end of turn, the tokenizer's and the model's own ends of text."""
    own = declared.eos_token_id
    found = [tokenizer.convert_tokens_to_ids(END_OF_TURN), tokenizer.eos_token_id]
    found += own if isinstance(own, list) else [own]
    return frozenset(int(token) for token in found if token is not None)


def _pad(tokenizer: "PreTrainedTokenizerBase") -> int:
    return int(tokenizer.pad_token_id)
