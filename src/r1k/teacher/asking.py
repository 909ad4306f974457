"""Requests that do not wait for one another's answers: each is asked once, and its answer journalled as it arrives."""

import asyncio
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from r1k.config import Server
from r1k.errors import TeacherError
from r1k.files import exclusive
from r1k.teacher import outcome
from r1k.teacher.answers import Terms
from r1k.teacher.budget import Budget
from r1k.teacher.client import PATIENT, Client, Endpoint, Patience
from r1k.teacher.endpoints import budget_of, remote_endpoint
from r1k.teacher.journal import Entry, Journal, Request, RunStoppedError

Named = tuple[str, Request]


@dataclass(frozen=True)
class Answered:
    """The answers to all requests."""

    entries: Mapping[str, Entry]
    """By the requests' names."""
    bought: int
    """Those that the journal lacked."""
    budget: Budget


@dataclass
class _Asking:
    """One run: where the answers are kept, and which requests failed and why."""

    journal: Journal
    terms: Terms
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

    async def ask(self, pending: Sequence[Named], endpoint: Endpoint, patience: Patience, unit: str) -> str | None:
        """Fill the journal; return why the run was stopped, if it was."""
        queue = iter(pending)
        with tqdm(total=len(pending), desc=endpoint.model, unit=unit) as progress:
            async with Client(endpoint, patience, self.budget) as client, asyncio.TaskGroup() as workers:
                for _ in range(min(endpoint.concurrency, len(pending))):
                    workers.create_task(self._work(queue, client, progress))
        return client.stop_reason

    async def _work(self, queue: Iterator[Named], client: Client, progress: tqdm) -> None:
        for name, request in queue:
            try:
                entry = await client.complete(request, self.terms.limit(self.journal.get(request.key)))
                await asyncio.to_thread(self.journal.append, entry)
                self.bought += 1
            except RunStoppedError as error:
                client.stop(f"{name}: {error}")
            except TeacherError as error:
                self.failures[name] = str(error)
            progress.set_postfix_str(self.budget.spent, refresh=False)
            progress.update()
            if client.stop_reason is not None:
                return


def ask_all(
    server: Server,
    section: str,
    requests: Mapping[str, Request],
    journal: Path,
    patience: Patience = PATIENT,
    unit: str = "answer",
) -> Answered:
    """The answers to named requests to the server of a `section` of the config; equal requests are one.

    Only what the journal lacks is asked for; with nothing to ask, neither server nor key is needed. An answer may be
    cut or a refusal: who asked decides what to make of it. TeacherError where requests have no answer in the end; what
    was answered stays in the journal, and a rerun asks for the rest alone.
    """
    with exclusive(journal.with_name(f"{journal.name}.lock"), f"asking into {journal}"), Journal(journal) as book:
        terms = Terms(max_tokens=server.max_tokens, leave_out_refused=True)
        asking = _Asking(book, terms, budget_of(server.asking, section))
        pending = asking.plan(requests)
        if pending:
            endpoint = remote_endpoint(server, section)
            print(
                outcome.estimate(len(pending), server.max_tokens, asking.budget, section), file=sys.stderr, flush=True
            )
            stopped = asyncio.run(asking.ask(pending, endpoint, patience, unit))
            if stopped is not None:
                raise TeacherError(outcome.stopped(stopped, asking.bought, journal, asking.failures))
            if asking.failures:
                raise TeacherError(outcome.unanswered(asking.failures, len(pending), journal))
        entries = {name: _kept(book, request) for name, request in requests.items()}
        return Answered(entries, asking.bought, asking.budget)


def _kept(journal: Journal, request: Request) -> Entry:
    entry = journal.get(request.key)
    if entry is None:
        raise TeacherError(f"{journal.path}: lost the answer to {request.key}; run again")
    return entry
