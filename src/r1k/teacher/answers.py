"""Parse the answers of a teacher or a judge, and decide whether they are usable."""

import re
from dataclasses import dataclass

from r1k.teacher.journal import JournalEntry
from r1k.teacher.protocol.reasoning_tags import split_reasoning, stray_marks
from r1k.teacher.templates import SOLVE

VERDICT_LINE = re.compile(r"\W*verdict\W+(yes|no|unclear)\W*", re.IGNORECASE)
VERDICT_VALUES = {"yes": True, "no": False, "unclear": None}


@dataclass(frozen=True)
class ParsedAnswer:
    """The text of an answer and the chain of thought before it, which may be empty."""

    text: str
    reasoning: str


def parse_answer(entry: JournalEntry) -> ParsedAnswer:
    """Split a journalled answer into its chain of thought and its text.

    The chain of thought is a field of its own, an inline `<think>` block, or both. Some chat templates open the block
    in the prompt, so the answer then lacks the opening tag.
    """
    split = split_reasoning(entry.answer, entry.reasoning or "")
    return ParsedAnswer(split.text, split.reasoning)


def is_refusal(entry: JournalEntry) -> bool:
    """Return whether the teacher, its provider or a filter refused to answer."""
    return bool(entry.refusal) or entry.finish_kind in ("refused", "too_long", "rejected")


def parse_verdict(entry: JournalEntry) -> str | None:
    """Return the verdict on a judge's last line (yes, no or unclear); None for other text, truncation or refusal."""
    lines = parse_answer(entry).text.splitlines()
    found = VERDICT_LINE.fullmatch(lines[-1]) if lines and not entry.truncated and not is_refusal(entry) else None
    return found[1].lower() if found else None


def defect(entry: JournalEntry) -> str | None:
    """Return why an answer is unusable, or None if it is usable."""
    reason = f"(finish_reason {entry.finish_reason!r})"
    if entry.truncated:
        tokens = entry.token_count("completion_tokens")
        return f"the answer was truncated after {'an unknown number of' if tokens is None else tokens} tokens {reason}"
    if is_refusal(entry):
        quoted = f": {entry.refusal[:300]!r}" if entry.refusal else ""
        return f"the teacher refused{quoted} {reason}" if entry.billed else f"the prompt was refused{quoted} {reason}"
    if entry.finish_kind in ("interrupted", "tool_call"):
        return f"the answer is incomplete {reason}"
    split = split_reasoning(entry.answer, entry.reasoning or "")
    if split.unclosed:
        return "the answer's <think> block is not closed"
    if not split.text:
        return "the answer is empty"
    if entry.request.prompt_name == SOLVE.name and not split.reasoning:
        return "the answer has no reasoning in `reasoning_content`, `reasoning` or a <think> block"
    for name, text in (("answer", split.text), ("reasoning", split.reasoning)):
        if marks := stray_marks(text):
            return f"the {name} contains the model's own marks {', '.join(marks[:5])} as text"
    return None


def remedy(entry: JournalEntry) -> str:
    """Return what to do about an answer of the teacher that has a defect."""
    if entry.truncated:
        return (
            f"raise teacher.max_tokens above {entry.max_tokens} (the truncated answer stays in the journal and is not "
            "requested again with this limit)"
        )
    match entry.finish_kind:
        case "too_long":
            return (
                f"lower teacher.max_tokens below {entry.max_tokens}, use a model with a longer context, or skip such "
                "problems with teacher.on_refusal"
            )
        case "rejected":
            return (
                "correct teacher.model, teacher.max_tokens or teacher.temperature, or skip such problems with "
                "teacher.on_refusal"
            )
    if is_refusal(entry):
        return "to skip such problems, set teacher.on_refusal"
    if entry.request.prompt_name == SOLVE.name and entry.answer and not parse_answer(entry).reasoning:
        return "set teacher.model to a reasoning model, or skip such problems with teacher.on_malformed"
    return "run again to request it again, use another teacher, or skip such problems with teacher.on_malformed"


@dataclass(frozen=True)
class AcceptancePolicy:
    """Decides which answers to request again, and which problems may stay without a pair."""

    max_tokens: int | None = None
    """Limit of an answer, in tokens; None for servers without a limit."""
    max_tokens_cap: int | None = None
    """If set, each retry of a truncated answer doubles its limit, up to this one."""
    skip_truncated: bool = False
    skip_refused: bool = False
    skip_malformed: bool = False

    def next_max_tokens(self, entry: JournalEntry | None) -> int | None:
        """Return the limit of the next request, in tokens; `entry` is the newest answer to it."""
        if entry is None or not entry.truncated or self.max_tokens is None or entry.max_tokens is None:
            return self.max_tokens
        if entry.max_tokens < self.max_tokens or self.max_tokens_cap is None:
            return self.max_tokens
        return min(2 * entry.max_tokens, self.max_tokens_cap)

    def needs_request(self, entry: JournalEntry | None) -> bool:
        """Return whether to send a request.

        A truncated answer is requested again only with a higher limit, and a request that is too long for the model
        only with a lower one. A rejected request is sent again by each run, at no cost: the reason may have been a
        setting.
        """
        if entry is None:
            return True
        if entry.truncated:
            limit = self.next_max_tokens(entry)
            return entry.max_tokens is not None and (limit is None or limit > entry.max_tokens)
        match entry.finish_kind:
            case "rejected":
                return True
            case "too_long":
                return (
                    entry.max_tokens is not None and self.max_tokens is not None and self.max_tokens < entry.max_tokens
                )
        return defect(entry) is not None and not self.may_skip(entry)

    def may_skip(self, entry: JournalEntry) -> bool:
        """Return whether a problem with this answer, which has a defect, may stay without a pair."""
        if entry.truncated:
            return self.skip_truncated
        return self.skip_refused if is_refusal(entry) else self.skip_malformed
