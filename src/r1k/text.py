"""From a question and a response to tokens: the one place, for SFT, DPO, probing and evaluation.

The prompt is the chat template's user turn up to where the assistant begins; a tagged one says in its system turn in
which direction to reason. The response is s1's convention (chain of thought, separator, answer), or a text alone where
nothing is reasoned, then whatever the template puts at the end of an assistant's turn, up to and with its end-of-turn
token. Loss and log-probabilities are over the response's tokens alone.

Control tokens are those of the template and of s1's convention. Where data holds the text of one, as `<|im_end|>`, it
is encoded as the characters that it is written in, and neither ends nor opens a turn.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

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
PLACE = "\ue000"
"""A character for private use, which stands for the question where the template's own text is looked for."""
TAGS: dict[Direction, str] = {
    "forward": "Reason forward, from what is given to its result.",
    "reverse": "Reason backward, from a result to what was given.",
}
"""What a tagged prompt's system turn says after the template's own text, by the direction of the question."""


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


def tag_of(direction: Direction | None, tagged: bool) -> Direction | None:
    """The tag of a run's prompt, if its prompts have one: the question's direction, forward where it is not marked."""
    return (direction or "forward") if tagged else None


def format_response(response: Response | str) -> str:
    """The assistant's turn: the same form for every direction, preferred or rejected, trained on or probed.

    A text alone, which nothing is reasoned for, has no marks.
    """
    return "".join(_response_pieces(response))


def format_question(question: Question) -> str:
    """The user's turn of a benchmark question: the bare problem, then `A) … B) …` where there are options."""
    if question.options is None:
        return question.question.strip()
    options = " ".join(
        f"{letter}) {text.strip()}" for letter, text in zip(OPTION_LETTERS, question.options, strict=False)
    )
    return f"{question.question.strip()}\n{options}"


def load_tokenizer(directory: Path, tagged: bool = False) -> "PreTrainedTokenizerBase":
    """The tokenizer of a base on disk, with a chat template that was checked to have the markers we need."""
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    if not directory.is_dir():
        raise TextError(f"{directory}: no such directory; make the base with `snakemake {directory}`")
    # AutoTokenizer exchanges the pre-tokenizer of a tokenizer.json that it believes to be Qwen2's, in silence.
    kind = PreTrainedTokenizerFast if (directory / "tokenizer.json").is_file() else AutoTokenizer
    tokenizer: PreTrainedTokenizerBase = kind.from_pretrained(directory)
    check_template(tokenizer, str(directory), tagged)
    return tokenizer


def check_template(tokenizer: "PreTrainedTokenizerBase", where: str, tagged: bool = False) -> None:
    """TextError unless the template lets prompt and response be told apart exactly; with `tagged`, tagged ones too."""
    if not tokenizer.chat_template:
        raise TextError(f"{where}: the tokenizer has no chat template; use an instruction-tuned base")
    for marker in MARKERS:
        if marker not in tokenizer.get_vocab():
            raise TextError(f"{where}: the tokenizer has no token {marker}; use a base with a ChatML template")
    for tag in (None, *(DIRECTIONS if tagged else ())):
        prompt = prompt_text(tokenizer, "x", tag)
        whole = _whole_text(tokenizer, "x", "y", tag)
        if not whole.startswith(prompt) or not whole[len(prompt) :].startswith(f"y{END_OF_TURN}"):
            raise TextError(
                f"{where}: the chat template does not continue its generation prompt {prompt[-40:]!r} with the "
                "assistant's text and <|im_end|>; use a ChatML template"
            )
        if tag is not None and not _first_turn(prompt).endswith(TAGS[tag]):
            raise TextError(
                f"{where}: the chat template has no turn for a system prompt, which direction_tag needs; leave "
                "direction_tag out, or use a base whose template has one"
            )


def system_text(tokenizer: "PreTrainedTokenizerBase", tag: Direction) -> str:
    """A tagged prompt's system turn: what the template says there by itself, if anything, then the tag's sentence."""
    head, _, tail = _prompt_text(tokenizer, [_turn("system", PLACE), _turn("user", "x")]).partition(PLACE)
    usual = prompt_text(tokenizer, "x")
    own = usual.removeprefix(head).removesuffix(tail)
    return f"{own}\n{TAGS[tag]}".strip() if usual == f"{head}{own}{tail}" else TAGS[tag]


def prompt_text(tokenizer: "PreTrainedTokenizerBase", question: str, tag: Direction | None = None) -> str:
    """What the model reads before it answers: system prompt, user turn, head of the assistant's.

    The system prompt is the template's own, or that of `tag`.
    """
    return _prompt_text(tokenizer, _asked(tokenizer, question, tag))


def encode_prompt(
    tokenizer: "PreTrainedTokenizerBase", question: str, name: str, tag: Direction | None = None
) -> list[int]:
    """Token ids of `prompt_text`. `name` says whose question it is in an error."""
    text = prompt_text(tokenizer, question, tag)
    if not _holds_control(tokenizer, question):
        return _ids(tokenizer, text)
    head, _, tail = prompt_text(tokenizer, PLACE, tag).partition(PLACE)
    return _ids_of_pieces(tokenizer, text, [head, question.strip(), tail], name)


def encode_plain(tokenizer: "PreTrainedTokenizerBase", text: str) -> list[int]:
    """Token ids of a text alone, without a turn around it."""
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
    """Token ids of prompt and response, the response cut at its end to fit the limits.

    `max_length` bounds prompt and response together, `max_response` the response alone, both in tokens.
    TextError names `name` where the prompt alone leaves no room, or the template changes a text with a marker in it.
    """
    prompt = encode_prompt(tokenizer, question, name, tag)
    whole = _whole_text(tokenizer, question, format_response(response), tag)
    text = whole[len(prompt_text(tokenizer, question, tag)) :]
    text = text[: text.rindex(END_OF_TURN) + len(END_OF_TURN)]
    pieces = _response_pieces(response)
    if _holds_control(tokenizer, *pieces[1::2]):
        ids = _ids_of_pieces(tokenizer, text, [*pieces, END_OF_TURN], name)
    else:
        ids = _ids(tokenizer, text)
    room = min(max_length - len(prompt) if max_length else len(ids), max_response or len(ids))
    if room < 1:
        raise TextError(
            f"{name}: the prompt has {len(prompt)} tokens and leaves no room for a response in max_length "
            f"{max_length}; raise max_length or leave the record out"
        )
    return Encoded(prompt=prompt, response=ids[:room], cut=max(0, len(ids) - room))


def answer_start(tokenizer: "PreTrainedTokenizerBase", response: Sequence[int]) -> int:
    """Where the answer, its separator included, begins in a response's token ids; their number if it was cut before."""
    marker = tokenizer.convert_tokens_to_ids(MARKERS[0])
    return next((place for place, token in enumerate(response) if place and token == marker), len(response))


def reasoning_span(tokenizer: "PreTrainedTokenizerBase", response: Sequence[int]) -> slice:
    """Where the reasoning is in a response's token ids, without the separators around it.

    The line break before the answer's separator is the reasoning's last token, alone or with its last character, and is
    left out.
    """
    start, end = len(_ids(tokenizer, THINK)), answer_start(tokenizer, response)
    return slice(start, end - (end < len(response)))


def _turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _asked(tokenizer: "PreTrainedTokenizerBase", question: str, tag: Direction | None) -> list[dict[str, str]]:
    """The turns before the assistant's, but for a system turn that the template puts there by itself."""
    user = _turn("user", question.strip())
    return [user] if tag is None else [_turn("system", system_text(tokenizer, tag)), user]


def _prompt_text(tokenizer: "PreTrainedTokenizerBase", turns: list[dict[str, str]]) -> str:
    return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))


def _whole_text(
    tokenizer: "PreTrainedTokenizerBase", question: str, response: str, tag: Direction | None = None
) -> str:
    turns = [*_asked(tokenizer, question, tag), _turn("assistant", response)]
    return str(tokenizer.apply_chat_template(turns, tokenize=False))


def _first_turn(prompt: str) -> str:
    return prompt.partition(END_OF_TURN)[0]


def _response_pieces(response: Response | str) -> list[str]:
    """The assistant's turn, in turn of the convention's text and of data."""
    if isinstance(response, str):
        return ["", response.strip()]
    answer = response.answer.strip()
    prefix = "" if ANSWER_PREFIX.strip() in answer else ANSWER_PREFIX
    return [THINK, response.reasoning.strip(), f"\n{ANSWER}{prefix}", answer]


def _ids(tokenizer: "PreTrainedTokenizerBase", text: str, control: bool = True) -> list[int]:
    """Token ids; without `control`, the text of a control token is characters."""
    return list(tokenizer(text, add_special_tokens=False, split_special_tokens=not control)["input_ids"])


def _ids_of_pieces(tokenizer: "PreTrainedTokenizerBase", text: str, pieces: Sequence[str], name: str) -> list[int]:
    """Token ids of `text`, whose pieces are in turn the template's, with control tokens, and data, without.

    A control token parts what is around it before any merge, so ordinary texts would have the ids of `_ids`.
    """
    if "".join(pieces) != text:
        raise TextError(
            f"{name}: holds a control token of the tokenizer, and the chat template changes its text; leave it out"
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


def _holds_control(tokenizer: "PreTrainedTokenizerBase", *texts: str) -> bool:
    return any(token in text for token in _control_tokens(tokenizer) for text in texts)


def _control_tokens(tokenizer: "PreTrainedTokenizerBase") -> list[str]:
    """The longest first. Those that have no role of their own, as `<file_sep>`, are among them."""
    added = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    return sorted({*MARKERS, *tokenizer.all_special_tokens, *added}, key=len, reverse=True)
