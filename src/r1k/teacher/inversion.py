"""Make r1k from s1k: for each forward problem its reverse question, then the teacher's response to that question alone.

The run first fills the journal, then reads the reverse examples from it. An answer is therefore used in the same way
whether this run, a killed run or another experiment requested it.
"""

import asyncio
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from r1k.config import Client, EmbeddedTeacher, OpenAITeacher, ReplayTeacher, Teacher
from r1k.errors import RecordError, TeacherError
from r1k.files import HeldLock, exclusive
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import Example, TeacherMetadata, by_problem, read_jsonl, write_jsonl
from r1k.teacher import messages
from r1k.teacher.answers import AcceptancePolicy, defect, parse_answer, remedy
from r1k.teacher.batch.open_batches import OpenBatches, PlannedRequest
from r1k.teacher.batch.progress import NOTHING_SENT, BatchProgress
from r1k.teacher.batch.run import run_batches
from r1k.teacher.budget import Budget
from r1k.teacher.client import ChatClient, Endpoint
from r1k.teacher.endpoints import make_budget, open_endpoint, with_client
from r1k.teacher.journal import Journal, JournalEntry, Request
from r1k.teacher.journal_writer import JournalWriter
from r1k.teacher.request_builder import RequestBuilder, make_request_builder
from r1k.teacher.requests import complete_into, run_workers
from r1k.teacher.templates import REVERSE_QUESTION, SOLVE


class SkippedProblemError(TeacherError):
    """A problem has no pair, and the config allows that."""


@dataclass
class Inversion:
    """One run: the requests, the journal, and the problems without a pair, with the reasons."""

    builder: RequestBuilder
    journal: Journal
    policy: AcceptancePolicy = field(default_factory=AcceptancePolicy)
    budget: Budget = field(default_factory=Budget)
    num_sent: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._writer = JournalWriter(self.journal)

    def answers(self, example: Example) -> tuple[JournalEntry, JournalEntry]:
        """Return both answers of a problem from the journal."""
        first = self._usable(self.journal.answer_to(self.builder.reverse_question(example)))
        return first, self._usable(self.journal.answer_to(self.builder.solve(parse_answer(first).text)))

    def plan(self, examples: Iterable[Example], progress: BatchProgress = NOTHING_SENT) -> list[PlannedRequest]:
        """Return each problem's next request, if it needs one, and count the cost of the journal's answers."""
        needed = (self._next_request(example, progress) for example in examples)
        return [planned for planned in needed if planned is not None]

    async def send(self, pending: Sequence[Example], endpoint: Endpoint, progress: tqdm) -> str | None:
        """Send the pending problems' requests, and journal the answers; return why the run stopped early, or None."""
        named = [(example.problem, example) for example in pending]
        async with ChatClient(endpoint, budget=self.budget) as client:
            return await run_workers(named, self._pair, self.failures.__setitem__, client, progress)

    async def _pair(self, client: ChatClient, example: Example) -> None:
        try:
            first = await self._answer(client, self.builder.reverse_question(example))
            await self._answer(client, self.builder.solve(parse_answer(first).text))
        except SkippedProblemError as error:
            self.skipped[example.problem] = str(error)

    async def _answer(self, client: ChatClient, request: Request) -> JournalEntry:
        entry, sent = self.journal.get(request.key), False
        # A truncated answer may be requested several times, each with a higher limit; any other answer once.
        while self.policy.needs_request(entry) and (not sent or (entry is not None and entry.truncated)):
            entry, sent = await complete_into(self.journal, self._writer, client, request, self.policy), True
            self.num_sent += 1
        return self._usable(entry)

    def send_batches(self, pending: Sequence[Example], endpoint: Endpoint, held: HeldLock) -> str | None:
        """Journal the answers of the provider's Batch API; return why the run stopped early, or None."""

        def needed(progress: BatchProgress) -> list[PlannedRequest]:
            done = self.failures.keys() | self.skipped.keys()
            return self.plan([example for example in pending if example.problem not in done], progress)

        stopped, progress = run_batches(endpoint, self.journal, held, self.budget, needed)
        self.num_sent = progress.num_new
        return stopped

    def _next_request(self, example: Example, progress: BatchProgress) -> PlannedRequest | None:
        try:
            for request in self._requests(example):
                entry = self.journal.get(request.key)
                if entry is not None:
                    self.budget.add_once(entry)
                if request.key in progress.failed:
                    raise TeacherError(progress.failed[request.key])
                if progress.needs_request(self.policy, request.key, entry):
                    limit = self.policy.next_max_tokens(entry)
                    return PlannedRequest(name=example.problem, request=request, max_tokens=limit)
                self._usable(entry)
        except SkippedProblemError as error:
            self.skipped[example.problem] = str(error)
        except TeacherError as error:
            self.failures[example.problem] = str(error)
        return None

    def _requests(self, example: Example) -> Iterator[Request]:
        """Yield the first request, then the second, which needs the first one's answer."""
        first = self.builder.reverse_question(example)
        yield first
        yield self.builder.solve(parse_answer(self.journal.answer_to(first)).text)

    def _usable(self, entry: JournalEntry | None) -> JournalEntry:
        assert entry is not None  # `_answer` has requested a missing answer
        reason = defect(entry)
        if reason is None:
            return entry
        if self.policy.may_skip(entry):
            raise SkippedProblemError(f"{entry.request.prompt_name}: {reason}")
        raise TeacherError(f"{entry.request.prompt_name}: {reason}; {remedy(entry)}")


def reverse_example(forward: Example, reversed_question: JournalEntry, solved: JournalEntry) -> Example:
    """Return the reverse of a forward example, from the teacher's two answers."""
    response = parse_answer(solved)
    return Example(
        id=f"{forward.problem}-reverse",
        problem=forward.problem,
        direction="reverse",
        question=parse_answer(reversed_question).text,
        reasoning=response.reasoning,
        answer=response.text,
        kind=forward.kind,
        teacher_metadata=TeacherMetadata(
            model=solved.request.model,
            prompts={entry.request.prompt_name: entry.request.prompt_digest for entry in (reversed_question, solved)},
            requests=[reversed_question.key, solved.key],
            finish_reason=solved.finish_reason,
            tokens=solved.token_count("completion_tokens"),
        ),
    )


def invert(*, teacher: Teacher, client: Client | None = None, s1k: Path, output: Path, journal: Path) -> None:
    """Make r1k from s1k with two requests to the teacher per problem: its reverse question, then the response to it.

    The journal's answers are reused; if it has all of them, neither server nor key is needed. The manifest lists the
    problems that were skipped, as the config allows.

    Args:
        teacher: Section `teacher` of the config.
        client: Section `teacher.client` of the config: how an OpenAI-compatible server is called; its defaults if
            missing.
        s1k: Forward examples, s1k.jsonl.
        output: The r1k.jsonl to write, in s1k's order.
        journal: The JSONL file that keeps each answer as it arrives.

    Raises:
        TeacherError: Too many problems have no pair; the message says which and why, and no output is written.
    """
    if isinstance(teacher, OpenAITeacher):
        teacher = with_client(teacher, client)
    watch = Stopwatch()
    forward = _forward_examples(s1k)
    lock = exclusive(journal.with_name(f"{journal.name}.lock"), f"inversion into {journal}")
    with lock as held, Journal(journal) as opened:
        inversion = _fill_journal(teacher, forward, opened, held)
        _check_success_rate(inversion, teacher, len(forward))
        paired = [example for example in forward if example.problem not in inversion.skipped]
        tokens, remarks = {"prompt": 0, "completion": 0, "answers_without_count": 0}, messages.AnswerRemarks()
        write_jsonl(output, _reverse_examples(inversion, paired, tokens, remarks))
        remarks.say()
    inputs = {"s1k": s1k} | ({"recorded": teacher.path} if isinstance(teacher, ReplayTeacher) else {})
    write_manifest(
        output,
        "teacher",
        inputs,
        watch,
        n=len(paired),
        skipped=inversion.skipped,
        model=inversion.builder.model,
        prompts={template.name: template.digest for template in (REVERSE_QUESTION, SOLVE)},
        sampling=inversion.builder.sampling,
        requests={"sent": inversion.num_sent, "from_journal": 2 * len(forward) - inversion.num_sent},
        tokens=tokens,
        dollars=inversion.budget.total_dollars,
    )


def _check_success_rate(
    inversion: Inversion, teacher: EmbeddedTeacher | ReplayTeacher | OpenAITeacher, total: int
) -> None:
    """Raise TeacherError if too many problems have no pair."""
    if inversion.failures:
        raise TeacherError(messages.failed(inversion.failures, total, inversion.journal.path))
    if not inversion.skipped:
        return
    min_success_rate = teacher.min_success_rate if isinstance(teacher, OpenAITeacher) else 1.0
    if total - len(inversion.skipped) < min_success_rate * total:
        raise TeacherError(messages.success_rate_too_low(inversion.skipped, total, min_success_rate))
    print(f"{len(inversion.skipped)} of {total} problems are skipped:", file=sys.stderr)
    print(*messages.reason_lines(inversion.skipped), sep="\n", file=sys.stderr, flush=True)


def _fill_journal(
    teacher: EmbeddedTeacher | ReplayTeacher | OpenAITeacher, forward: list[Example], opened: Journal, held: HeldLock
) -> Inversion:
    inversion = Inversion(make_request_builder(teacher), opened)
    if isinstance(teacher, OpenAITeacher):
        inversion.policy, inversion.budget = _acceptance_policy(teacher), make_budget(teacher.client)
    planned = inversion.plan(forward)
    if not planned:
        return inversion
    problems = {each.name for each in planned}
    pending = [example for example in forward if example.problem in problems]
    if isinstance(teacher, OpenAITeacher):
        # A problem that lacks its first answer also lacks the second.
        missing = sum(2 if each.request.prompt_name == REVERSE_QUESTION.name else 1 for each in planned)
        estimate = messages.estimate(missing, teacher.max_tokens, inversion.budget)
        print("inversion:", estimate, file=sys.stderr, flush=True)
    with open_endpoint(teacher) as endpoint:
        if isinstance(teacher, OpenAITeacher) and teacher.client.batch:
            reason = inversion.send_batches(pending, endpoint, held)
        else:
            OpenBatches(opened.path).refuse({each.key for each in planned}, endpoint.section)
            reason = _send(inversion, pending, len(forward), endpoint)
    if reason is not None:
        raise TeacherError(messages.stopped(reason, inversion.num_sent, opened.path, inversion.failures))
    return inversion


def _acceptance_policy(teacher: OpenAITeacher) -> AcceptancePolicy:
    return AcceptancePolicy(
        max_tokens=teacher.max_tokens,
        max_tokens_cap=teacher.max_tokens_cap,
        skip_truncated=teacher.on_truncation == "skip",
        skip_refused=teacher.on_refusal == "skip",
        skip_malformed=teacher.on_malformed == "skip",
    )


def _send(inversion: Inversion, pending: list[Example], total: int, endpoint: Endpoint) -> str | None:
    with tqdm(total=total, initial=total - len(pending), desc="inversion", unit="problem") as progress:
        return asyncio.run(inversion.send(pending, endpoint, progress))


def _forward_examples(s1k: Path) -> list[Example]:
    examples = read_jsonl(s1k, Example)
    for example in by_problem(s1k, examples).values():
        if example.direction != "forward":
            raise RecordError(f"{s1k}: record {example.id!r}: field 'direction' must be 'forward'")
    return examples


def _reverse_examples(
    inversion: Inversion, paired: list[Example], tokens: dict[str, int], remarks: messages.AnswerRemarks
) -> Iterator[Example]:
    """Yield the reverse examples one by one from the journal, and add their token counts and what to say about them."""
    for example in paired:
        both = inversion.answers(example)
        for entry in both:
            counts = entry.tokens
            tokens["prompt"] += counts.prompt
            tokens["completion"] += counts.completion
            tokens["answers_without_count"] += counts.estimated
            remarks.add(entry)
        yield reverse_example(example, *both)
