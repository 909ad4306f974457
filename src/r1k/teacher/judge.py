"""A judge model, asked whether a reverse answer is consistent with the forward problem, where rules cannot tell."""

import asyncio
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from r1k import config
from r1k.errors import TeacherError
from r1k.files import exclusive
from r1k.records import Example
from r1k.teacher.answers import read
from r1k.teacher.client import Client, Endpoint
from r1k.teacher.endpoints import budget_of, remote_endpoint
from r1k.teacher.journal import Entry, Journal, Message, Request, RunStoppedError
from r1k.teacher.templates import load_template

PROMPT = load_template("judge_inverse")
VERDICT = re.compile(r"\W*verdict\W+(yes|no|unclear)\W*", re.IGNORECASE)
SAYS = {"yes": True, "no": False, "unclear": None}

Both = tuple[Example, Example]


@dataclass(frozen=True)
class Opinion:
    """What the judge said; `consistent` is None where it did not know, or said nothing that can be read."""

    consistent: bool | None
    why: str


@dataclass
class Session:
    """One run: what is asked, where the answers are kept, and which requests failed and why."""

    judge: config.Judge
    journal: Journal
    failures: dict[str, str] = field(default_factory=dict)

    def request(self, both: Both) -> Request:
        """TeacherError where a text holds the prompt's own delimiters."""
        forward, reverse = both
        text = PROMPT.render(
            question=forward.question,
            answer=forward.answer,
            reverse_question=reverse.question,
            reverse_answer=reverse.answer,
        )
        return Request(
            call=PROMPT.name,
            prompt=PROMPT.digest,
            model=self.judge.model,
            messages=[Message(content=text)],
            sampling={"temperature": self.judge.temperature or 0.0},
        )

    def answer(self, request: Request) -> Entry | None:
        """The journal's answer, but for one that was cut under a lower limit."""
        entry = self.journal.get(request.key)
        again = entry is not None and entry.cut and self.judge.max_tokens > (entry.max_tokens or self.judge.max_tokens)
        return None if again else entry

    async def ask(self, pending: Sequence[tuple[str, Request]], endpoint: Endpoint) -> str | None:
        """Fill the journal; return why the run was stopped, if it was."""
        queue = iter(pending)
        with tqdm(total=len(pending), desc="judge", unit="problem") as progress:
            async with Client(endpoint, budget=budget_of(self.judge.asking)) as client, asyncio.TaskGroup() as workers:
                for _ in range(min(endpoint.concurrency, len(pending))):
                    workers.create_task(self._work(queue, client, progress))
        return client.stop_reason

    async def _work(self, queue: Iterator[tuple[str, Request]], client: Client, progress: tqdm) -> None:
        for problem, request in queue:
            try:
                await asyncio.to_thread(self.journal.append, await client.complete(request))
            except RunStoppedError as error:
                client.stop(f"{problem}: {error}")
            except TeacherError as error:
                self.failures[problem] = str(error)
            progress.update()
            if client.stop_reason is not None:
                return


def judge(judge: config.Judge, asked: Sequence[Both], journal: Path) -> dict[str, Opinion]:
    """The judge's opinion by problem. Only what the journal lacks is asked for.

    TeacherError where requests failed in the end; what was answered stays in the journal.
    """
    with exclusive(journal.with_name(f"{journal.name}.lock"), f"judging into {journal}"), Journal(journal) as book:
        session = Session(judge, book)
        requests, opinions = _requests(session, asked)
        pending = [(problem, request) for problem, request in requests.items() if session.answer(request) is None]
        if pending:
            _run(session, pending)
        for problem, request in requests.items():
            opinions[problem] = opinion(judge.model, book.get(request.key))
    return opinions


def opinion(model: str, entry: Entry | None) -> Opinion:
    """What an answer says on its last line; nothing but the three verdicts counts."""
    if entry is None:
        raise TeacherError(f"the answer of judge {model} is not in the journal; run again")
    lines = read(entry).text.splitlines()
    found = VERDICT.fullmatch(lines[-1]) if lines else None
    if entry.cut or found is None:
        said = "was cut (raise data.checks.judge.max_tokens)" if entry.cut else f"ends in {(lines or [''])[-1][:100]!r}"
        return Opinion(None, f"the answer of judge {model} {said}")
    return Opinion(SAYS[found[1].lower()], f"judge {model}: {found[1].lower()}")


def _requests(session: Session, asked: Sequence[Both]) -> tuple[dict[str, Request], dict[str, Opinion]]:
    """The requests by problem; of a problem that no prompt can be made of, that the judge cannot decide."""
    requests: dict[str, Request] = {}
    opinions: dict[str, Opinion] = {}
    for both in asked:
        problem = both[0].problem
        try:
            requests[problem] = session.request(both)
        except TeacherError as error:
            opinions[problem] = Opinion(None, f"the judge was not asked: {error}")
    return requests, opinions


def _run(session: Session, pending: Sequence[tuple[str, Request]]) -> None:
    try:
        endpoint = remote_endpoint(session.judge)
    except TeacherError as error:
        raise TeacherError(f"data.checks.judge, read as a teacher: {error}") from error
    stopped = asyncio.run(session.ask(pending, endpoint))
    failures = [f"  {problem}: {reason}" for problem, reason in sorted(session.failures.items())]
    if stopped is not None or failures:
        head = stopped or f"{len(failures)} of {len(pending)} questions to the judge have no answer:"
        raise TeacherError("\n".join([head, *failures, f"All other answers are in {session.journal.path}; run again."]))
