"""Turn a question and a response into tokens, in one place for SFT, DPO, probing and evaluation.

The prompt is the chat template up to the start of the assistant turn; the system turn of a tagged prompt states the
direction of reasoning. The response has s1's format (chain of thought, separator, answer), or is a bare text if it has
no reasoning, followed by the template's text up to and including the end-of-turn token. Loss and log-probabilities
cover the response's tokens only.

Control tokens are those of the template and of s1's format. If data contains the text of one, such as `<|im_end|>`, it
is encoded as ordinary characters and neither ends nor opens a turn.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import TemplateError

from r1k.errors import TextError
from r1k.records import DIRECTIONS, Direction, Question, Response

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

THINK = "<|im_start|>think\n"
ANSWER = "<|im_start|>answer\n"
ANSWER_PREFIX = "Answer: "
END_OF_TURN = "<|im_end|>"
OPTION_LETTERS = "ABCDEFGHIJ"
MARKERS = ("<|im_start|>", END_OF_TURN)
PLACEHOLDER = "\ue000"
"""A private-use character that replaces the question or system text, to find the template's own text around it."""
TAGS: dict[Direction, str] = {
    "forward": "Reason forward, from what is given to its result.",
    "reverse": "Reason backward, from a result to what was given.",
}
"""The sentence that a tagged prompt adds to the template's system turn, by direction of the question."""


@dataclass(frozen=True)
class Encoded:
    """Token ids of a prompt and of its response."""

    prompt: list[int]
    response: list[int]
    truncated_tokens: int
    """Number of tokens that the limits removed from the response."""

    @property
    def truncated(self) -> bool:
        return self.truncated_tokens > 0


def tag_of(direction: Direction | None, tagged: bool) -> Direction | None:
    """Return the tag of a run's prompt: the question's direction, forward if it has none; None if the run is not
    tagged."""
    return (direction or "forward") if tagged else None


def format_response(response: Response | str) -> str:
    """Return the assistant turn, in one format for both directions, for chosen and rejected, in training and probing.

    A bare text, which has no reasoning, has no separators.
    """
    return "".join(_response_pieces(response))


def format_question(question: Question) -> str:
    """Return the user turn of a benchmark question: the problem, then `A) … B) …` if it has options."""
    if question.options is None:
        return question.question.strip()
    options = " ".join(
        f"{letter}) {text.strip()}" for letter, text in zip(OPTION_LETTERS, question.options, strict=False)
    )
    return f"{question.question.strip()}\n{options}"


def load_tokenizer(directory: Path, tagged: bool = False) -> "PreTrainedTokenizerBase":
    """Return the tokenizer of a base on disk. One without a padding token pads with its end-of-turn token.

    Padding is masked wherever it occurs, so that its token decides nothing.

    Raises:
        TextError: The tokenizer cannot be loaded, its chat template lacks the markers that we need, or the base's model
            has no embedding of one of its control tokens.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    if not directory.is_dir():
        raise TextError(f"{directory}: no such directory; make the base with `snakemake {directory}`")
    # AutoTokenizer silently replaces the pre-tokenizer of a tokenizer.json that it takes for Qwen2's.
    kind = PreTrainedTokenizerFast if (directory / "tokenizer.json").is_file() else AutoTokenizer
    try:
        tokenizer: PreTrainedTokenizerBase = kind.from_pretrained(directory)
    except Exception as error:  # tokenizers raises its errors as plain Exceptions
        raise TextError(
            f"{directory}: its tokenizer cannot be loaded ({type(error).__name__}: {str(error)[:300]}); complete or "
            "replace the tokenizer's files"
        ) from error
    check_template(tokenizer, str(directory), tagged)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = END_OF_TURN
    _check_embeddings(tokenizer, directory)
    return tokenizer


def check_template(tokenizer: "PreTrainedTokenizerBase", where: str, tagged: bool = False) -> None:
    """Raise TextError unless the template separates prompt and response exactly; with `tagged`, also for tagged
    prompts."""
    if not tokenizer.chat_template:
        raise TextError(f"{where}: the tokenizer has no chat template; use an instruction-tuned base")
    for marker in MARKERS:
        if marker not in tokenizer.get_vocab():
            raise TextError(f"{where}: the tokenizer has no token {marker}; use a base with a ChatML template")
    for tag in (None, *(DIRECTIONS if tagged else ())):
        try:
            prompt, whole = prompt_text(tokenizer, "x", tag), _whole_text(tokenizer, "x", "y", tag)
        except (TemplateError, TypeError, ValueError) as error:
            raise TextError(
                f"{where}: the chat template cannot render a {'turn of the system and a ' if tag else ''}question and "
                f"its answer ({error}); use a ChatML template"
            ) from error
        if not whole.startswith(prompt) or not whole[len(prompt) :].startswith(f"y{END_OF_TURN}"):
            raise TextError(
                f"{where}: the chat template does not continue its generation prompt {prompt[-40:]!r} with the "
                "assistant's text and <|im_end|>; use a ChatML template"
            )
        if tag is not None and not _first_turn(prompt).endswith(TAGS[tag]):
            raise TextError(
                f"{where}: the chat template has no turn for a system prompt, which direction_tag needs; remove "
                "direction_tag, or use a base whose template has one"
            )


def _check_embeddings(tokenizer: "PreTrainedTokenizerBase", directory: Path) -> None:
    """Raise TextError if a control token's id lies beyond the vocabulary of the model beside the tokenizer."""
    path = directory / "config.json"
    size = json.loads(path.read_text(encoding="utf-8")).get("vocab_size") if path.is_file() else None
    for token in (*MARKERS, str(tokenizer.pad_token)):
        place = tokenizer.convert_tokens_to_ids(token)
        if size is not None and place >= size:
            raise TextError(
                f"{directory}: the tokenizer's token {token} has id {place}, and the model's vocab_size is {size}; use "
                "a base whose tokenizer and model fit"
            )


def system_text(tokenizer: "PreTrainedTokenizerBase", tag: Direction) -> str:
    """Return a tagged prompt's system turn: the template's default text, if any, then the tag's sentence."""
    head, _, tail = _prompt_text(tokenizer, [_turn("system", PLACEHOLDER), _turn("user", "x")]).partition(PLACEHOLDER)
    default = prompt_text(tokenizer, "x")
    system = default.removeprefix(head).removesuffix(tail)
    return f"{system}\n{TAGS[tag]}".strip() if default == f"{head}{system}{tail}" else TAGS[tag]


def prompt_text(tokenizer: "PreTrainedTokenizerBase", question: str, tag: Direction | None = None) -> str:
    """Return the model's input before the answer: system turn, user turn, head of the assistant turn.

    The system turn is the template's own, or that of `tag`.
    """
    return _prompt_text(tokenizer, _prompt_turns(tokenizer, question, tag))


def encode_prompt(
    tokenizer: "PreTrainedTokenizerBase", question: str, name: str, tag: Direction | None = None
) -> list[int]:
    """Return token ids of `prompt_text`. Errors name the question by `name`."""
    text = prompt_text(tokenizer, question, tag)
    if not _has_control_token(tokenizer, question):
        return _ids(tokenizer, text)
    head, _, tail = prompt_text(tokenizer, PLACEHOLDER, tag).partition(PLACEHOLDER)
    return _ids_of_pieces(tokenizer, text, [head, question.strip(), tail], name)


def encode_plain(tokenizer: "PreTrainedTokenizerBase", text: str) -> list[int]:
    """Return token ids of a text without a turn around it."""
    return _ids(tokenizer, text, control=False)


def encode(
    tokenizer: "PreTrainedTokenizerBase",
    question: str,
    response: Response | str,
    name: str,
    max_length: int | None = None,
    max_response: int | None = None,
    tag: Direction | None = None,
) -> Encoded:
    """Return token ids of prompt and response; the response is truncated at its end to fit the limits.

    `max_length` limits prompt and response together, `max_response` the response alone, both in tokens. Raises
    TextError, which names `name`, if the prompt leaves no room, or if the template changes a text that contains a
    marker.
    """
    prompt = encode_prompt(tokenizer, question, name, tag)
    whole = _whole_text(tokenizer, question, format_response(response), tag)
    text = whole[len(prompt_text(tokenizer, question, tag)) :]
    text = text[: text.rindex(END_OF_TURN) + len(END_OF_TURN)]
    pieces = _response_pieces(response)
    if _has_control_token(tokenizer, *pieces[1::2]):
        ids = _ids_of_pieces(tokenizer, text, [*pieces, END_OF_TURN], name)
    else:
        ids = _ids(tokenizer, text)
    limit = min(max_length - len(prompt) if max_length else len(ids), max_response or len(ids))
    if limit < 1:
        raise TextError(
            f"{name}: the prompt has {len(prompt)} tokens and leaves no room for a response in max_length "
            f"{max_length}; raise max_length or remove the record"
        )
    return Encoded(prompt=prompt, response=ids[:limit], truncated_tokens=max(0, len(ids) - limit))


def answer_start(tokenizer: "PreTrainedTokenizerBase", response: Sequence[int]) -> int:
    """Return the index at which the answer starts in a response's token ids, at its separator; without one, their
    number."""
    marker = tokenizer.convert_tokens_to_ids(MARKERS[0])
    return next((place for place, token in enumerate(response) if place and token == marker), len(response))


def reasoning_span(tokenizer: "PreTrainedTokenizerBase", response: Sequence[int]) -> slice:
    """Return the slice of the reasoning in a response's token ids, without the separators around it.

    It excludes the token of the line break before the answer's separator, which may also hold the reasoning's last
    character.
    """
    start, end = len(_ids(tokenizer, THINK)), answer_start(tokenizer, response)
    return slice(start, end - (end < len(response)))


def _turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _prompt_turns(tokenizer: "PreTrainedTokenizerBase", question: str, tag: Direction | None) -> list[dict[str, str]]:
    """Return the turns before the assistant's; without a tag, the template may add its own system turn."""
    user = _turn("user", question.strip())
    return [user] if tag is None else [_turn("system", system_text(tokenizer, tag)), user]


def _prompt_text(tokenizer: "PreTrainedTokenizerBase", turns: list[dict[str, str]]) -> str:
    return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))


def _whole_text(
    tokenizer: "PreTrainedTokenizerBase", question: str, response: str, tag: Direction | None = None
) -> str:
    turns = [*_prompt_turns(tokenizer, question, tag), _turn("assistant", response)]
    return str(tokenizer.apply_chat_template(turns, tokenize=False))


def _first_turn(prompt: str) -> str:
    return prompt.partition(END_OF_TURN)[0]


def _response_pieces(response: Response | str) -> list[str]:
    """Return the assistant turn as alternating pieces: text of the format, text of the data."""
    if isinstance(response, str):
        return ["", response.strip()]
    answer = response.answer.strip()
    prefix = "" if ANSWER_PREFIX.strip() in answer else ANSWER_PREFIX
    return [THINK, response.reasoning.strip(), f"\n{ANSWER}{prefix}", answer]


def _ids(tokenizer: "PreTrainedTokenizerBase", text: str, control: bool = True) -> list[int]:
    """Return token ids; without `control`, the text of a control token is encoded as characters."""
    return list(tokenizer(text, add_special_tokens=False, split_special_tokens=not control)["input_ids"])


def _ids_of_pieces(tokenizer: "PreTrainedTokenizerBase", text: str, pieces: Sequence[str], name: str) -> list[int]:
    """Return token ids of `text`, given as alternating pieces: the template's, with control tokens, and the data's,
    without.

    A control token separates the text around it before any merge, so texts without control tokens get the same ids as
    by `_ids`.
    """
    if "".join(pieces) != text:
        raise TextError(
            f"{name}: contains a control token of the tokenizer, and the chat template changes its text; remove it"
        )
    ids: list[int] = []
    run = ""
    marker = re.compile("(" + "|".join(map(re.escape, _control_tokens(tokenizer))) + ")")
    for index, piece in enumerate(pieces):
        for part, found in enumerate([piece] if index % 2 else marker.split(piece)):
            if part % 2:
                ids += [*_ids(tokenizer, run, control=False), *_ids(tokenizer, found)]
                run = ""
            else:
                run += found
    return ids + _ids(tokenizer, run, control=False)


def _has_control_token(tokenizer: "PreTrainedTokenizerBase", *texts: str) -> bool:
    return any(token in text for token in _control_tokens(tokenizer) for text in texts)


def _control_tokens(tokenizer: "PreTrainedTokenizerBase") -> list[str]:
    """Return the control tokens, longest first, including those without a role of their own, such as `<file_sep>`."""
    added = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    return sorted({*MARKERS, *tokenizer.all_special_tokens, *added}, key=len, reverse=True)
