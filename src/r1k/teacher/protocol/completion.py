"""A chat completion as servers send it: in one piece, or as a stream of server-sent events.

Servers leave out fields, send null for them, and add their own; what can be read is kept. JSON may escape the halves of
a surrogate pair in separate pieces of a stream: they are joined, and a lone half becomes U+FFFD.
"""

import asyncio
from collections.abc import AsyncIterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from r1k.teacher.protocol.finish_reasons import NO_REASON
from r1k.teacher.protocol.provider_errors import ProviderError, classify_error
from r1k.teacher.protocol.surrogates import valid_unicode

ANSWER, REASONING, REFUSAL = ("content",), ("reasoning_content", "reasoning", "thinking"), ("refusal",)
"""Fields of a message, in order of preference."""
REASONING_PARTS = ("thinking", "reasoning")
"""Types of the parts of a message that are reasoning, where `content` is a list of parts."""
USAGE_WAIT = 10.0
"""Seconds to wait for each event after the finish reason of a streamed answer, such as the token counts."""

Texts = dict[str, list[str]]


@dataclass(frozen=True)
class Completion:
    """The parts of a server's response that are journalled."""

    answer: str
    reasoning: str = ""
    refusal: str = ""
    finish_reason: str = NO_REASON
    usage: dict[str, Any] | None = None


class InvalidCompletionError(ValueError):
    """A response is not a chat completion."""


class StreamBrokenError(Exception):
    """A stream ended before its answer was complete."""


class ResponseError(Exception):
    """A successful response holds an error, perhaps after a part of the answer."""

    def __init__(self, error: ProviderError, partial: Completion) -> None:
        super().__init__(error.message)
        self.error = error
        self.partial = partial


@dataclass
class CompletionReader:
    """Collects the pieces of one completion."""

    finish_reason: str | None = None
    usage: dict[str, Any] | None = None
    _texts: Texts = field(default_factory=dict)

    def add_event(self, event: object) -> None:
        """Add an event of a stream.

        Raises:
            InvalidCompletionError: The event is neither a chunk of a completion nor null.
            ResponseError: The event holds an error.
        """
        chunk = _dict(event, "event")
        for choice in _choices(chunk):
            delta = choice.get("delta")
            # Some servers repeat the whole message in the last chunk.
            self._add(choice, delta if delta is not None or self._texts else choice.get("message"))
        self._add_usage(chunk)
        self._raise_error(chunk)

    def add_body(self, body: object) -> None:
        """Add a whole response; raise the errors of `add_event`."""
        whole = _dict(body, "body")
        choices = list(_choices(whole))
        for choice in choices:
            self._add(choice, choice.get("message"))
        self._add_usage(whole)
        self._raise_error(whole)
        if choices:
            return
        error = classify_error(None, body)
        if error.scope != "transient":  # Gemini's `promptFeedback`, MiniMax's `base_resp`
            raise ResponseError(error, self.completion())
        raise InvalidCompletionError("field 'choices' is missing, null or empty")

    def completion(self, finish_reason: str | None = None) -> Completion:
        """Return what was collected; `finish_reason` replaces the server's own."""
        return Completion(
            answer=self._text(*ANSWER),
            reasoning=self._text(*REASONING),
            refusal=self._text(*REFUSAL),
            finish_reason=valid_unicode(finish_reason or self.finish_reason or NO_REASON),
            usage=valid_unicode(self.usage),
        )

    async def read_stream(self, events: AsyncIterable[object]) -> Completion:
        """Return the completion that a stream's events add up to.

        Nothing after the finish reason can take the answer away: it counts as complete even if the stream then breaks.

        Raises:
            InvalidCompletionError: An event is invalid.
            ResponseError: An event holds an error.
            StreamBrokenError: No event has a finish reason, so the answer may be incomplete.
        """
        iterator = aiter(events)
        async for event in iterator:
            self.add_event(event)
            if self.finish_reason is not None:
                await self._read_usage(iterator)
                return self.completion()
        raise StreamBrokenError(f"the stream ended after {len(self._text(*ANSWER))} characters of the answer")

    async def _read_usage(self, events: AsyncIterable[object]) -> None:
        clock = asyncio.get_running_loop().time
        with suppress(Exception):  # the answer is complete, and counts that are missing are estimated
            async with asyncio.timeout(USAGE_WAIT) as waiting:
                async for event in events:
                    self.add_event(event)
                    waiting.reschedule(clock() + USAGE_WAIT)

    def _add(self, choice: dict[str, Any], message: object) -> None:
        for name, text in _pieces(_dict(message, "message")):
            self._texts.setdefault(name, []).append(text)
        reason = choice.get("finish_reason")
        self.finish_reason = str(reason) if reason else self.finish_reason
        self._add_usage(choice)

    def _add_usage(self, source: dict[str, Any]) -> None:
        usage = source.get("usage")
        if isinstance(usage, dict) and usage:
            self.usage = usage

    def _raise_error(self, source: dict[str, Any]) -> None:
        errors = [source.get("error"), *(choice.get("error") for choice in _choices(source))]
        for body in filter(None, errors):
            error = classify_error(None, {"error": body})
            raise ResponseError(error, self.completion(error.finish_reason if error.scope == "prompt" else None))

    def _text(self, *names: str) -> str:
        """Return the text of the first of these fields that has one."""
        return next((valid_unicode("".join(self._texts[name])) for name in names if name in self._texts), "")


def read_completion(body: object) -> Completion:
    """Return the completion in a response's body.

    Raises:
        InvalidCompletionError: The body is not a completion.
        ResponseError: The body holds an error.
    """
    reader = CompletionReader()
    reader.add_body(body)
    return reader.completion()


def _dict(value: object, what: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidCompletionError(f"{what} {str(value)[:100]!r} is not an object")
    return value


def _choices(source: dict[str, Any]) -> Iterator[dict[str, Any]]:
    choices = source.get("choices")
    if choices is not None and not isinstance(choices, list):
        raise InvalidCompletionError(f"field 'choices' {str(choices)[:100]!r} is not a list")
    for choice in choices or ():
        yield _dict(choice, "choice")


def _pieces(message: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the field and the text of each piece of a message, or of a delta of one."""
    for name in (*ANSWER, *REASONING, *REFUSAL):
        value = message.get(name)
        if isinstance(value, list):
            for part in value:
                yield from _part(name, part)
        elif isinstance(value, str):
            if value:
                yield name, value
        elif value is not None:
            raise InvalidCompletionError(f"field {name!r} {str(value)[:100]!r} is neither a text nor a list of parts")


def _part(name: str, part: object) -> Iterator[tuple[str, str]]:
    """Yield the text of one of the parts of a field; a part without text, such as a picture, has none."""
    if isinstance(part, str):
        yield name, part
        return
    fields = _dict(part, "part")
    kind = str(fields.get("type"))
    if kind == "refusal":
        name = REFUSAL[0]
    elif kind in REASONING_PARTS:
        name = REASONING[0]
    for key in ("text", *REASONING_PARTS, "refusal"):
        value = fields.get(key)
        if isinstance(value, str) and value:
            yield name, value
        elif isinstance(value, list):
            for each in value:
                yield from _part(name, each)
