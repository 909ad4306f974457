"""What an answer of a teacher or a judge says, and whether it can be used."""

import re
from dataclasses import dataclass

from r1k.teacher.journal import JournalEntry
from r1k.teacher.templates import SOLVE

COMPLETE_FINISH_REASONS = ("stop", "eos")
"""How servers say that an answer ended by itself."""

THINK_OPEN, THINK_CLOSE = "<think>", "</think>"


VERDICT_LINE = re.compile(r"\W*verdict\W+(yes|no|unclear)\W*", re.IGNORECASE)
VERDICT_VALUES = {"yes": True, "no": False, "unclear": None}


@dataclass(frozen=True)
class ParsedAnswer:
    """The text of an answer and, where there is one, the chain of thought before it."""

    text: str
    reasoning: str


def parse_answer(entry: JournalEntry) -> ParsedAnswer:
    """The chain of thought is in a field of its own, or inline in a `<think>` block.

    Servers whose chat template opens the block themselves return it without its first tag.
    """
    text, inline = entry.answer.strip(), ""
    if text.startswith(THINK_OPEN) or (THINK_CLOSE in text and not entry.reasoning):
        inline, _, text = text.removeprefix(THINK_OPEN).partition(THINK_CLOSE)
    return ParsedAnswer(text=text.strip(), reasoning=(entry.reasoning or inline).strip())


def is_refusal(entry: JournalEntry) -> bool:
    """The teacher, or a filter before it, would not answer."""
    return bool(entry.refusal) or entry.finish_reason == "content_filter"


def parse_verdict(entry: JournalEntry) -> str | None:
    """What a judge says on its last line: `yes`, `no` or `unclear`; None for anything else, and for a cut answer."""
    lines = parse_answer(entry).text.splitlines()
    found = VERDICT_LINE.fullmatch(lines[-1]) if lines and not entry.truncated and not is_refusal(entry) else None
    return found[1].lower() if found else None


def defect(entry: JournalEntry) -> str | None:
    """Why an answer cannot be used, and what to do; None where it can."""
    answer = parse_answer(entry)
    if entry.truncated:
        tokens = entry.token_count("completion_tokens")
        return (
            f"the answer was cut after {'an unknown number of' if tokens is None else tokens} tokens (finish_reason "
            f"'length'); raise teacher.max_tokens above {entry.max_tokens} (the cut answer stays in the journal, and "
            "is not asked for again under this limit)"
        )
    if is_refusal(entry):
        said = f": {entry.refusal[:200]!r}" if entry.refusal else ""
        return f"the teacher refused{said} (finish_reason {entry.finish_reason!r}); leave it out by teacher.on_refusal"
    if entry.finish_reason not in COMPLETE_FINISH_REASONS:
        return f"the answer did not end by itself (finish_reason {entry.finish_reason!r}); run again, or change teacher"
    if not answer.text:
        return "the answer is empty, or its <think> block is never closed; run again, or change teacher"
    if entry.request.prompt_name == SOLVE.name and not answer.reasoning:
        return (
            "the answer has no reasoning, in neither `reasoning_content`, `reasoning` nor a <think> block; "
            "make teacher.model one that reasons"
        )
    return None


@dataclass(frozen=True)
class AcceptancePolicy:
    """Which answers are bought, and which problems may go without a pair."""

    max_tokens: int | None = None
    """The limit of an answer; None for servers that have none."""
    max_tokens_cap: int | None = None
    """Where set, a cut answer is asked again with twice its limit, up to this one."""
    skip_truncated: bool = False
    skip_refused: bool = False

    def next_max_tokens(self, entry: JournalEntry | None) -> int | None:
        """The limit under which a request is asked, `entry` being its newest answer."""
        if entry is None or not entry.truncated or self.max_tokens is None or entry.max_tokens is None:
            return self.max_tokens
        if entry.max_tokens < self.max_tokens or self.max_tokens_cap is None:
            return self.max_tokens
        return min(2 * entry.max_tokens, self.max_tokens_cap)

    def needs_request(self, entry: JournalEntry | None) -> bool:
        """Is a request to be asked? A cut answer is not bought again under the limit that cut it."""
        if entry is None:
            return True
        if entry.truncated:
            limit = self.next_max_tokens(entry)
            return entry.max_tokens is not None and (limit is None or limit > entry.max_tokens)
        return defect(entry) is not None and not self.may_skip(entry)

    def may_skip(self, entry: JournalEntry) -> bool:
        """May a problem with this answer go without a pair?"""
        return self.skip_truncated if entry.truncated else self.skip_refused and is_refusal(entry)
