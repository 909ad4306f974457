"""Read the completion in an HTTP response, streamed or whole."""

import codecs
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx2
import openai

from r1k.teacher.protocol.completion import (
    Completion,
    CompletionReader,
    InvalidCompletionError,
    ResponseError,
    read_completion,
)
from r1k.teacher.protocol.provider_errors import ProviderError, classify_error


async def read_response(response: httpx2.Response, client: openai.AsyncOpenAI) -> Completion:
    """Return the completion in a successful response to `client`.

    Raises:
        InvalidCompletionError: The response is not a completion.
        ResponseError: The response holds an error.
        StreamBrokenError: A stream ends before the answer is complete.
        openai.APIConnectionError: The connection breaks.
    """
    if response.headers.get("content-type", "").startswith("text/event-stream"):
        return await _read_stream(response, client)
    text = (await response.aread()).decode(errors="replace")
    try:
        return read_completion(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise InvalidCompletionError(f"{error}: {text[:200]!r}") from None


def read_error(status: int, text: str) -> ProviderError:
    """Return what an error response means, from its status and body."""
    try:
        body: object = json.loads(text)
    except (ValueError, RecursionError):
        body = text
    return classify_error(status, body)


async def _read_stream(response: httpx2.Response, client: openai.AsyncOpenAI) -> Completion:
    reader = CompletionReader()
    # openai decodes strictly: one invalid byte would cost the whole answer.
    valid = httpx2.Response(200, content=_valid_utf8(response.aiter_bytes()), request=response.request)
    try:
        return await reader.read_stream(openai.AsyncStream(cast_to=object, response=valid, client=client))
    except openai.APIConnectionError:
        raise
    except openai.APIError as error:  # an error event
        found = classify_error(None, {"error": error.body or error.message})
        raise ResponseError(replace(found, message=f"in its stream: {found.message}"), reader.completion()) from None
    except (ValueError, RecursionError) as error:
        raise InvalidCompletionError(f"{error}: an event of its stream") from None
    finally:
        await response.aclose()


async def _valid_utf8(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the pieces with invalid bytes replaced by U+FFFD; a character may be split between two pieces."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    async for piece in pieces:
        yield decoder.decode(piece).encode()
    yield decoder.decode(b"", final=True).encode()
