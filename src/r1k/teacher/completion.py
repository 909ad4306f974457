"""A chat completion as servers send it: in one piece, or as a stream of server-sent events."""

from collections.abc import AsyncIterable
from typing import Any

from pydantic import BaseModel, Field

OVERLOADED = "insufficient_system_resource"
"""DeepSeek's finish reason for a request that it dropped."""


class CompletionMessage(BaseModel):
    """A message, or a delta of one."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None


class Choice(BaseModel):
    """A message and its finish reason."""

    message: CompletionMessage
    finish_reason: str | None = None


class Completion(BaseModel):
    """The parts of a server's response that the client uses."""

    choices: list[Choice] = Field(min_length=1)
    usage: dict[str, Any] | None = None


class _ChunkChoice(BaseModel):
    index: int = 0
    delta: CompletionMessage = CompletionMessage()
    finish_reason: str | None = None


class _Chunk(BaseModel):
    choices: list[_ChunkChoice] = []
    usage: dict[str, Any] | None = None


class StreamBrokenError(Exception):
    """A stream ended before its answer was complete."""


async def collect_stream(events: AsyncIterable[object]) -> Completion:
    """Return the completion that a stream's events add up to.

    Raises:
        pydantic.ValidationError: An event is invalid.
        StreamBrokenError: No event has a finish reason, so the answer may be incomplete.
    """
    pieces: dict[str, list[str]] = {name: [] for name in CompletionMessage.model_fields}
    finish_reason, usage = None, None
    async for event in events:
        chunk = _Chunk.model_validate(event)
        usage = chunk.usage or usage
        for choice in chunk.choices:
            finish_reason = choice.finish_reason or finish_reason
            for name, piece in choice.delta:
                if piece:
                    pieces[name].append(piece)
    if finish_reason is None:
        raise StreamBrokenError(f"the stream ended after {sum(map(len, pieces['content']))} characters of the answer")
    message = CompletionMessage(**{name: "".join(parts) or None for name, parts in pieces.items()})
    return Completion(choices=[Choice(message=message, finish_reason=finish_reason)], usage=usage)
