"""Collect ended batches: their answers go to the journal, and their failures are judged."""

import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from r1k.teacher.answers import defect
from r1k.teacher.batch.open_batches import OpenBatch, OpenBatches, PlannedRequest
from r1k.teacher.batch.progress import BatchProgress
from r1k.teacher.batch.provider import BatchProblem, BatchProvider, ProviderBatch
from r1k.teacher.batch.results import LEFT_OUT, read_results
from r1k.teacher.budget import Prices
from r1k.teacher.client import RetryPolicy
from r1k.teacher.journal import Journal, JournalEntry, RunStoppedError
from r1k.teacher.protocol.entries import refusal_entry
from r1k.teacher.protocol.provider_errors import ProviderError

QUEUE_FULL = "token_limit_exceeded"
"""Code of a batch that failed because too many tokens wait at the provider."""
MAX_PROBLEMS = 3
"""Problems of a failed batch that a message names."""
JOURNALLED_AT_ONCE = 500
"""Answers per write of the journal."""


@dataclass(frozen=True)
class Polling:
    """How often a batch is looked at, in seconds."""

    first_wait: float = 1.0
    max_wait: float = 60.0
    growth: float = 1.5
    max_silence: float = 3600.0
    """After this many seconds without an answer of the provider, the run stops."""
    listing_lag: float = 10.0
    """A batch may be missing in the provider's list for this long after its creation."""


DEFAULT_POLLING = Polling()


class BatchCollector:
    """Collects the batches of one provider into a journal."""

    def __init__(
        self,
        provider: BatchProvider,
        journal: Journal,
        open_batches: OpenBatches,
        prices: Prices,
        retry_policy: RetryPolicy,
        polling: Polling,
    ) -> None:
        self.progress = BatchProgress()
        self.max_requests: int | None = None
        """The most requests in flight, once the provider's queue was full; None before that."""
        self._provider = provider
        self._journal = journal
        self._open = open_batches
        self._prices = prices
        self._retry_policy = retry_policy
        self._polling = polling
        self._attempts: Counter[str] = Counter()
        """Failed attempts, by the requests' keys."""
        self._backoff = 0.0

    def take_backoff(self) -> float:
        """Return the seconds to wait after the failures since the last call."""
        seconds, self._backoff = self._backoff, 0.0
        return seconds

    def collect_ended(self) -> None:
        """Journal the answers of all batches here that have ended, and forget these batches.

        Raises:
            RunStoppedError: A batch or a request failed for a reason that is true of every request.
        """
        for batch in self._open:
            if batch.provider != self._provider.identity:
                continue
            identified = batch if batch.id is not None else self._identify(batch)
            if identified is None:
                continue
            found = self._provider.retrieve(identified)
            if found.ended:
                self._collect(identified, found)

    def _identify(self, batch: OpenBatch) -> OpenBatch | None:
        """Return a batch with its id; forget it and return None if the provider did not create it."""
        while True:
            found = self._provider.find(batch.nonce, batch.created_at)
            if found is not None:
                return self._open.set_id(batch, found)
            left = batch.created_at + self._polling.listing_lag - time.time()
            if left <= 0:
                break
            time.sleep(min(left, self._polling.first_wait))
        self._open.remove(batch)
        return None

    def _collect(self, batch: OpenBatch, found: ProviderBatch) -> None:
        """Journal the answers of an ended batch, forget it, and act on its failures.

        A second collection, after a kill, skips what the journal has of it.
        """
        requests = batch.requests()
        if found.status == "failed":
            self._on_failed_batch(batch, found, list(requests.values()))
            return
        failures: dict[str, ProviderError] = {}
        refusals: dict[str, JournalEntry] = {}
        answered: set[str] = set()
        entries: list[JournalEntry] = []
        folder = self._journal.path.parent
        for key, result in read_results(self._provider, batch, found, requests, self._prices, folder):
            if isinstance(result, ProviderError):
                failures[key] = result
            elif not result.billed:
                refusals[key] = result
            elif key not in answered:
                answered.add(key)
                entries.append(result)
            if len(entries) == JOURNALLED_AT_ONCE:
                self._append(entries, found)
                entries = []
        for key, error in failures.items():
            if error.cause == "permission" and answered:  # the key has been accepted
                refusals[key] = self._refusal(requests[key], replace(error, scope="prompt", cause="unknown"), found)
        refused = [entry for key, entry in refusals.items() if key not in answered and not self._keeps_truncated(entry)]
        self._append(entries, found)
        rejected = self._rejection(refused, len(requests))
        if rejected is None:
            self._append(refused, found)
        self._open.remove(batch)
        if rejected is not None:
            raise RunStoppedError(rejected)
        done = answered | refusals.keys()
        self._on_failures([(each, failures.get(key, LEFT_OUT)) for key, each in requests.items() if key not in done])

    def _append(self, entries: Sequence[JournalEntry], found: ProviderBatch) -> None:
        """Journal the entries that the journal has not got from this batch."""
        known = {entry.key: self._journal.get(entry.key) for entry in entries}
        self._journal.append_all(
            [
                entry.model_copy(update={"batch": found.id})
                for entry in entries
                if (last := known[entry.key]) is None or last.batch != found.id
            ]
        )

    def _keeps_truncated(self, refusal: JournalEntry) -> bool:
        """Give up a request whose higher limit the provider refuses, and keep the truncated answer before it."""
        known = self._journal.get(refusal.key)
        if known is None or not known.truncated or refusal.finish_kind != "too_long":
            return False
        section = self._provider.endpoint.section
        self.progress.failed[refusal.key] = (
            f"{refusal.request.prompt_name}: {defect(known)}, and {refusal.max_tokens} tokens are too many for the "
            f"server: {refusal.refusal}; lower {section}.max_tokens or max_tokens_cap, or use a model with a longer "
            "context"
        )
        return True

    def _refusal(self, planned: PlannedRequest, error: ProviderError, found: ProviderBatch) -> JournalEntry:
        return refusal_entry(planned.request, planned.max_tokens, error, found.seconds, self._provider.endpoint.key)

    def _rejection(self, refused: Sequence[JournalEntry], num_requests: int) -> str | None:
        """Return why the run must stop if all requests were refused: a setting may be the reason. Else None."""
        kinds = {entry.finish_kind for entry in refused}
        enough = num_requests >= self._retry_policy.max_consecutive_failures and len(refused) == num_requests
        if self.progress.answered or not enough or not kinds <= {"too_long", "rejected"}:
            return None
        error = ProviderError("run", "context" if "too_long" in kinds else "unknown", "")
        return f"{refused[0].refusal}; all {num_requests:,} requests were refused; {self._provider.remedy(error)}"

    def _on_failures(self, failures: Sequence[tuple[PlannedRequest, ProviderError]]) -> None:
        """Stop at a failure of every request; count the others, and give up requests that failed too often."""
        for each, error in failures:
            if error.scope == "run":
                raise RunStoppedError(f"{each.name}: {self._provider.explain(error)}")
        policy = self._retry_policy
        for each, error in failures:
            self._attempts[each.key] += 1
            attempts = self._attempts[each.key]
            self._backoff = min(policy.max_wait, policy.initial_wait * 2 ** (attempts - 1))
            if attempts >= policy.max_attempts:
                reason = self._provider.without_key(error.message)
                self.progress.failed[each.key] = f"{reason} ({attempts} attempts); run again later"
        if failures:
            counts = Counter(error.message[:200] for _, error in failures).most_common(MAX_PROBLEMS)
            text = "; ".join(f"{number:,} x {message!r}" for message, number in counts)
            _say(self._provider.without_key(f"requests without an answer in an ended batch: {text}"))

    def _on_failed_batch(self, batch: OpenBatch, found: ProviderBatch, requests: Sequence[PlannedRequest]) -> None:
        """Forget a batch that the provider did not accept and of which it answers nothing; decide what follows.

        Raises:
            RunStoppedError: Every batch would fail.
        """
        problems = [(problem, problem.error) for problem in found.problems]
        refused = {
            planned.key: self._refusal(planned, error, found)
            for problem, error in problems
            if error.scope == "prompt" and error.cause != "unknown" and (planned := _at_line(problem, requests))
        }
        self._append(list(refused.values()), found)
        self._open.remove(batch)
        if problems and len(refused) == len(problems):
            return
        if any(problem.code == QUEUE_FULL for problem in found.problems) and len(requests) > 1:
            self.max_requests = len(requests) // 2
            _say(
                f"{self._problem_text(found.problems[0], requests)}; batches of at most "
                f"{self.max_requests:,} requests follow, one at a time"
            )
            return
        if problems and all(error.scope == "transient" for _, error in problems):
            self._on_failures([(each, problems[0][1]) for each in requests])
            return
        texts = [self._problem_text(problem, requests) for problem in found.problems[:MAX_PROBLEMS]]
        more = f" (and {len(problems) - MAX_PROBLEMS} more)" if len(problems) > MAX_PROBLEMS else ""
        error = problems[0][1] if problems else ProviderError("run", "unknown", "")
        raise RunStoppedError(
            f"batch {found.id} failed: {'; '.join(texts) or 'the provider gives no reason'}{more}; "
            f"{self._provider.remedy(error)}"
        )

    def _problem_text(self, problem: BatchProblem, requests: Sequence[PlannedRequest]) -> str:
        planned = _at_line(problem, requests)
        where = f"line {problem.line} ({planned.name}): " if planned else ""
        return self._provider.without_key(f"{where}{problem.message or problem.code or 'no message'}")


def _at_line(problem: BatchProblem, requests: Sequence[PlannedRequest]) -> PlannedRequest | None:
    """Return the request of the line that the problem names, if it names one."""
    line = problem.line or 0
    return requests[line - 1] if 1 <= line <= len(requests) else None


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
