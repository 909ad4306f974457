"""The lines of a batch's files: requests, and their results as journal entries or errors."""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from pydantic import BaseModel

from r1k.teacher.batch.open_batches import OpenBatch, PlannedRequest
from r1k.teacher.batch.provider import CHAT, BatchProvider, ProviderBatch
from r1k.teacher.budget import Prices
from r1k.teacher.journal import JournalEntry, RunStoppedError
from r1k.teacher.protocol.completion import Completion, InvalidCompletionError, ResponseError, read_completion
from r1k.teacher.protocol.entries import completion_entry, refusal_entry
from r1k.teacher.protocol.finish_reasons import finish_kind
from r1k.teacher.protocol.provider_errors import ProviderError, classify_error

LEFT_OUT = ProviderError("transient", "server", "the batch ended without a result of this request")
MAX_DOWNLOADS = 3
"""Downloads of a file that holds lines that are no results."""
ENDED_EARLY = ("batch_expired", "batch_cancelled")
"""Codes of requests that a batch did not come to."""


class _Response(BaseModel):
    status_code: int | None = None
    body: Any = None


class _Result(BaseModel):
    custom_id: str
    response: _Response | None = None
    error: Any = None


def request_line(planned: PlannedRequest) -> bytes:
    """Return a request as a line of a batch's file."""
    body: dict[str, Any] = {
        "model": planned.request.model,
        "messages": [message.model_dump() for message in planned.request.messages],
        **planned.request.sampling,
    }
    if planned.max_tokens is not None:
        body["max_tokens"] = planned.max_tokens
    line = {"custom_id": planned.key, "method": "POST", "url": CHAT, "body": body}
    return json.dumps(line).encode() + b"\n"


def read_results(
    provider: BatchProvider,
    batch: OpenBatch,
    found: ProviderBatch,
    requests: Mapping[str, PlannedRequest],
    prices: Prices,
    folder: Path,
) -> Iterator[tuple[str, JournalEntry | ProviderError]]:
    """Yield the results of an ended batch, by the requests' keys, in any order and perhaps several for a request.

    The files are downloaded to `folder` without a name, so that a kill leaves nothing of them.

    Raises:
        RunStoppedError: A file holds no result of this batch, such as a gateway's page in its place.
    """
    for file_id in filter(None, (found.output_file_id, found.error_file_id)):
        for _ in range(MAX_DOWNLOADS):
            with TemporaryFile(dir=folder) as file:
                provider.download(batch, file_id, file)
                file.seek(0)
                num_valid, invalid = 0, ""
                for number, line in enumerate(file, start=1):
                    result = _parse(line)
                    planned = requests.get(result.custom_id) if result else None
                    if result is not None and planned is not None:
                        num_valid += 1
                        yield planned.key, _entry(planned, result, found.seconds, prices, provider.endpoint.key)
                    elif line.strip() and not invalid:
                        invalid = (
                            f"line {number} is no result of one of its requests: {line.decode(errors='replace')!r:.200}"
                        )
            if not invalid:
                break
        text = provider.without_key(f"batch {found.id}, file {file_id}: {invalid}")
        if invalid and not num_valid:
            raise RunStoppedError(
                f"{text}; run again to read it again, or remove {batch.path} to send and pay it again"
            )
        if invalid:
            print(text, file=sys.stderr, flush=True)


def _parse(line: bytes) -> _Result | None:
    try:
        # One invalid byte must not cost the answer.
        return _Result.model_validate(json.loads(line.decode(errors="replace")))
    except (ValueError, RecursionError):
        return None


def _entry(
    planned: PlannedRequest, result: _Result, seconds: float, prices: Prices, api_key: str
) -> JournalEntry | ProviderError:
    """Return the journal entry of a result, or the error that keeps the request from having one."""
    request, limit, response = planned.request, planned.max_tokens, result.response
    partial: Completion | None = None
    try:
        if response is None:
            error = _unanswered(result.error)
        elif response.status_code is not None and response.status_code >= 400:
            error = classify_error(response.status_code, response.body)
        else:
            completion = read_completion(response.body)
            if finish_kind(completion.finish_reason) != "interrupted":
                return completion_entry(request, limit, completion, seconds, prices, api_key)
            error = _transient(f"the answer was given up (finish_reason {completion.finish_reason!r})")
    except ResponseError as found:
        error, partial = found.error, found.partial
    except InvalidCompletionError as found:
        error = _transient(f"its result is no chat completion ({found})")
    if error.scope != "prompt":
        return error
    if partial is not None and (partial.answer or partial.reasoning):
        kept = replace(partial, finish_reason=error.finish_reason, refusal=error.message)
        return completion_entry(request, limit, kept, seconds, prices, api_key)
    return refusal_entry(request, limit, error, seconds, api_key)


def _unanswered(body: Any) -> ProviderError:
    """Return the error of a request that got no response."""
    code = str(body.get("code") if isinstance(body, dict) else body)
    if code in ENDED_EARLY:
        return _transient(f"{code}: the batch ended before this request was processed")
    return classify_error(None, {"error": body}) if body else LEFT_OUT


def _transient(message: str) -> ProviderError:
    return ProviderError("transient", "server", message)
