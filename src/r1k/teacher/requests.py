"""Send independent requests: each is sent once, and its answer is journalled as it arrives."""

import asyncio
import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from r1k.config import EmbeddedTeacher, OpenAITeacher, ReplayTeacher, Server
from r1k.errors import TeacherError
from r1k.files import HeldLock, exclusive
from r1k.teacher import messages
from r1k.teacher.answers import AcceptancePolicy, defect
from r1k.teacher.batch.open_batches import OpenBatches, PlannedRequest
from r1k.teacher.batch.progress import NOTHING_SENT, BatchProgress
from r1k.teacher.batch.run import run_batches
from r1k.teacher.budget import Budget
from r1k.teacher.client import DEFAULT_RETRIES, ChatClient, Endpoint, RetryPolicy
from r1k.teacher.endpoints import make_budget, open_endpoint
from r1k.teacher.journal import Journal, JournalEntry, Request, RunStoppedError
from r1k.teacher.journal_writer import JournalWriter

T = TypeVar("T")


@dataclass(frozen=True)
class RequestResults:
    """The answers to all requests."""

    entries: Mapping[str, JournalEntry]
    """Answers by the requests' names."""
    num_new: int
    """Number of answers that the journal lacked."""
    budget: Budget


@dataclass
class _RequestRun:
    """One run: its journal, and which requests failed and why."""

    journal: Journal
    policy: AcceptancePolicy
    budget: Budget
    writer: JournalWriter
    num_new: int = 0
    failures: dict[str, str] = field(default_factory=dict)

    def plan(self, requests: Mapping[str, Request], progress: BatchProgress = NOTHING_SENT) -> list[PlannedRequest]:
        """Return the requests to send, each under its first name, and count the cost of the journal's answers."""
        pending: list[PlannedRequest] = []
        seen: set[str] = set()
        for name, request in requests.items():
            key = request.key
            if key in seen:
                continue
            seen.add(key)
            entry = self.journal.get(key)
            if entry is not None:
                self.budget.add_once(entry)
            if key in progress.failed:
                self.failures[name] = progress.failed[key]
            elif progress.needs_request(self.policy, key, entry):
                limit = self.policy.next_max_tokens(entry)
                pending.append(PlannedRequest(name=name, request=request, max_tokens=limit))
        return pending

    def send_batches(
        self, requests: Mapping[str, Request], endpoint: Endpoint, held: HeldLock, retry_policy: RetryPolicy
    ) -> str | None:
        """Journal the answers of the provider's Batch API; return why the run stopped early, or None."""
        stopped, progress = run_batches(
            endpoint, self.journal, held, self.budget, lambda progress: self.plan(requests, progress), retry_policy
        )
        self.num_new = progress.num_new
        return stopped

    async def send(
        self, pending: Sequence[PlannedRequest], endpoint: Endpoint, retry_policy: RetryPolicy, unit: str
    ) -> str | None:
        """Send the requests, and journal the answers; return why the run stopped early, or None."""
        named = [(each.name, each.request) for each in pending]
        with tqdm(total=len(pending), desc=endpoint.model, unit=unit) as progress:
            async with ChatClient(endpoint, retry_policy, self.budget) as client:
                return await run_workers(named, self._answer, self.failures.__setitem__, client, progress)

    async def _answer(self, client: ChatClient, request: Request) -> None:
        await complete_into(self.journal, self.writer, client, request, self.policy)
        self.num_new += 1


async def complete_into(
    journal: Journal, writer: JournalWriter, client: ChatClient, request: Request, policy: AcceptancePolicy
) -> JournalEntry:
    """Send a request with the policy's limit, and return its answer once it is in the journal.

    Raises:
        TeacherError: The request failed; or the server refuses the higher limit with which a truncated answer is
            requested again, so that the truncated one stays in the journal.
    """
    known = journal.get(request.key)
    limit = policy.next_max_tokens(known)
    entry = await client.complete(request, limit)
    if known is not None and known.truncated and entry.finish_kind in ("too_long", "rejected"):
        section = client.endpoint.section
        raise TeacherError(
            f"{request.prompt_name}: {defect(known)}, and the server refuses a limit of {limit}: {entry.refusal}; "
            f"lower {section}.max_tokens or max_tokens_cap, or use a model with a longer context"
        )
    await writer.append(entry)
    return entry


async def run_workers(
    items: Sequence[tuple[str, T]],
    do: Callable[[ChatClient, T], Awaitable[None]],
    failed: Callable[[str, str], None],
    client: ChatClient,
    progress: tqdm,
) -> str | None:
    """Do each named item, with the endpoint's concurrency; return why the run stopped early, or None.

    `failed` gets the name of each failed item and the reason, even for an error that is a defect of this program: no
    item takes the others down. A stopped run starts no item, and waits for the requests in flight, because they are
    paid for.
    """
    queue = iter(items)

    async def worker() -> None:
        for name, item in queue:
            try:
                await do(client, item)
            except RunStoppedError as error:
                client.stop(f"{name}: {error}")
                progress.set_description("stopping after the requests in flight")
            except TeacherError as error:
                failed(name, str(error))
            except Exception as error:  # noqa: BLE001 - reported; the requests in flight are paid for
                failed(name, _unexpected(error))
            progress.set_postfix_str(client.budget.spent_text, refresh=False)
            progress.update()
            if client.stop_reason is not None:
                return

    async with asyncio.TaskGroup() as workers:
        for _ in range(min(client.endpoint.concurrency, len(items))):
            workers.create_task(worker())
    return client.stop_reason


def _unexpected(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"unexpected {type(error).__name__}: {str(error)[:500]} (at {Path(frame.filename).name}:{frame.lineno}); the "
        "other requests went on; run again, and report this if it recurs"
    )


def build_requests(items: Mapping[str, T], make: Callable[[T], Request]) -> tuple[dict[str, Request], dict[str, str]]:
    """Return the requests by name, and by name the errors of texts that contain the prompt's own delimiters."""
    requests: dict[str, Request] = {}
    errors: dict[str, str] = {}
    for name, item in items.items():
        try:
            requests[name] = make(item)
        except TeacherError as error:
            errors[name] = str(error)
    return requests, errors


def request_all(
    server: Server | EmbeddedTeacher | ReplayTeacher,
    section: str,
    requests: Mapping[str, Request],
    journal: Path,
    retry_policy: RetryPolicy = DEFAULT_RETRIES,
    unit: str = "answer",
    prior_spend: tuple[float, int] = (0.0, 0),
) -> RequestResults:
    """Return the answers to named requests to the server of a `section` of the config.

    Equal requests are sent once, and requests that the journal answers are not sent; if it has all of them, neither
    server nor key is needed. An answer may be truncated or a refusal; the caller decides about it. `prior_spend` holds
    the US dollars and tokens of other answers that count towards the same ceiling.

    Raises:
        TeacherError: Requests failed; the journal keeps the answers received, and a rerun sends only the rest.
    """
    lock = exclusive(journal.with_name(f"{journal.name}.lock"), f"requests into {journal}")
    with lock as held, Journal(journal) as opened:
        limit = server.max_tokens if isinstance(server, Server) else None
        budget = make_budget(server.client, section) if isinstance(server, Server) else Budget(section=section)
        budget.prior_dollars, budget.prior_tokens = prior_spend
        repeat_malformed = isinstance(server, OpenAITeacher) and server.on_malformed == "fail"
        policy = AcceptancePolicy(limit, skip_refused=True, skip_malformed=not repeat_malformed)
        run = _RequestRun(opened, policy, budget, JournalWriter(opened))
        pending = run.plan(requests)
        if pending:
            if isinstance(server, Server):
                print(messages.estimate(len(pending), limit, budget, section), file=sys.stderr, flush=True)
            with open_endpoint(server, section) as endpoint:
                if isinstance(server, Server) and server.client.batch:
                    stopped = run.send_batches(requests, endpoint, held, retry_policy)
                else:
                    OpenBatches(journal).refuse({each.key for each in pending}, section)
                    stopped = asyncio.run(run.send(pending, endpoint, retry_policy, unit))
            if stopped is not None:
                raise TeacherError(messages.stopped(stopped, run.num_new, journal, run.failures))
            if run.failures:
                raise TeacherError(messages.unanswered(run.failures, len(pending), journal))
        entries = {name: opened.answer_to(request) for name, request in requests.items()}
        remarks = messages.AnswerRemarks()
        for entry in entries.values():
            remarks.add(entry)
        remarks.say()
        return RequestResults(entries, run.num_new, run.budget)
