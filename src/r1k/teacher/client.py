"""A client of an OpenAI-compatible server, with retries, fatal errors and timeouts."""

import asyncio
import json
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self

import httpx2
import openai
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from r1k.errors import TeacherError
from r1k.teacher.budget import Budget
from r1k.teacher.journal import JournalEntry, Request, RunStoppedError
from r1k.teacher.protocol.completion import Completion, InvalidCompletionError, ResponseError, StreamBrokenError
from r1k.teacher.protocol.entries import completion_entry, refusal_entry, without_key
from r1k.teacher.protocol.finish_reasons import OVERLOADED, finish_kind
from r1k.teacher.protocol.provider_errors import ProviderError
from r1k.teacher.protocol.remedies import remedy
from r1k.teacher.protocol.responses import read_error, read_response
from r1k.teacher.rate_limiter import RateLimiter


@dataclass(frozen=True)
class Endpoint:
    """A server and how to call it."""

    base_url: str
    model: str
    key: str = field(repr=False)
    concurrency: int
    timeout: float
    """Seconds that one request may take, from its first byte to its last."""
    api_key_env: str | None = None
    """None for teachers on loopback, which accept any key."""
    max_tokens: int | None = None
    stream: bool = False
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    section: str = "teacher"
    """Section of the config that describes the server, for messages."""


@dataclass(frozen=True)
class RetryPolicy:
    """How often a request is retried, and after how many seconds."""

    max_attempts: int = 8
    initial_wait: float = 1.0
    max_wait: float = 60.0
    max_retry_after: float = 300.0
    max_consecutive_failures: int = 8
    """After this many failed requests in a row, the server counts as down and the run stops. It also stops if this many
    requests are refused before any is answered, for a reason that can be of every request."""


DEFAULT_RETRIES = RetryPolicy()


class _TransientError(TeacherError):
    """An error that may not recur at the next attempt."""

    def __init__(self, message: str, retry_after: float | None = None, overloaded: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.overloaded = overloaded


class _RefusedError(Exception):
    """The provider refuses the prompt, perhaps after a part of an answer."""

    def __init__(self, error: ProviderError, partial: Completion | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.partial = partial


class ChatClient:
    """Sends requests until it is stopped. Its errors never contain the API key, even if the server echoes it."""

    def __init__(
        self, endpoint: Endpoint, retry_policy: RetryPolicy = DEFAULT_RETRIES, budget: Budget | None = None
    ) -> None:
        self.endpoint = endpoint
        self.stop_reason: str | None = None
        self.budget = budget or Budget()
        self.rate_limiter = RateLimiter(endpoint.concurrency, endpoint.requests_per_minute, endpoint.tokens_per_minute)
        self._retry_policy = retry_policy
        self._stopped = asyncio.Event()
        self._consecutive_failures = 0
        self._num_answered = 0
        self._num_refused = 0
        self._backoff = wait_random_exponential(multiplier=retry_policy.initial_wait, max=retry_policy.max_wait)
        # aiohttp takes 25 to 33 % less CPU time per request. Requests to loopback bypass the environment's proxy.
        self._http = openai.DefaultAioHttpClient(
            trust_env=endpoint.api_key_env is not None,
            limits=httpx2.Limits(max_connections=endpoint.concurrency, max_keepalive_connections=endpoint.concurrency),
        )
        self._openai = openai.AsyncOpenAI(
            api_key=endpoint.key, base_url=endpoint.base_url, max_retries=0, http_client=self._http
        )
        self._url = httpx2.URL(f"{endpoint.base_url.rstrip('/')}/chat/completions")
        given = self._openai.default_headers | self._openai.auth_headers
        self._headers = {name: str(value) for name, value in given.items() if isinstance(value, str)}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._openai.close()

    def stop(self, reason: str) -> None:
        """Start no further requests, and let those in flight finish. Keeps the first reason."""
        if self.stop_reason is None:
            self.stop_reason = reason
        self._stopped.set()
        self.rate_limiter.stop()

    async def complete(self, request: Request, max_tokens: int | None = None) -> JournalEntry:
        """Return the server's answer, unchecked. `max_tokens` overrides the endpoint's limit.

        An error that refuses this prompt is an answer too: its entry has no text, and its finish reason says why.

        Raises:
            TeacherError: All attempts failed.
            RunStoppedError: Other requests would fail too.
        """
        retry_policy = self._retry_policy
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(_TransientError),
            stop=stop_after_attempt(retry_policy.max_attempts),
            wait=self._wait,
            sleep=self._sleep,
            reraise=True,
        )
        limit = max_tokens or self.endpoint.max_tokens
        try:
            entry: JournalEntry = await retrying(self._attempt, request, limit)
        except _TransientError as error:
            self._consecutive_failures += 1
            if self._consecutive_failures >= retry_policy.max_consecutive_failures:
                raise RunStoppedError(
                    f"{error}; {self._consecutive_failures} consecutive requests failed after "
                    f"{retry_policy.max_attempts} attempts each; check the server, then run again"
                ) from None
            raise TeacherError(f"{error} ({retry_policy.max_attempts} attempts); run again later") from None
        self._consecutive_failures = 0
        self._check_refusals(entry)
        return entry

    def _check_refusals(self, entry: JournalEntry) -> None:
        """Stop the run if all requests are refused, because `max_tokens` or another setting may be the reason."""
        kind = entry.finish_kind
        if entry.billed:
            self._num_answered += 1
            return
        if kind == "too_long" or (kind == "rejected" and not self.budget.answers):
            self._num_refused += 1
        if self._num_answered or self._num_refused < self._retry_policy.max_consecutive_failures:
            return
        error = ProviderError("run", "context" if kind == "too_long" else "unknown", entry.refusal or "")
        raise RunStoppedError(
            f"{error.message}; the first {self._num_refused} requests were all refused{self._remedy(error)}"
        )

    async def _attempt(self, request: Request, limit: int | None) -> JournalEntry:
        async with self.budget.reserve(request, limit), self.rate_limiter.slot(self._expected_tokens(request)) as began:
            if self.stop_reason is not None:
                raise RunStoppedError(self.stop_reason)
            try:
                completion = await self._completion(request, limit)
            except _TransientError as error:
                if error.overloaded:
                    self.rate_limiter.on_overload(began, error.retry_after)
                raise
            except _RefusedError as refused:
                entry = self._refusal(request, limit, refused, time.monotonic() - began)
            else:
                entry = self._entry(request, limit, completion, time.monotonic() - began)
            self.budget.add(entry)
            return entry

    def _entry(self, request: Request, limit: int | None, completion: Completion, seconds: float) -> JournalEntry:
        return completion_entry(request, limit, completion, seconds, self.budget.prices, self.endpoint.key)

    def _refusal(self, request: Request, limit: int | None, refused: _RefusedError, seconds: float) -> JournalEntry:
        error, partial = refused.error, refused.partial
        if partial is not None and (partial.answer or partial.reasoning):
            return self._entry(request, limit, replace(partial, refusal=error.message), seconds)
        return refusal_entry(request, limit, error, seconds, self.endpoint.key)

    async def _completion(self, request: Request, limit: int | None) -> Completion:
        """Return the completion of one attempt."""
        address = self.endpoint.base_url
        try:
            # The library's timeout covers one read, and gateways keep slow answers alive by sending empty lines.
            async with asyncio.timeout(self.endpoint.timeout):
                completion = await self._read(request, limit)
        except httpx2.HTTPStatusError as error:
            found = read_error(error.response.status_code, error.response.text)
            raise self._error(found, error.response.headers.get("retry-after")) from None
        except ResponseError as error:
            raise self._error(error.error, partial=error.partial) from None
        except (openai.APIConnectionError, httpx2.TransportError) as error:
            cause = error.__cause__ if isinstance(error, openai.APIConnectionError) else error
            raise _TransientError(self._without_key(f"no answer from {address}: {cause!r}")) from None
        except TimeoutError:
            raise _TransientError(
                f"no answer from {address} within {self.endpoint.timeout:g} s ({self.endpoint.section}.client.timeout)"
            ) from None
        except StreamBrokenError as error:
            raise _TransientError(f"{address}: {error}") from None
        except InvalidCompletionError as error:
            raise _TransientError(self._without_key(f"{address} returned no valid chat completion ({error})")) from None
        reason = completion.finish_reason
        if finish_kind(reason) == "interrupted":
            raise _TransientError(
                f"{address} gave up the answer (finish_reason {reason!r})", overloaded=reason in OVERLOADED
            )
        return completion

    async def _read(self, request: Request, limit: int | None) -> Completion:
        body: dict[str, Any] = {
            "model": request.model,
            "messages": [message.model_dump() for message in request.messages],
            **request.sampling,
        }
        if limit is not None:
            body["max_tokens"] = limit
        if self.endpoint.stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        # openai's own `post` takes a third more CPU time per request.
        response = await self._http.send(
            httpx2.Request(
                "POST",
                self._url,
                headers=self._headers,
                content=json.dumps(body).encode(),
                extensions={"timeout": httpx2.Timeout(self.endpoint.timeout).as_dict()},
            ),
            stream=self.endpoint.stream,
        )
        if not response.is_success:
            await response.aread()
            response.raise_for_status()
        self.rate_limiter.on_response(response.headers)
        return await read_response(response, self._openai)

    def _expected_tokens(self, request: Request) -> float:
        """Return the expected tokens of prompt and answer, for a limit per minute.

        This is the mean of the answers received; before the first answer, it is the maximum.
        """
        if self.budget.answers:
            return self.budget.tokens / self.budget.answers
        return float(request.max_prompt_tokens + (self.endpoint.max_tokens or 0))

    def _error(
        self, error: ProviderError, retry_after_header: str | None = None, partial: Completion | None = None
    ) -> TeacherError | _RefusedError:
        """Return the exception for an error of the provider."""
        where = f"HTTP {error.status} from {self.endpoint.base_url}" if error.status else self.endpoint.base_url
        error = replace(error, message=self._without_key(f"{where}: {error.message}"))
        if error.cause == "permission" and self._num_answered:
            error = replace(error, scope="prompt", cause="unknown")  # the key has been accepted
        if error.scope == "prompt":
            finish_reason = error.finish_reason
            return _RefusedError(error, partial and replace(partial, finish_reason=finish_reason))
        if error.scope == "run":
            return RunStoppedError(f"{error.message}{self._remedy(error)}")
        retry_after = retry_after_seconds(retry_after_header)
        if retry_after is not None and retry_after > self._retry_policy.max_retry_after:
            return RunStoppedError(
                f"{error.message}; the server asks to wait {retry_after:.0f} s: run again after that"
            )
        return _TransientError(error.message, retry_after, overloaded=error.cause == "overload")

    def _remedy(self, error: ProviderError) -> str:
        if self.endpoint.api_key_env is None:
            return ""
        return "; " + remedy(error, self.endpoint.section, self.endpoint.model, self.endpoint.api_key_env)

    def _without_key(self, text: str) -> str:
        return without_key(text, self.endpoint.key)

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        backoff = self._backoff(state)
        if isinstance(error, _TransientError) and error.retry_after is not None:
            return error.retry_after + min(backoff, 1.0)
        return backoff

    async def _sleep(self, seconds: float) -> None:
        """Sleep for some seconds, or until the client is stopped."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), seconds)


def retry_after_seconds(header: str | None) -> float | None:
    """Return the seconds of a Retry-After header, which holds seconds or a date; None if it is invalid."""
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
