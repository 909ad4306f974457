"""r1k from s1k: for each forward problem its reverse question, and the teacher's response to that question alone.

The journal is filled first; the reverse examples are then read off it, so that an answer is used in one way, whether
it was bought in this run, in a run that was killed, or for another experiment.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from r1k.config import EmbeddedTeacher, OpenAITeacher, ReplayTeacher
from r1k.errors import RecordError, TeacherError
from r1k.files import exclusive
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import Example, Teaching, by_problem, read_jsonl, write_jsonl
from r1k.teacher.answers import defect, read, worth_asking_again
from r1k.teacher.client import Client, Endpoint
from r1k.teacher.endpoints import local_endpoint, remote_endpoint
from r1k.teacher.journal import Entry, Journal, Message, Request, RunStoppedError
from r1k.teacher.local import local_answerer
from r1k.teacher.templates import REVERSE_QUESTION, SOLVE, Template


@dataclass(frozen=True)
class Calls:
    """The two requests of a problem."""

    model: str
    sampling: Mapping[str, float]

    def reverse_question(self, example: Example) -> Request:
        """Asks for the reverse question, from a forward question and its final answer."""
        return self._request(REVERSE_QUESTION, question=example.question, answer=example.answer)

    def solve(self, reverse_question: str) -> Request:
        """Asks for reasoning and answer, from the reverse question alone."""
        return self._request(SOLVE, question=reverse_question)

    def _request(self, template: Template, **slots: str) -> Request:
        return Request(
            call=template.name,
            prompt=template.digest,
            model=self.model,
            messages=[Message(content=template.render(**slots))],
            sampling=dict(self.sampling),
        )


@dataclass
class Inversion:
    """One run: what is asked, where the answers are kept, and which problems have no pair and why."""

    calls: Calls
    journal: Journal
    asked: int = 0
    failures: dict[str, str] = field(default_factory=dict)

    def found(self, example: Example) -> tuple[Entry, Entry] | None:
        """Both answers of a problem, where the journal has them and they can be used."""
        first = self._usable(self.calls.reverse_question(example))
        if first is None:
            return None
        second = self._usable(self.calls.solve(read(first).text))
        return None if second is None else (first, second)

    def plan(self, examples: Iterable[Example]) -> list[Example]:
        """The problems that something has to be asked for; one of which no prompt can be made is a failure."""
        pending = []
        for example in examples:
            try:
                if self.found(example) is None:
                    pending.append(example)
            except TeacherError as error:
                self.failures[example.problem] = str(error)
        return pending

    async def ask(self, pending: Sequence[Example], endpoint: Endpoint, progress: tqdm) -> str | None:
        """Fill the journal; return why the run was stopped, if it was.

        A stopped run begins no request, and waits for those in flight: they are paid for.
        """
        queue = iter(pending)
        async with Client(endpoint) as client, asyncio.TaskGroup() as workers:
            for _ in range(min(endpoint.concurrency, len(pending))):
                workers.create_task(self._work(queue, client, progress))
        return client.stop_reason

    async def _work(self, queue: Iterator[Example], client: Client, progress: tqdm) -> None:
        for example in queue:
            try:
                first = await self._answer(client, self.calls.reverse_question(example))
                await self._answer(client, self.calls.solve(read(first).text))
            except RunStoppedError as error:
                client.stop(f"{example.problem}: {error}")
                progress.set_description("stopping, when the answers in flight are here")
            except TeacherError as error:
                self.failures[example.problem] = str(error)
            progress.update()
            if client.stop_reason is not None:
                return

    async def _answer(self, client: Client, request: Request) -> Entry:
        entry = self.journal.get(request.key)
        if entry is None or worth_asking_again(entry, client.endpoint.max_tokens):
            entry = await client.complete(request)
            await asyncio.to_thread(self.journal.append, entry)
            self.asked += 1
        reason = defect(entry)
        if reason is not None:
            raise TeacherError(f"{request.call}: {reason}")
        return entry

    def _usable(self, request: Request) -> Entry | None:
        entry = self.journal.get(request.key)
        return entry if entry is not None and defect(entry) is None else None


def reverse_example(forward: Example, asked: Entry, solved: Entry) -> Example:
    """The reverse of a forward example, of the teacher's two answers."""
    response = read(solved)
    return Example(
        id=f"{forward.problem}-reverse",
        problem=forward.problem,
        direction="reverse",
        question=read(asked).text,
        reasoning=response.reasoning,
        answer=response.text,
        kind=forward.kind,
        teaching=Teaching(
            model=solved.request.model,
            prompts={entry.request.call: entry.request.prompt for entry in (asked, solved)},
            requests=[asked.key, solved.key],
            finish_reason=solved.finish_reason,
            tokens=solved.count("completion_tokens"),
        ),
    )


def invert(*, teacher: EmbeddedTeacher | ReplayTeacher | OpenAITeacher, s1k: Path, output: Path, journal: Path) -> None:
    """Write `r1k.jsonl`, the reverse example of each forward one, in s1k's order.

    Only what the journal lacks is asked for; with nothing to ask, neither server nor key is needed. Where a problem
    has no pair in the end, TeacherError says which and why, and no output is written.
    """
    watch = Stopwatch()
    forward = _forward_examples(s1k)
    with exclusive(journal.with_name(f"{journal.name}.lock"), f"inversion into {journal}"), Journal(journal) as book:
        inversion = _filled(teacher, forward, book)
        if inversion.failures:
            raise TeacherError(_failed(inversion.failures, len(forward), journal))
        tokens = {"prompt": 0, "completion": 0, "answers_without_count": 0}
        write_jsonl(output, _reverse_examples(inversion, forward, tokens))
    inputs = {"s1k": s1k} | ({"recorded": teacher.path} if isinstance(teacher, ReplayTeacher) else {})
    write_manifest(
        output,
        "teacher",
        inputs,
        watch,
        n=len(forward),
        model=inversion.calls.model,
        prompts={template.name: template.digest for template in (REVERSE_QUESTION, SOLVE)},
        sampling=inversion.calls.sampling,
        requests={"asked": inversion.asked, "found_in_journal": 2 * len(forward) - inversion.asked},
        tokens=tokens,
    )


def _filled(
    teacher: EmbeddedTeacher | ReplayTeacher | OpenAITeacher, forward: list[Example], book: Journal
) -> Inversion:
    if isinstance(teacher, OpenAITeacher):
        sampling = {} if teacher.temperature is None else {"temperature": teacher.temperature}
        inversion = Inversion(Calls(teacher.model, sampling), book)
        pending = inversion.plan(forward)
        if pending:
            _run(inversion, pending, len(forward), remote_endpoint(teacher))
        return inversion
    answerer = local_answerer(teacher)
    inversion = Inversion(Calls(answerer.model, {}), book)
    pending = inversion.plan(forward)
    if pending:
        with local_endpoint(teacher, answerer) as endpoint:
            _run(inversion, pending, len(forward), endpoint)
    return inversion


def _run(inversion: Inversion, pending: list[Example], total: int, endpoint: Endpoint) -> None:
    with tqdm(total=total, initial=total - len(pending), desc="inversion", unit="problem") as progress:
        stopped = asyncio.run(inversion.ask(pending, endpoint, progress))
    if stopped is not None:
        raise TeacherError(_stopped(stopped, inversion))


def _forward_examples(s1k: Path) -> list[Example]:
    examples = read_jsonl(s1k, Example)
    for example in by_problem(s1k, examples).values():
        if example.direction != "forward":
            raise RecordError(f"{s1k}: record {example.id!r}: field 'direction' must be 'forward'")
    return examples


def _reverse_examples(inversion: Inversion, forward: list[Example], tokens: dict[str, int]) -> Iterator[Example]:
    """One by one off the journal; `tokens` grows by what the server counted for each."""
    for example in forward:
        both = inversion.found(example)
        if both is None:
            raise TeacherError(f"{inversion.journal.path}: lost the answers of {example.problem!r}; run again")
        for entry in both:
            prompt, completion = entry.count("prompt_tokens"), entry.count("completion_tokens")
            tokens["prompt"] += prompt or 0
            tokens["completion"] += completion or 0
            tokens["answers_without_count"] += prompt is None or completion is None
        yield reverse_example(example, *both)


def _stopped(reason: str, inversion: Inversion) -> str:
    return "\n".join(
        [
            reason,
            f"The run was stopped there. Its {inversion.asked} answers are in {inversion.journal.path}; "
            "a rerun asks for the rest alone.",
            *_reasons(inversion.failures),
        ]
    )


def _failed(failures: Mapping[str, str], total: int, journal: Path) -> str:
    return "\n".join(
        [
            f"{len(failures)} of {total} problems have no reverse pair, and no output was written:",
            *_reasons(failures),
            f"All other answers are in {journal}; a rerun asks for these problems alone.",
        ]
    )


def _reasons(failures: Mapping[str, str]) -> list[str]:
    return [f"  {problem}: {reason}" for problem, reason in sorted(failures.items())]
