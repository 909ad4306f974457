"""A client of an OpenAI-compatible server, with retries, fatal errors and timeouts."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self, cast

import httpx2
import openai
from pydantic import ValidationError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from r1k.errors import TeacherError
from r1k.teacher.budget import Budget, max_prompt_tokens
from r1k.teacher.completion import OVERLOADED, Completion, StreamBrokenError, collect_stream
from r1k.teacher.journal import JournalEntry, Request, RunStoppedError
from r1k.teacher.rate_limiter import RateLimiter

MIN_SECRET_LENGTH = 12
"""Shorter keys, in characters, are placeholders such as `none` and are not redacted: answers may contain them."""


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
    """After this many failed requests in a row, the server counts as down and the run stops."""


DEFAULT_RETRIES = RetryPolicy()


class _TransientError(TeacherError):
    """An error that may not recur at the next attempt."""

    def __init__(self, message: str, retry_after: float | None = None, overloaded: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.overloaded = overloaded


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
        self._backoff = wait_random_exponential(multiplier=retry_policy.initial_wait, max=retry_policy.max_wait)
        self._openai = openai.AsyncOpenAI(
            api_key=endpoint.key,
            base_url=endpoint.base_url,
            timeout=endpoint.timeout,
            max_retries=0,
            # aiohttp takes 25 to 33 % less CPU time per request. Requests to loopback bypass the environment's proxy.
            http_client=openai.DefaultAioHttpClient(
                trust_env=endpoint.api_key_env is not None,
                limits=httpx2.Limits(
                    max_connections=endpoint.concurrency, max_keepalive_connections=endpoint.concurrency
                ),
            ),
        )

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
        return entry

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
            entry = self._entry(request, limit, completion, time.monotonic() - began)
            self.budget.add(entry)
            return entry

    def _entry(self, request: Request, limit: int | None, completion: Completion, seconds: float) -> JournalEntry:
        choice, usage = completion.choices[0], completion.usage
        message = choice.message
        entry = JournalEntry(
            key=request.key,
            request=request,
            max_tokens=limit,
            answer=self._without_key(message.content or ""),
            reasoning=self._without_key(message.reasoning_content or message.reasoning or "") or None,
            refusal=self._without_key(message.refusal or "") or None,
            finish_reason=choice.finish_reason or "none",
            usage=usage,
            seconds=round(seconds, 3),
            finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        prompt, completed = entry.token_count("prompt_tokens"), entry.token_count("completion_tokens")
        if prompt is None or completed is None:
            return entry
        return entry.model_copy(update={"cost": self.budget.prices.dollars(prompt, completed)})

    async def _completion(self, request: Request, limit: int | None) -> Completion:
        """Return the completion of one attempt."""
        address = self.endpoint.base_url
        try:
            # The library's timeout covers one read, and gateways keep slow answers alive by sending empty lines.
            async with asyncio.timeout(self.endpoint.timeout):
                completion = await self._read(request, limit)
        except openai.APIStatusError as error:
            raise self._status_error(error) from None
        except (openai.APIConnectionError, httpx2.TransportError) as error:
            cause = error.__cause__ or error
            raise _TransientError(self._without_key(f"no answer from {address}: {cause!r}")) from None
        except TimeoutError:
            raise _TransientError(
                f"no answer from {address} within {self.endpoint.timeout:g} s ({self.endpoint.section}.client.timeout)"
            ) from None
        except StreamBrokenError as error:
            raise _TransientError(f"{address}: {error}") from None
        except openai.APIError as error:  # an error event within a stream
            raise _TransientError(self._without_key(f"{address}, in its stream: {error.message}"[:500])) from None
        if completion.choices[0].finish_reason == OVERLOADED:
            raise _TransientError(f"{address} was overloaded (finish_reason {OVERLOADED!r})", overloaded=True)
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
        posted = await self._openai.post(
            "/chat/completions",
            cast_to=httpx2.Response,
            body=body,
            stream=self.endpoint.stream,
            stream_cls=openai.AsyncStream[object],
        )
        response = cast(httpx2.Response, posted)  # `cast_to` makes it a raw response, streamed or not
        self.rate_limiter.on_response(response.headers)
        if response.headers.get("content-type", "").startswith("text/event-stream"):
            events = openai.AsyncStream(cast_to=object, response=response, client=self._openai)
            try:
                return await collect_stream(events)
            except (ValidationError, ValueError) as error:
                raise self._invalid_response(error, "an event of its stream") from None
        text = (await response.aread()).decode(errors="replace")
        try:
            return Completion.model_validate_json(text)
        except ValidationError as error:
            raise self._invalid_response(error, text[:200]) from None

    def _invalid_response(self, error: ValueError, excerpt: str) -> "_TransientError":
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        return _TransientError(
            self._without_key(f"{self.endpoint.base_url} returned no valid chat completion ({reason}): {excerpt!r}")
        )

    def _expected_tokens(self, request: Request) -> float:
        """Return the expected tokens of prompt and answer, for a limit per minute.

        This is the mean of the answers received; before the first answer, it is the maximum.
        """
        if self.budget.answers:
            return self.budget.tokens / self.budget.answers
        return float(max_prompt_tokens(request) + (self.endpoint.max_tokens or 0))

    def _status_error(self, error: openai.APIStatusError) -> TeacherError:
        status = error.status_code
        message = f"HTTP {status} from {self.endpoint.base_url}: {self._without_key(_message(error))[:500]}"
        out_of_money = status == 402 or error.code == "insufficient_quota"
        if out_of_money or not (status in (408, 409, 429) or status >= 500):
            return RunStoppedError(f"{message}{self._remedy(402 if out_of_money else status)}")
        retry_after = _retry_after(error.response.headers.get("retry-after"))
        if retry_after is not None and retry_after > self._retry_policy.max_retry_after:
            return RunStoppedError(f"{message}; the server asks to wait {retry_after:.0f} s: run again after that")
        return _TransientError(message, retry_after, overloaded=status in (429, 503))

    def _remedy(self, status: int) -> str:
        variable, section = self.endpoint.api_key_env, self.endpoint.section
        if variable is None:
            return ""
        remedies = {
            401: f"put a valid key in the environment variable {variable}",
            402: f"the account of the key in {variable} has no credit left: add credit",
            403: f"the key in {variable} may not use {self.endpoint.model!r}: use another key or model",
            404: f"correct {section}.base_url or {section}.model",
        }
        return "; " + remedies.get(status, f"correct {section}.model, {section}.max_tokens or {section}.temperature")

    def _without_key(self, text: str) -> str:
        key = self.endpoint.key
        return text.replace(key, "[key]") if len(key) >= MIN_SECRET_LENGTH else text

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


def _message(error: openai.APIStatusError) -> str:
    body = error.body
    message = body.get("message") if isinstance(body, dict) else None
    return str(message or body or "no message")


def _retry_after(header: str | None) -> float | None:
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
