"""Make journal entries from what a provider sent: a completion, or the refusal of a prompt."""

from datetime import UTC, datetime

from r1k.teacher.budget import Prices
from r1k.teacher.journal import JournalEntry, Request
from r1k.teacher.protocol.completion import Completion
from r1k.teacher.protocol.provider_errors import ProviderError

MIN_SECRET_LENGTH = 12
"""Shorter keys, in characters, are placeholders such as `none` and are not redacted: answers may contain them."""


def without_key(text: str, key: str) -> str:
    """Return a text without the API key."""
    return text.replace(key, "[key]") if len(key) >= MIN_SECRET_LENGTH else text


def completion_entry(
    request: Request, limit: int | None, completion: Completion, seconds: float, prices: Prices, key: str
) -> JournalEntry:
    """Return the journal entry of a completion.

    Counts that the server did not send are upper estimates, and the entry says so. `limit` is the request's
    `max_tokens`; `key` is the API key, which the entry does not contain.
    """
    entry = JournalEntry(
        key=request.key,
        request=request,
        max_tokens=limit,
        answer=without_key(completion.answer, key),
        reasoning=without_key(completion.reasoning, key) or None,
        refusal=without_key(completion.refusal, key) or None,
        finish_reason=completion.finish_reason,
        usage=completion.usage,
        seconds=round(seconds, 3),
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    tokens = entry.tokens
    cost = prices.dollars(tokens.prompt, tokens.completion)
    return entry.model_copy(update={"cost": cost, "estimated": tokens.estimated})


def refusal_entry(request: Request, limit: int | None, error: ProviderError, seconds: float, key: str) -> JournalEntry:
    """Return the journal entry of a prompt that the provider refused with an error, which costs nothing."""
    return JournalEntry(
        key=request.key,
        request=request,
        max_tokens=limit,
        answer="",
        reasoning=None,
        refusal=without_key(error.message, key),
        finish_reason=error.finish_reason,
        billed=False,
        cost=0.0,
        seconds=round(seconds, 3),
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
