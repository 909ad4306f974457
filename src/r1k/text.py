"""From a question and a response to tokens: the one place, for SFT, DPO, probing and evaluation.

The prompt is the chat template's user turn up to where the assistant begins. The response is s1's convention
(chain of thought, separator, answer), then whatever the template puts at the end of an assistant's turn, up to and
with its end-of-turn token. Loss and log-probabilities are over the response's tokens alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from r1k.errors import TextError
from r1k.records import Question, Response

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

THINK = "<|im_start|>think\n"
ANSWER = "<|im_start|>answer\n"
ANSWER_PREFIX = "Answer: "
OPTION_LETTERS = "ABCDEFGHIJ"


@dataclass(frozen=True)
class Encoded:
    """Token ids of a prompt and of the response to it."""

    prompt: list[int]
    response: list[int]
    cut: int
    """Response tokens beyond the limit, that were left out."""

    @property
    def truncated(self) -> bool:
        return self.cut > 0


def format_response(response: Response) -> str:
    """The assistant's turn: the same form for every direction, preferred or rejected, trained on or probed."""
    answer = response.answer.strip()
    if ANSWER_PREFIX.strip() not in answer:
        answer = ANSWER_PREFIX + answer
    return f"{THINK}{response.reasoning.strip()}\n{ANSWER}{answer}"


def format_question(question: Question) -> str:
    """The user's turn of a benchmark question: the bare problem, then `A) … B) …` where there are options."""
    if question.options is None:
        return question.question.strip()
    options = " ".join(
        f"{letter}) {text.strip()}" for letter, text in zip(OPTION_LETTERS, question.options, strict=False)
    )
    return f"{question.question.strip()}\n{options}"


def load_tokenizer(directory: Path) -> "PreTrainedTokenizerBase":
    """The tokenizer of a base on disk, with a chat template that was checked to have the markers we need."""
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    if not directory.is_dir():
        raise TextError(f"{directory}: no such directory; make the base with `snakemake {directory}`")
    # AutoTokenizer exchanges the pre-tokenizer of a tokenizer.json that it believes to be Qwen2's, in silence.
    kind = PreTrainedTokenizerFast if (directory / "tokenizer.json").is_file() else AutoTokenizer
    tokenizer: PreTrainedTokenizerBase = kind.from_pretrained(directory)
    check_template(tokenizer, str(directory))
    return tokenizer


def check_template(tokenizer: "PreTrainedTokenizerBase", where: str) -> None:
    """TextError unless the template lets prompt and response be told apart exactly."""
    if not tokenizer.chat_template:
        raise TextError(f"{where}: the tokenizer has no chat template; use an instruction-tuned base")
    for marker in ("<|im_start|>", "<|im_end|>"):
        if marker not in tokenizer.get_vocab():
            raise TextError(f"{where}: the tokenizer has no token {marker}; use a base with a ChatML template")
    prompt = prompt_text(tokenizer, "x")
    whole = _whole_text(tokenizer, "x", "y")
    if not whole.startswith(prompt) or not whole[len(prompt) :].startswith("y<|im_end|>"):
        raise TextError(
            f"{where}: the chat template does not continue its generation prompt {prompt[-40:]!r} with the "
            "assistant's text and <|im_end|>; use a ChatML template"
        )


def prompt_text(tokenizer: "PreTrainedTokenizerBase", question: str) -> str:
    """What the model reads before it answers: default system prompt, user turn, head of the assistant's."""
    turns = [{"role": "user", "content": question.strip()}]
    return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))


def encode_prompt(tokenizer: "PreTrainedTokenizerBase", question: str, name: str) -> list[int]:
    """Token ids of `prompt_text`. `name` says whose question it is in an error."""
    _refuse_markers(tokenizer, question, f"{name}: question")
    return _ids(tokenizer, prompt_text(tokenizer, question))


def encode(
    tokenizer: "PreTrainedTokenizerBase",
    question: str,
    response: Response,
    name: str,
    max_length: int | None = None,
    max_response: int | None = None,
) -> Encoded:
    """Token ids of prompt and response, the response cut at its end to fit the limits.

    `max_length` bounds prompt and response together, `max_response` the response alone, both in tokens.
    TextError names `name` where the prompt alone leaves no room, or a text holds a chat marker.
    """
    _refuse_markers(tokenizer, response.reasoning, f"{name}: reasoning")
    _refuse_markers(tokenizer, response.answer, f"{name}: answer")
    prompt = encode_prompt(tokenizer, question, name)
    text = _whole_text(tokenizer, question, format_response(response))[len(prompt_text(tokenizer, question)) :]
    ids = _ids(tokenizer, text[: text.rindex("<|im_end|>") + len("<|im_end|>")])
    room = min(max_length - len(prompt) if max_length else len(ids), max_response or len(ids))
    if room < 1:
        raise TextError(
            f"{name}: the prompt has {len(prompt)} tokens and leaves no room for a response in max_length "
            f"{max_length}; raise max_length or leave the record out"
        )
    return Encoded(prompt=prompt, response=ids[:room], cut=max(0, len(ids) - room))


def _whole_text(tokenizer: "PreTrainedTokenizerBase", question: str, response: str) -> str:
    turns = [{"role": "user", "content": question.strip()}, {"role": "assistant", "content": response}]
    return str(tokenizer.apply_chat_template(turns, tokenize=False))


def _ids(tokenizer: "PreTrainedTokenizerBase", text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _refuse_markers(tokenizer: "PreTrainedTokenizerBase", text: str, name: str) -> None:
    markers: Sequence[str] = tokenizer.all_special_tokens
    for marker in {"<|im_start|>", "<|im_end|>", *markers}:
        if marker in text:
            raise TextError(f"{name} holds the chat marker {marker}, which would end or fake a turn; remove it")
