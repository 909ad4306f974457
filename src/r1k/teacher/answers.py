"""Parse the answers of a teacher or a judge, and decide whether they are usable."""

import re
from dataclasses import dataclass

from r1k.teacher.journal import JournalEntry
from r1k.teacher.templates import SOLVE

COMPLETE_FINISH_REASONS = ("stop", "eos")
"""Finish reasons of an answer that is complete."""

THINK_OPEN, THINK_CLOSE = "<think>", "</think>"


VERDICT_LINE = re.compile(r"\W*verdict\W+(yes|no|unclear)\W*", re.IGNORECASE)
VERDICT_VALUES = {"yes": True, "no": False, "unclear": None}


@dataclass(frozen=True)
class ParsedAnswer:
    """The text of an answer and the chain of thought before it, which may be empty."""

    text: str
    reasoning: str


def parse_answer(entry: JournalEntry) -> ParsedAnswer:
    """Split a journalled answer into its chain of thought and its text.

    The chain of thought is a field of its own, or an inline `<think>` block. Some chat templates open the block in the
    prompt, so the answer then lacks the opening tag.
    """
    text, inline = entry.answer.strip(), ""
    if text.startswith(THINK_OPEN) or (THINK_CLOSE in text and not entry.reasoning):
        inline, _, text = text.removeprefix(THINK_OPEN).partition(THINK_CLOSE)
    return ParsedAnswer(text=text.strip(), reasoning=(entry.reasoning or inline).strip())


def is_refusal(entry: JournalEntry) -> bool:
    """Return whether the teacher, or a filter in front of it, refused to answer."""
    return bool(entry.refusal) or entry.finish_reason == "content_filter"


def last_line(entry: JournalEntry) -> str:
    """Return the last line of an answer; it is empty after truncation or refusal."""
    lines = parse_answer(entry).text.splitlines()
    return lines[-1] if lines and not entry.truncated and not is_refusal(entry) else ""


def parse_verdict(entry: JournalEntry) -> str | None:
    """Return the verdict on a judge's last line (yes, no or unclear); None for other text, truncation or refusal."""
    found = VERDICT_LINE.fullmatch(last_line(entry))
    return found[1].lower() if found else None


def defect(entry: JournalEntry) -> str | None:
    """Return why an answer is unusable and what to do about it, or None if it is usable."""
    answer = parse_answer(entry)
    if entry.truncated:
        tokens = entry.token_count("completion_tokens")
        return (
            f"the answer was truncated after {'an unknown number of' if tokens is None else tokens} tokens "
            f"(finish_reason 'length'); raise teacher.max_tokens above {entry.max_tokens} (the truncated answer stays "
            "in the journal and is not requested again with this limit)"
        )
    if is_refusal(entry):
        quoted = f": {entry.refusal[:200]!r}" if entry.refusal else ""
        return (
            f"the teacher refused{quoted} (finish_reason {entry.finish_reason!r}); to skip it, set teacher.on_refusal"
        )
    if entry.finish_reason not in COMPLETE_FINISH_REASONS:
        return f"the answer is incomplete (finish_reason {entry.finish_reason!r}); run again, or use another teacher"
    if not answer.text:
        return "the answer is empty, or its <think> block is not closed; run again, or use another teacher"
    if entry.request.prompt_name == SOLVE.name and not answer.reasoning:
        return (
            "the answer has no reasoning in `reasoning_content`, `reasoning` or a <think> block; "
            "set teacher.model to a reasoning model"
        )
    return None


@dataclass(frozen=True)
class AcceptancePolicy:
    """Decides which answers to request again, and which problems may stay without a pair."""

    max_tokens: int | None = None
    """Limit of an answer, in tokens; None for servers without a limit."""
    max_tokens_cap: int | None = None
    """If set, each retry of a truncated answer doubles its limit, up to this one."""
    skip_truncated: bool = False
    skip_refused: bool = False

    def next_max_tokens(self, entry: JournalEntry | None) -> int | None:
        """Return the limit of the next request, in tokens; `entry` is the newest answer to it."""
        if entry is None or not entry.truncated or self.max_tokens is None or entry.max_tokens is None:
            return self.max_tokens
        if entry.max_tokens < self.max_tokens or self.max_tokens_cap is None:
            return self.max_tokens
        return min(2 * entry.max_tokens, self.max_tokens_cap)

    def needs_request(self, entry: JournalEntry | None) -> bool:
        """Return whether to send a request; a truncated answer is requested again only with a higher limit."""
        if entry is None:
            return True
        if entry.truncated:
            limit = self.next_max_tokens(entry)
            return entry.max_tokens is not None and (limit is None or limit > entry.max_tokens)
        return defect(entry) is not None and not self.may_skip(entry)

    def may_skip(self, entry: JournalEntry) -> bool:
        """Return whether a problem with this answer may stay without a pair."""
        return self.skip_truncated if entry.truncated else self.skip_refused and is_refusal(entry)
