"""What an answer of a teacher says, and whether it can be used."""

from dataclasses import dataclass

from r1k.teacher.journal import Entry
from r1k.teacher.templates import SOLVE

FINISHED = ("stop", "eos")
"""How servers say that an answer ended by itself."""

OPEN, CLOSE = "<think>", "</think>"


@dataclass(frozen=True)
class Answer:
    """The text of an answer and, where there is one, the chain of thought before it."""

    text: str
    reasoning: str


def read(entry: Entry) -> Answer:
    """The chain of thought is in a field of its own, or inline in a `<think>` block.

    Servers whose chat template opens the block themselves return it without its first tag.
    """
    text, inline = entry.answer.strip(), ""
    if text.startswith(OPEN) or (CLOSE in text and not entry.reasoning):
        inline, _, text = text.removeprefix(OPEN).partition(CLOSE)
    return Answer(text=text.strip(), reasoning=(entry.reasoning or inline).strip())


def defect(entry: Entry) -> str | None:
    """Why an answer cannot be used, and what to do; None where it can."""
    answer = read(entry)
    if entry.cut:
        tokens = entry.count("completion_tokens")
        return (
            f"the answer was cut after {'an unknown number of' if tokens is None else tokens} tokens (finish_reason "
            f"'length'); raise teacher.max_tokens above {entry.max_tokens} (the cut answer stays in the journal, and "
            "is not asked for again under this limit)"
        )
    if entry.refusal or entry.finish_reason == "content_filter":
        said = f": {entry.refusal[:200]!r}" if entry.refusal else ""
        return f"the teacher refused{said} (finish_reason {entry.finish_reason!r}); leave the problem out"
    if entry.finish_reason not in FINISHED:
        return f"the answer did not end by itself (finish_reason {entry.finish_reason!r}); run again, or change teacher"
    if not answer.text:
        return "the answer is empty, or its <think> block is never closed; run again, or change teacher"
    if entry.request.call == SOLVE.name and not answer.reasoning:
        return (
            "the answer has no reasoning, in neither `reasoning_content`, `reasoning` nor a <think> block; "
            "make teacher.model one that reasons"
        )
    return None


def worth_asking_again(entry: Entry, max_tokens: int | None) -> bool:
    """May another request do better than this answer? A cut one is not bought again under the limit that cut it."""
    if entry.cut:
        return entry.max_tokens is not None and (max_tokens is None or max_tokens > entry.max_tokens)
    return defect(entry) is not None
