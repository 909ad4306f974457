"""Asking an OpenAI-compatible server: what is tried again, what ends the run, and how long each may take."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self

import openai
from pydantic import BaseModel, Field, ValidationError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from r1k.errors import TeacherError
from r1k.teacher.journal import Entry, Request, RunStoppedError

SHORTEST_SECRET = 12
"""Shorter keys are placeholders (`EMPTY`, `none`), and replacing them would spoil answers that hold the word."""

OVERLOADED = "insufficient_system_resource"
"""DeepSeek's finish reason for a request that it dropped."""


@dataclass(frozen=True)
class Endpoint:
    """A server, and what is asked of it."""

    base_url: str
    model: str
    key: str = field(repr=False)
    concurrency: int
    timeout: float
    """Seconds that one request may take, from its first byte to its last."""
    key_variable: str | None = None
    """Unset for the teachers on loopback, which take any key."""
    max_tokens: int | None = None


@dataclass(frozen=True)
class Patience:
    """How often and after how many seconds a request is tried again."""

    attempts: int = 8
    first_wait: float = 1.0
    longest_wait: float = 60.0
    longest_retry_after: float = 300.0
    exhausted_in_a_row: int = 8
    """So many requests given up with no answer between them: the server is down, and the run ends."""


class _Message(BaseModel):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Completion(BaseModel):
    choices: list[_Choice] = Field(min_length=1)
    usage: dict[str, Any] | None = None


class _TransientError(TeacherError):
    """An error that may be gone at the next attempt."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Client:
    """Makes requests until it is stopped. Errors that it raises hold no key, whatever the server echoed."""

    def __init__(self, endpoint: Endpoint, patience: Patience = Patience()) -> None:
        self.endpoint = endpoint
        self.stop_reason: str | None = None
        self._patience = patience
        self._stopped = asyncio.Event()
        self._exhausted = 0
        self._backoff = wait_random_exponential(multiplier=patience.first_wait, max=patience.longest_wait)
        self._openai = openai.AsyncOpenAI(
            api_key=endpoint.key,
            base_url=endpoint.base_url,
            timeout=endpoint.timeout,
            max_retries=0,
            # A proxy of the environment must not be asked for a server on loopback.
            http_client=openai.DefaultAsyncHttpxClient(trust_env=endpoint.key_variable is not None),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._openai.close()

    def stop(self, reason: str) -> None:
        """Begin no further request; those in flight may end. The first reason is kept."""
        if self.stop_reason is None:
            self.stop_reason = reason
        self._stopped.set()

    async def complete(self, request: Request) -> Entry:
        """The server's answer, which is not yet looked at.

        TeacherError for a request that failed again and again; RunStoppedError where another request would fail too.
        """
        patience = self._patience
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(_TransientError),
            stop=stop_after_attempt(patience.attempts),
            wait=self._wait,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            entry: Entry = await retrying(self._attempt, request)
        except _TransientError as error:
            self._exhausted += 1
            if self._exhausted >= patience.exhausted_in_a_row:
                raise RunStoppedError(
                    f"{error}; {self._exhausted} requests in a row were given up, after {patience.attempts} attempts "
                    "each; see what is wrong with the server, then run again"
                ) from None
            raise TeacherError(f"{error} ({patience.attempts} attempts); run again later") from None
        self._exhausted = 0
        return entry

    async def _attempt(self, request: Request) -> Entry:
        if self.stop_reason is not None:
            raise RunStoppedError(self.stop_reason)
        begin = time.monotonic()
        completion = self._understood(await self._body(request))
        choice = completion.choices[0]
        if choice.finish_reason == OVERLOADED:
            raise _TransientError(f"{self.endpoint.base_url} was overloaded (finish_reason {OVERLOADED!r})")
        return Entry(
            key=request.key,
            request=request,
            max_tokens=self.endpoint.max_tokens,
            answer=choice.message.content or "",
            reasoning=choice.message.reasoning_content or choice.message.reasoning,
            refusal=choice.message.refusal,
            finish_reason=choice.finish_reason or "none",
            usage=completion.usage,
            seconds=round(time.monotonic() - begin, 3),
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    async def _body(self, request: Request) -> str:
        """The text of the server's answer to one attempt, without the key."""
        parameters: dict[str, Any] = dict(request.sampling)
        if self.endpoint.max_tokens is not None:
            parameters["max_tokens"] = self.endpoint.max_tokens
        try:
            # The client's own timeout is for one read, and gateways keep a slow answer alive with empty lines.
            async with asyncio.timeout(self.endpoint.timeout):
                response = await self._openai.chat.completions.with_raw_response.create(
                    model=request.model,
                    messages=[{"role": message.role, "content": message.content} for message in request.messages],
                    **parameters,
                )
        except openai.APIStatusError as error:
            raise self._status_error(error) from None
        except openai.APIConnectionError as error:
            cause = error.__cause__ or error
            raise _TransientError(self._without_key(f"no answer from {self.endpoint.base_url}: {cause!r}")) from None
        except TimeoutError:
            raise _TransientError(
                f"no answer from {self.endpoint.base_url} in {self.endpoint.timeout:g} s (teacher.timeout)"
            ) from None
        return self._without_key(response.text)

    def _understood(self, body: str) -> _Completion:
        try:
            return _Completion.model_validate_json(body)
        except ValidationError as error:
            raise _TransientError(
                f"{self.endpoint.base_url} answered no chat completion ({error.errors()[0]['msg']}): {body[:200]!r}"
            ) from None

    def _status_error(self, error: openai.APIStatusError) -> TeacherError:
        status = error.status_code
        said = f"HTTP {status} from {self.endpoint.base_url}: {self._without_key(_message(error))[:500]}"
        out_of_money = status == 402 or error.code == "insufficient_quota"
        if out_of_money or not (status in (408, 409, 429) or status >= 500):
            return RunStoppedError(f"{said}{self._remedy(402 if out_of_money else status)}")
        retry_after = _retry_after(error.response.headers.get("retry-after"))
        if retry_after is not None and retry_after > self._patience.longest_retry_after:
            return RunStoppedError(f"{said}; the server asks to wait {retry_after:.0f} s: run again then")
        return _TransientError(said, retry_after)

    def _remedy(self, status: int) -> str:
        variable = self.endpoint.key_variable
        if variable is None:
            return ""
        remedies = {
            401: f"put a valid key in the environment variable {variable}",
            402: f"the account of the key in {variable} has no credit left: add some",
            403: f"the key in {variable} may not use {self.endpoint.model!r}: change one of them",
            404: "correct teacher.base_url or teacher.model",
        }
        return "; " + remedies.get(status, "correct teacher.model, teacher.max_tokens or teacher.temperature")

    def _without_key(self, text: str) -> str:
        key = self.endpoint.key
        return text.replace(key, "[key]") if len(key) >= SHORTEST_SECRET else text

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        backoff = self._backoff(state)
        if isinstance(error, _TransientError) and error.retry_after is not None:
            return error.retry_after + min(backoff, 1.0)
        return backoff

    async def _sleep(self, seconds: float) -> None:
        """Sleep, but not longer than until the client is stopped."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), seconds)


def _message(error: openai.APIStatusError) -> str:
    body = error.body
    message = body.get("message") if isinstance(body, dict) else None
    return str(message or body or "no message")


def _retry_after(header: str | None) -> float | None:
    """Seconds, of a header that has seconds or a date; None for neither."""
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
