"""The calls of a provider's Batch API: upload, create, find, retrieve, download."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any, Final, Self, TypeVar

import httpx2
import openai
from pydantic import BaseModel, ConfigDict, ValidationError
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from r1k.errors import TeacherError
from r1k.teacher.batch.open_batches import OpenBatch, ProviderIdentity
from r1k.teacher.client import Endpoint, RetryPolicy, retry_after_seconds
from r1k.teacher.journal import RunStoppedError
from r1k.teacher.protocol.entries import without_key
from r1k.teacher.protocol.provider_errors import ProviderError, classify_error
from r1k.teacher.protocol.remedies import remedy
from r1k.teacher.protocol.responses import read_error

CHAT: Final = "/v1/chat/completions"
"""The path of a batch's requests, in OpenAI's protocol the same at every provider."""
NONCE = "r1k"
"""The key of the nonce in a batch's metadata."""
PAGE = 100
"""Batches per page of the provider's list."""
CLOCK_SKEW = 3600.0
"""Seconds by which the provider's clock may differ from this machine's."""
LAST_STATUSES = ("completed", "expired", "cancelled")
ABSENT = (404, 405, 410, 501)
"""Statuses of a path or an object that the provider does not have."""

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Polling:
    """How often a batch is looked at, in seconds."""

    first_wait: float = 1.0
    max_wait: float = 60.0
    growth: float = 1.5
    max_silence: float = 3600.0
    """After this many seconds without an answer of the provider, a run stops."""
    listing_lag: float = 10.0
    """A batch may be missing in the provider's list for this long after its creation."""


DEFAULT_POLLING = Polling()


class PassingCallError(TeacherError):
    """A call failed for a reason that may pass."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class _File(BaseModel):
    id: str


class _RequestCounts(BaseModel):
    total: int | None = 0
    completed: int | None = 0
    failed: int | None = 0


class BatchProblem(BaseModel):
    """Why a batch failed."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    code: str | None = None
    line: int | None = None
    message: str | None = None
    param: str | None = None

    @property
    def error(self) -> ProviderError:
        """What it means."""
        return classify_error(None, {"error": self.model_dump()})


class ProviderBatch(BaseModel):
    """The parts of a provider's batch that are used."""

    id: str
    status: str
    created_at: float | None = None
    completed_at: float | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    errors: Any = None
    request_counts: _RequestCounts | None = None
    input_file_id: str | None = None
    metadata: dict[str, Any] | None = None

    @property
    def failed(self) -> bool:
        """Whether the provider did not accept it."""
        return self.status.lower() == "failed"

    @property
    def ended(self) -> bool:
        """Whether nothing of it will change; the names of its files may follow its last status."""
        named = self.output_file_id is not None or self.error_file_id is not None
        return self.failed or (self.status.lower() in LAST_STATUSES and (named or not self.num_done))

    @property
    def num_done(self) -> int:
        """Number of its requests that have a result."""
        counts = self.request_counts
        return (counts.completed or 0) + (counts.failed or 0) if counts else 0

    @property
    def seconds(self) -> float:
        """Seconds from its creation to its completion; 0 if the provider does not say."""
        return max(0.0, (self.completed_at or 0.0) - self.created_at) if self.created_at else 0.0

    @property
    def problems(self) -> list[BatchProblem]:
        """Why it failed; OpenAI wraps the list in an object."""
        listed = self.errors.get("data") if isinstance(self.errors, dict) else self.errors
        return [BatchProblem.model_validate(each) for each in listed or () if isinstance(each, dict)]


class _BatchPage(BaseModel):
    data: list[ProviderBatch]
    has_more: bool = False


class BatchProvider:
    """Calls the Batch API of an endpoint, and repeats calls that failed for a passing reason.

    Raises RunStoppedError for everything that keeps a call from succeeding. No error contains the API key.
    """

    def __init__(self, endpoint: Endpoint, retry_policy: RetryPolicy, polling: Polling) -> None:
        self.endpoint = endpoint
        self.polling = polling
        self._retry_policy = retry_policy
        self._backoff = wait_random_exponential(multiplier=retry_policy.initial_wait, max=retry_policy.max_wait)
        self._openai = openai.OpenAI(
            api_key=endpoint.key, base_url=endpoint.base_url, timeout=endpoint.timeout, max_retries=0
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._openai.close()

    @property
    def identity(self) -> ProviderIdentity:
        """What a batch can be found by again: the address, and the variable of the account's key."""
        return self.endpoint.base_url, self.endpoint.api_key_env

    def without_key(self, text: str) -> str:
        """Return a text without the API key."""
        return without_key(text, self.endpoint.key)

    def explain(self, error: ProviderError) -> str:
        """Return the message of an error that is true of every request, with its remedy."""
        return f"{self.without_key(f'{self.endpoint.base_url}: {error.message}')}; {self.remedy(error)}"

    def remedy(self, error: ProviderError) -> str:
        """Return what to do about an error that is true of every request."""
        endpoint = self.endpoint
        return remedy(error, endpoint.section, endpoint.model, endpoint.api_key_env or "")

    def upload(self, file: IO[bytes], name: str) -> str:
        """Return the id of an uploaded file of requests."""

        def send() -> str:
            file.seek(0)
            raw = self._openai.files.with_raw_response.create(file=(name, file), purpose="batch")
            return self._parse(_File, raw.text).id

        return self._with_retries(send, self._no_batch_api("/files"))

    def create(self, batch: OpenBatch, input_file_id: str) -> str:
        """Return the id of a batch of an uploaded file, created once even if the provider's answer is lost."""
        attempted: float | None = None

        def send() -> str:
            nonlocal attempted
            found = None if attempted is None else self._find(batch, input_file_id, attempted)
            if found is not None:
                return found
            attempted = time.time()
            raw = self._openai.batches.with_raw_response.create(
                input_file_id=input_file_id,
                endpoint=CHAT,
                completion_window="24h",
                metadata={NONCE: batch.nonce},
            )
            return self._parse(ProviderBatch, raw.text).id

        return self._with_retries(send, self._no_batch_api("/batches"))

    def find(self, batch: OpenBatch, input_file_id: str) -> str | None:
        """Return the id of a batch if the provider created it, else None."""
        return self._with_retries(lambda: self._find(batch, input_file_id, batch.created_at))

    def retrieve(self, batch: OpenBatch) -> ProviderBatch:
        """Return an open batch as it is at the provider."""
        return self._with_retries(lambda: self._retrieve(batch), self._unknown(batch))

    def try_retrieve(self, batch: OpenBatch) -> ProviderBatch | None:
        """Return an open batch as it is at the provider; None if the provider fails for a passing reason."""
        try:
            return self._call(lambda: self._retrieve(batch), self._unknown(batch))
        except PassingCallError:
            return None

    def download(self, batch: OpenBatch, file_id: str, target: IO[bytes]) -> None:
        """Write a file of results to `target`."""

        def read() -> None:
            target.seek(0)
            target.truncate()
            with self._openai.files.with_streaming_response.content(file_id) as response:
                for piece in response.iter_bytes():
                    target.write(piece)

        self._with_retries(read, self._unknown(batch))

    def _retrieve(self, batch: OpenBatch) -> ProviderBatch:
        return self._parse(ProviderBatch, self._openai.batches.with_raw_response.retrieve(batch.id or "").text)

    def _find(self, batch: OpenBatch, input_file_id: str, created_at: float) -> str | None:
        """Return the id of a batch that may have been created at this Unix time, else None."""
        while True:
            for listed in self._list(created_at - CLOCK_SKEW):
                if (listed.metadata or {}).get(NONCE) == batch.nonce or listed.input_file_id == input_file_id:
                    return listed.id
            left = created_at + self.polling.listing_lag - time.time()
            if left <= 0:
                return None
            time.sleep(min(left, self.polling.first_wait))

    def _list(self, since: float) -> Iterator[ProviderBatch]:
        """Yield the provider's batches, from the newest to those before the Unix time `since`."""
        after: str | None = None
        while True:
            cursor = openai.omit if after is None else after
            page = self._parse(_BatchPage, self._openai.batches.with_raw_response.list(limit=PAGE, after=cursor).text)
            yield from page.data
            if not page.has_more or not page.data or (page.data[-1].created_at or since) < since:
                return
            after = page.data[-1].id

    def _parse(self, model: type[M], text: str) -> M:
        try:
            return model.model_validate_json(text)
        except ValidationError as error:
            raise PassingCallError(
                self.without_key(
                    f"{self.endpoint.base_url} returned no valid {model.__name__.strip('_')} "
                    f"({error.errors()[0]['msg']}): {text[:200]!r}"
                )
            ) from None

    def _with_retries(self, do: Callable[[], T], missing: str | None = None) -> T:
        policy = self._retry_policy
        retrying = Retrying(
            retry=retry_if_exception_type(PassingCallError),
            stop=stop_after_attempt(policy.max_attempts),
            wait=self._wait,
            reraise=True,
        )
        try:
            value: T = retrying(self._call, do, missing)
        except PassingCallError as error:
            raise RunStoppedError(f"{error} ({policy.max_attempts} attempts); run again later") from None
        return value

    def _call(self, do: Callable[[], T], missing: str | None = None) -> T:
        """Return the value of a call; `missing` is the message if the provider has no such path or object.

        Raises:
            PassingCallError: The next attempt may succeed.
            RunStoppedError: It will not.
        """
        address = self.endpoint.base_url
        try:
            return do()
        except openai.APIStatusError as error:
            status = error.status_code
            if missing is not None and status in ABSENT:
                raise RunStoppedError(f"HTTP {status} from {address}: {missing}") from None
            found = read_error(status, error.response.text)
            if found.scope != "transient":
                raise RunStoppedError(self.explain(found)) from None
            wait = retry_after_seconds(error.response.headers.get("retry-after"))
            raise PassingCallError(self.without_key(f"{address}: {found.message}"), wait) from None
        except (openai.APIConnectionError, httpx2.TransportError) as error:
            cause = error.__cause__ or error
            raise PassingCallError(self.without_key(f"no answer from {address}: {cause!r}")) from None

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, PassingCallError) else None
        return max(self._backoff(state), min(asked or 0.0, self._retry_policy.max_retry_after))

    def _no_batch_api(self, path: str) -> str:
        return f"this provider has no Batch API ({path}); remove {self.endpoint.section}.client.batch"

    def _unknown(self, batch: OpenBatch) -> str:
        return (
            f"batch {batch.id} or its results are not there; use the API key of the account that created it "
            f"({self.endpoint.api_key_env}), or remove {batch.path} to send and pay its {len(batch.keys):,} requests "
            "again"
        )
