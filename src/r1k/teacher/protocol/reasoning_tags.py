"""Reasoning tags and special tokens in a model's text: split at the tags, and find those that are left over.

Servers parse a model's `<think>` block into a field of its own, or leave it in the text, or do half of either. Servers
also leak special tokens such as `<|im_end|>` into text. Neither may reach training data unnamed. Code in backticks is
text: an answer may explain the tags. So are names of HTML or mathematics: `</s>` and `<eos>` count only at an end of a
text, where a tokenizer puts them, and of `<|...|>` only names of special tokens count, not `<|v_max|>`.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

# A set of characters first lets the search skip quickly: reasoning has some 100,000 characters.
TAG = re.compile(r"[<◁\[](?P<slash>/?)(?:(?:seed:)?think(?:ing)?\s*>|think▷|(?-i:THINK\]))", re.IGNORECASE)
_WORDS = (
    "im_start im_end im_sep im_middle im_user im_assistant im_system eot_id eom_id eot eom eos bos pad unk end start "
    "user assistant system human message channel return call constrain observation python_tag begin_of_text "
    "end_of_text startoftext endoftext endofprompt endofassistant endofuser start_header_id end_header_id "
    "begin_of_box end_of_box begin_of_thought end_of_thought begin_of_solution end_of_solution begin_of_sentence "
    "end_of_sentence start_of_turn end_of_turn end_of_utterance end_of_role start_of_role start_of_turn_token "
    "end_of_turn_token start_thinking end_thinking start_response end_response chatbot_token user_token system_token "
    "fim_prefix fim_suffix fim_middle fim_pad repo_name file_sep tool_call tool_response"
)
SPECIAL_TOKEN = re.compile(
    rf"<\|(?:{'|'.join(_WORDS.split())}|reserved_special_token_\d+|(?:vision|object_ref|box|quad)_(?:start|end))\|>"
    r"|<｜[^｜<>\n]{1,40}｜>"  # DeepSeek's bars are full-width
    r"|<\|[^|<>\n]*▁[^|<>\n]*\|>"
    r"|<(?:start_of_turn|end_of_turn|end_of_utterance)>"
    r"|\[/?INST\]|<</?SYS>>|<0x[0-9a-f]{2}>",
    re.IGNORECASE,
)
"""Names of special tokens that no text on mathematics contains."""
EDGE_TOKEN = re.compile(rf"{SPECIAL_TOKEN.pattern}|<bos>|<eos>|<pad>", re.IGNORECASE)
MAX_TOKEN_CHARACTERS = 64
"""No special token is longer."""
CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.DOTALL | re.MULTILINE)
FENCE = re.compile(r"^```", re.MULTILINE)
INLINE_CODE = re.compile(r"`[^`\n]+`")


@dataclass(frozen=True)
class SplitText:
    """A model's text after its chain of thought, and the chain of thought, both without marks at their ends."""

    text: str
    reasoning: str
    unclosed: bool = False
    """Whether the text opens a chain of thought and never closes it."""


class _Tag(NamedTuple):
    start: int
    end: int
    closing: bool


@lru_cache(maxsize=64)  # an answer is judged, then used
def split_reasoning(content: str, field: str = "") -> SplitText:
    """Split a text at its last closing tag; `field` is the chain of thought that the server sent beside it.

    A tag within a line of prose is a mention and does not split. What `stray_marks` finds afterwards is a defect.
    """
    content, field = _trimmed(content), _without_edge_tags(field)
    closing = _closing_tags(content)
    if not closing:
        opened = _leading_tags_end(content)
        if opened:
            return SplitText("", _joined(field, _trimmed(content[opened:])), unclosed=True)
        return SplitText(content, field)
    last = closing[-1]
    inline = _without_edge_tags(content[: last.start])
    return SplitText(_trimmed(content[last.end :]), _joined(field, inline))


def stray_marks(text: str) -> list[str]:
    """Return the reasoning tags and special tokens in a text, each once; those in code are text.

    `</s>` and `<eos>` are found at the end of a text, and `<s>` and `<bos>` at its beginning.
    """
    found = [text[tag.start : tag.end] for tag in _tags(text, CODE)]
    found += [match[0] for match in _outside(SPECIAL_TOKEN, CODE, text)]
    kept = _trimmed(text)
    start = text.find(kept)
    found += re.findall(r"[<\[][^<>\[\]]*[>\]]", f"{text[:start]} {text[start + len(kept) :]}")
    return list(dict.fromkeys(found))


def _tags(text: str, code: re.Pattern[str] = INLINE_CODE) -> list[_Tag]:
    return [_Tag(*match.span(), bool(match["slash"])) for match in _outside(TAG, code, text)]


def _outside(pattern: re.Pattern[str], code: re.Pattern[str], text: str) -> list[re.Match[str]]:
    """Return the matches of a pattern that are not within code."""
    found = list(pattern.finditer(text))
    quoted = [match.span() for match in code.finditer(text)] if found else []
    return [match for match in found if not any(start <= match.start() < end for start, end in quoted)]


def _closing_tags(text: str) -> list[_Tag]:
    """Return the closing tags at which a text may be split.

    A chain of thought may open a block of code that it never closes. Such a block is no block, and a tag in it counts.
    """
    for code in (CODE, INLINE_CODE):
        found = [tag for tag in _tags(text, code) if tag.closing and not _is_mention(text, tag)]
        if found and len(FENCE.findall(text, found[-1].end)) % 2 == 0:
            return found
    return []


def _is_mention(text: str, tag: _Tag) -> bool:
    """Return whether the tag is a word of a sentence, which goes on behind it in the same line."""
    line_start, line_end = text.rfind("\n", 0, tag.start) + 1, text.find("\n", tag.end)
    before, after = text[line_start : tag.start], text[tag.end : line_end if line_end >= 0 else len(text)].lstrip()
    return before[-1:].isspace() and bool(before.strip()) and (after[:1].islower() or after[:1] in tuple(".,;:!?)"))


def _leading_tags_end(text: str) -> int:
    """Return where the opening tags at the beginning of a text end; 0 if it has none."""
    end = 0
    for tag in _tags(text):
        if tag.closing or text[end : tag.start].strip():
            break
        end = tag.end
    return end


def _without_edge_tags(text: str) -> str:
    """Return a chain of thought without the tags and special tokens around it."""
    text = _trimmed(text)
    text = text[_leading_tags_end(text) :]
    while True:
        text = _trimmed(text)
        last = next(reversed(_tags(text)), None)
        if last is None or not last.closing or last.end != len(text):
            return text
        text = text[: last.start]


def _trimmed(text: str) -> str:
    """Return a text without white space and special tokens at its ends.

    `<s>` and `</s>` may be HTML: they are removed only where none of them is left between.
    """
    while True:
        text = text.strip()
        if head := EDGE_TOKEN.match(text):
            text = text[head.end() :]
            continue
        tail = next(EDGE_TOKEN.finditer(text, max(0, len(text) - MAX_TOKEN_CHARACTERS)), None)
        while tail is not None and tail.end() < len(text):
            tail = EDGE_TOKEN.search(text, tail.end())
        if tail is not None:
            text = text[: tail.start()]
            continue
        inner = text.removeprefix("<s>").removesuffix("</s>")
        if inner == text or "<s>" in inner or "</s>" in inner:
            return text
        text = inner


def _joined(field: str, inline: str) -> str:
    """Return the chain of thought of a field and of a text, without what both hold."""
    if inline in field:
        return field
    return inline if field in inline else f"{field}\n{inline}"
