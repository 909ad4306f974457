"""Requests that do not wait for one another's answers: each is asked once, and its answer journalled as it arrives."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from r1k.config import EmbeddedTeacher, ReplayTeacher, Server
from r1k.errors import TeacherError
from r1k.files import exclusive
from r1k.teacher import messages
from r1k.teacher.answers import AcceptancePolicy
from r1k.teacher.budget import Budget
from r1k.teacher.client import DEFAULT_RETRIES, ChatClient, Endpoint, RetryPolicy
from r1k.teacher.endpoints import budget_of, endpoint_of
from r1k.teacher.journal import Entry, Journal, Request, RunStoppedError

Named = tuple[str, Request]
T = TypeVar("T")


@dataclass(frozen=True)
class Answered:
    """The answers to all requests."""

    entries: Mapping[str, Entry]
    """By the requests' names."""
    bought: int
    """Those that the journal lacked."""
    budget: Budget


@dataclass
class _RequestRun:
    """One run: where the answers are kept, and which requests failed and why."""

    journal: Journal
    terms: AcceptancePolicy
    budget: Budget
    bought: int = 0
    failures: dict[str, str] = field(default_factory=dict)

    def plan(self, requests: Mapping[str, Request]) -> list[Named]:
        """What has to be asked, each request under its first name; what the journal's answers cost is counted."""
        pending: list[Named] = []
        seen: set[str] = set()
        for name, request in requests.items():
            if request.key in seen:
                continue
            seen.add(request.key)
            entry = self.journal.get(request.key)
            if entry is not None:
                self.budget.count(entry)
            if self.terms.asks(entry):
                pending.append((name, request))
        return pending

    async def ask(self, pending: Sequence[Named], endpoint: Endpoint, patience: RetryPolicy, unit: str) -> str | None:
        """Fill the journal; return why the run was stopped, if it was."""
        with tqdm(total=len(pending), desc=endpoint.model, unit=unit) as progress:
            async with ChatClient(endpoint, patience, self.budget) as client:
                return await work_through(pending, self._answer, self.failures.__setitem__, client, progress)

    async def _answer(self, client: ChatClient, request: Request) -> None:
        entry = await client.complete(request, self.terms.limit(self.journal.get(request.key)))
        await asyncio.to_thread(self.journal.append, entry)
        self.bought += 1


async def work_through(
    items: Sequence[tuple[str, T]],
    do: Callable[[ChatClient, T], Awaitable[None]],
    failed: Callable[[str, str], None],
    client: ChatClient,
    progress: tqdm,
) -> str | None:
    """Do each named item, as many at once as the endpoint allows; return why the run was stopped, if it was.

    `failed` is told the name of an item that failed, and why. A stopped run begins no item, and waits for the requests
    in flight: they are paid for.
    """
    queue = iter(items)

    async def worker() -> None:
        for name, item in queue:
            try:
                await do(client, item)
            except RunStoppedError as error:
                client.stop(f"{name}: {error}")
                progress.set_description("stopping, when the answers in flight are here")
            except TeacherError as error:
                failed(name, str(error))
            progress.set_postfix_str(client.budget.spent, refresh=False)
            progress.update()
            if client.stop_reason is not None:
                return

    async with asyncio.TaskGroup() as workers:
        for _ in range(min(client.endpoint.concurrency, len(items))):
            workers.create_task(worker())
    return client.stop_reason


def make_requests(asked: Mapping[str, T], make: Callable[[T], Request]) -> tuple[dict[str, Request], dict[str, str]]:
    """The request of each by its name, and why those that hold the prompt's own delimiters have none."""
    requests: dict[str, Request] = {}
    unasked: dict[str, str] = {}
    for name, what in asked.items():
        try:
            requests[name] = make(what)
        except TeacherError as error:
            unasked[name] = str(error)
    return requests, unasked


def ask_all(
    server: Server | EmbeddedTeacher | ReplayTeacher,
    section: str,
    requests: Mapping[str, Request],
    journal: Path,
    patience: RetryPolicy = DEFAULT_RETRIES,
    unit: str = "answer",
    spent_before: tuple[float, int] = (0.0, 0),
) -> Answered:
    """The answers to named requests to the server of a `section` of the config; equal requests are one.

    `spent_before` are dollars and tokens of other answers that count under the same ceiling.

    Only what the journal lacks is asked for; with nothing to ask, neither server nor key is needed. An answer may be
    cut or a refusal: who asked decides what to make of it. TeacherError where requests have no answer in the end; what
    was answered stays in the journal, and a rerun asks for the rest alone.
    """
    with exclusive(journal.with_name(f"{journal.name}.lock"), f"requests into {journal}"), Journal(journal) as book:
        limit = server.max_tokens if isinstance(server, Server) else None
        budget = budget_of(server.client, section) if isinstance(server, Server) else Budget(section=section)
        budget.dollars_before, budget.tokens_before = spent_before
        run = _RequestRun(book, AcceptancePolicy(max_tokens=limit, skip_refused=True), budget)
        pending = run.plan(requests)
        if pending:
            if isinstance(server, Server):
                print(messages.estimate(len(pending), limit, budget, section), file=sys.stderr, flush=True)
            with endpoint_of(server, section) as endpoint:
                stopped = asyncio.run(run.ask(pending, endpoint, patience, unit))
            if stopped is not None:
                raise TeacherError(messages.stopped(stopped, run.bought, journal, run.failures))
            if run.failures:
                raise TeacherError(messages.unanswered(run.failures, len(pending), journal))
        entries = {name: book.kept(request) for name, request in requests.items()}
        return Answered(entries, run.bought, run.budget)
