"""Fill a journal by batches: send what is needed as one batch, wait for it, journal its answers, and begin again.

The journal's lock is held while batches are created or collected, and released while they are awaited: several jobs may
wait at once, and each request is in one open batch at most. What is in flight is on disk, so a killed run is continued
by the next one as by itself.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from tempfile import TemporaryFile

from tqdm import tqdm

from r1k.files import HeldLock
from r1k.teacher.batch.collect import BatchCollector
from r1k.teacher.batch.open_batches import OpenBatch, OpenBatches, PlannedRequest
from r1k.teacher.batch.progress import BatchProgress
from r1k.teacher.batch.provider import DEFAULT_POLLING, BatchProvider
from r1k.teacher.batch.results import request_line
from r1k.teacher.budget import Budget, LimitedRequest
from r1k.teacher.client import DEFAULT_RETRIES, Endpoint, RetryPolicy
from r1k.teacher.journal import Journal, RunStoppedError

MAX_REQUESTS, MAX_BYTES = 50_000, 200_000_000
"""OpenAI's limits of a batch and of its file."""

Needed = Callable[[BatchProgress], Iterable[PlannedRequest]]
"""Returns the requests that the journal does not answer and that do not depend on missing answers."""


def run_batches(
    endpoint: Endpoint,
    journal: Journal,
    held: HeldLock,
    budget: Budget,
    needed: Needed,
    retry_policy: RetryPolicy | None = None,
) -> tuple[str | None, BatchProgress]:
    """Send what is `needed` through the endpoint's Batch API until nothing is.

    `held` is the journal's lock. Returns why the run stopped early, or None; and what became of the requests.
    """
    retry_policy = retry_policy or DEFAULT_RETRIES
    with BatchProvider(endpoint, retry_policy, DEFAULT_POLLING) as provider:
        batches = BatchRun(provider, journal, held, budget, retry_policy)
        return batches.run(needed), batches.progress


class BatchRun:
    """A run that fills a journal through the Batch API. The caller holds the journal's lock."""

    def __init__(
        self,
        provider: BatchProvider,
        journal: Journal,
        held: HeldLock,
        budget: Budget,
        retry_policy: RetryPolicy,
    ) -> None:
        self._provider = provider
        self._journal = journal
        self._held = held
        self._budget = budget
        self._open = OpenBatches(journal.path)
        self._collector = BatchCollector(provider, journal, self._open, budget.prices, retry_policy)
        self._max_requests: int | None = None
        """The most requests in flight, once the provider's queue was full; None before that."""

    def run(self, needed: Needed) -> str | None:
        """Send batches until nothing is needed; return why the run stopped early, or None.

        Ended batches of earlier runs are collected first. An early stop leaves batches in flight at the provider.
        """
        try:
            self._collector.collect_ended()
            while True:
                self._back_off()
                wanted = {each.key: each for each in needed(self.progress)}
                awaited = self._holding(wanted)
                awaited += self._send(wanted, awaited)
                if not awaited:
                    return None
                with self._held.released():
                    self._wait(awaited)
                self._journal.refresh()
                try:
                    self._collector.collect_ended(wanted.keys())
                finally:
                    self._note_answers(wanted, awaited)
        except RunStoppedError as error:
            return f"{error}{self._left_text()}"
        except KeyboardInterrupt:
            return f"interrupted{self._left_text()}"

    @property
    def progress(self) -> BatchProgress:
        """What became of the requests."""
        return self._collector.progress

    def _back_off(self) -> None:
        """Wait before requests that failed for a passing reason are sent again."""
        seconds = self._collector.take_backoff()
        if seconds:
            with self._held.released():
                time.sleep(seconds)
            self._journal.refresh()

    def _holding(self, wanted: Mapping[str, PlannedRequest]) -> list[OpenBatch]:
        """Return the open batches that hold requests that are wanted."""
        found = self._open.holding(wanted.keys())
        for batch in found:
            if batch.provider != self._provider.identity:
                raise RunStoppedError(
                    f"{batch.text} with the key in {batch.intent.api_key_env} holds "
                    f"{len(wanted.keys() & batch.keys):,} of these requests; use that base_url and api_key_env to "
                    f"collect its answers, or remove {batch.path} to send and pay them again"
                )
        return found

    def _send(self, wanted: Mapping[str, PlannedRequest], awaited: Sequence[OpenBatch]) -> list[OpenBatch]:
        """Create batches of what is wanted and not in flight, as far as queue and ceiling have room; return them.

        If the queue was full, return the batches of other jobs instead, because room is there when one has ended.
        """
        in_flight = wanted.keys() & frozenset[str]().union(*(batch.keys for batch in awaited))
        new = [each for key, each in wanted.items() if key not in in_flight]
        full = self._collector.take_queue_refusal()
        if full is not None:
            known = {batch.nonce for batch in awaited}
            others = [batch for batch in self._here() if batch.nonce not in known]
            if awaited or others:
                return others
            if full.num_requests == 1:
                raise RunStoppedError(f"{full.text}; the queue has no room for one request: run again later")
            self._max_requests = full.num_requests // 2
        if self._max_requests is not None:
            new = [] if awaited else new[: self._max_requests]
        fitting = self._budget.count_that_fit(_limited(wanted[key] for key in in_flight), _limited(new))
        if fitting < len(new):
            _say(
                f"{len(new) - fitting:,} requests wait for the answers before them: the ceiling of "
                f"{self._budget.ceiling_text} has no room for all at their maximum cost"
            )
        return [self._create(part) for part in _split(new[:fitting])]

    def _create(self, part: Sequence[tuple[PlannedRequest, bytes]]) -> OpenBatch:
        """Return the batch of these requests and their lines, once the provider has created it."""
        requests = [each for each, _ in part]
        batch = self._open.add(self._provider.identity, requests)
        with TemporaryFile(dir=batch.path.parent) as file:
            file.writelines(line for _, line in part)
            try:
                input_file_id = self._provider.upload(file, f"r1k-{batch.nonce}.jsonl")
            except RunStoppedError:
                self._open.remove(batch)
                raise
        batch = self._open.set_ids(batch, input_file_id)
        batch = self._open.set_ids(batch, input_file_id, self._provider.create(batch, input_file_id))
        _say(
            f"batch {batch.id}: {len(requests):,} requests, at most {self._budget.max_cost_text(_limited(requests))}; "
            "if this run ends early, a rerun collects the answers"
        )
        return batch

    def _wait(self, batches: Sequence[OpenBatch]) -> None:
        """Wait until one of the batches has ended."""
        polling = self._provider.polling
        wait, heard = polling.first_wait, time.monotonic()
        done = dict.fromkeys(batches, 0)
        total = sum(len(batch.keys) for batch in batches)
        with tqdm(total=total, desc=self._provider.endpoint.model, unit="request", leave=False) as progress:
            while True:
                for batch in batches:
                    found = self._provider.try_retrieve(batch)
                    if found is None:
                        continue
                    heard = time.monotonic()
                    if found.ended:
                        return
                    done[batch] = found.num_done
                progress.n = sum(done.values())
                progress.set_postfix_str(self._budget.spent_text)
                if time.monotonic() - heard > polling.max_silence:
                    address = self._provider.endpoint.base_url
                    raise RunStoppedError(f"{address} sent no status of a batch for {polling.max_silence:.0f} s")
                time.sleep(wait)
                wait = min(polling.max_wait, wait * polling.growth)

    def _note_answers(self, wanted: Mapping[str, PlannedRequest], awaited: Sequence[OpenBatch]) -> None:
        """Note which wanted requests the awaited batches have answered, whichever process collected them."""
        for batch in awaited:
            for key in wanted.keys() & batch.keys:
                entry = self._journal.get(key)
                if entry is not None and entry.batch == batch.id:
                    self.progress.answered.add(key)
                    self.progress.num_new += 1

    def _here(self) -> list[OpenBatch]:
        return [batch for batch in self._open if batch.provider == self._provider.identity]

    def _left_text(self) -> str:
        left = [f"  batch {batch.id or '(not confirmed)'}: {len(batch.keys):,} requests" for batch in self._here()]
        if not left:
            return ""
        return "\n".join(["", f"In flight at {self._provider.endpoint.base_url}; a rerun collects the answers:", *left])


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _limited(requests: Iterable[PlannedRequest]) -> list[LimitedRequest]:
    return [(each.request, each.max_tokens) for each in requests]


def _split(requests: Sequence[PlannedRequest]) -> Iterator[list[tuple[PlannedRequest, bytes]]]:
    """Yield the requests with their lines, in parts that a batch can hold."""
    part: list[tuple[PlannedRequest, bytes]] = []
    size = 0
    for each in requests:
        line = request_line(each)
        if part and (len(part) == MAX_REQUESTS or size + len(line) > MAX_BYTES):
            yield part
            part, size = [], 0
        part.append((each, line))
        size += len(line)
    if part:
        yield part
