"""Collect ended batches: their answers go to the journal, and their failures are judged."""

import sys
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
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
class QueueRefusal:
    """A batch that failed because too much waits at the provider."""

    num_requests: int
    text: str


class BatchCollector:
    """Collects the batches of one provider into a journal."""

    def __init__(
        self,
        provider: BatchProvider,
        journal: Journal,
        open_batches: OpenBatches,
        prices: Prices,
        retry_policy: RetryPolicy,
    ) -> None:
        self.progress = BatchProgress()
        self._provider = provider
        self._journal = journal
        self._open = open_batches
        self._prices = prices
        self._retry_policy = retry_policy
        self._wanted: Collection[str] = ()
        self._attempts: Counter[str] = Counter()
        """Failed attempts, by the requests' keys."""
        self._backoff = 0.0
        self._queue_refusal: QueueRefusal | None = None

    def take_backoff(self) -> float:
        """Return the seconds to wait after the failures since the last call."""
        seconds, self._backoff = self._backoff, 0.0
        return seconds

    def take_queue_refusal(self) -> QueueRefusal | None:
        """Return the last batch since the last call for which the provider's queue had no room, or None."""
        refusal, self._queue_refusal = self._queue_refusal, None
        return refusal

    def collect_ended(self, wanted: Collection[str] = ()) -> None:
        """Journal the answers of all batches here that have ended, and forget these batches.

        `wanted` holds the keys of the requests of this run. Failures of other requests are left to those who send them.

        Raises:
            RunStoppedError: A batch or a request of this run failed for a reason that is true of every request.
        """
        self._wanted = wanted
        for batch in self._open:
            if batch.provider != self._provider.identity:
                continue
            created = self._created(batch)
            if created is None:
                self._open.remove(batch)
                continue
            found = self._provider.retrieve(created)
            if found.ended:
                self._collect(created, found)

    def _created(self, batch: OpenBatch) -> OpenBatch | None:
        """Return a batch with its id, or None if the provider did not create it."""
        if batch.ids is None or batch.id is not None:
            return None if batch.ids is None else batch
        found = self._provider.find(batch, batch.ids.input_file_id)
        return None if found is None else self._open.set_ids(batch, batch.ids.input_file_id, found)

    def _collect(self, batch: OpenBatch, found: ProviderBatch) -> None:
        """Journal the answers of an ended batch, forget it, and act on its failures.

        A second collection, after a kill, skips what the journal has of it.
        """
        requests = batch.requests()
        if found.failed:
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
            self._stop(requests, rejected)
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
                self._stop([each.key], f"{each.name}: {self._provider.explain(error)}")
        policy = self._retry_policy
        for each, error in failures:
            self._attempts[each.key] += 1
            attempts = self._attempts[each.key]
            self._backoff = max(self._backoff, min(policy.max_wait, policy.initial_wait * 2 ** (attempts - 1)))
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
        if any(problem.code == QUEUE_FULL for problem in found.problems):
            self._queue_refusal = QueueRefusal(len(requests), self._problem_text(found.problems[0], requests))
            _say(self._queue_refusal.text)
            return
        if problems and all(error.scope == "transient" for _, error in problems):
            self._on_failures([(each, problems[0][1]) for each in requests])
            return
        texts = [self._problem_text(problem, requests) for problem in found.problems[:MAX_PROBLEMS]]
        more = f" (and {len(problems) - MAX_PROBLEMS} more)" if len(problems) > MAX_PROBLEMS else ""
        error = problems[0][1] if problems else ProviderError("run", "unknown", "")
        self._stop(
            batch.keys,
            f"batch {found.id} failed: {'; '.join(texts) or 'the provider gives no reason'}{more}; "
            f"{self._provider.remedy(error)}",
        )

    def _stop(self, keys: Iterable[str], reason: str) -> None:
        """Raise RunStoppedError if one of the requests is of this run."""
        if any(key in self._wanted for key in keys):
            raise RunStoppedError(reason)

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
