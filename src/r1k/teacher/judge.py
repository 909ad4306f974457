"""Ask a judge model whether a reverse answer is consistent with the forward problem, where rules cannot decide."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from r1k import config
from r1k.records import Example
from r1k.teacher.answers import VERDICT_VALUES, is_refusal, parse_answer, parse_verdict
from r1k.teacher.journal import ChatMessage, JournalEntry, Request
from r1k.teacher.requests import build_requests, request_all
from r1k.teacher.templates import Template, load_template

SECTION = "data.checks.judge"
PROMPT = load_template("judge_inverse")

ExamplePair = tuple[Example, Example]


@dataclass(frozen=True)
class JudgeOpinion:
    """The judge's opinion; `consistent` is None if the judge is undecided or its answer is unreadable."""

    consistent: bool | None
    rationale: str


def judge_pairs(judge: config.Judge, pairs: Sequence[ExamplePair], journal: Path) -> dict[str, JudgeOpinion]:
    """Return the judge's opinion by problem. Only requests that the journal lacks are sent.

    Raises:
        TeacherError: Requests failed; the journal keeps the answers received.
    """
    requests, errors = build_requests({pair[0].problem: pair for pair in pairs}, lambda pair: _request(judge, *pair))
    opinions = {problem: JudgeOpinion(None, f"not sent to the judge: {error}") for problem, error in errors.items()}
    found = request_all(judge, SECTION, requests, journal, unit="problem").entries
    return opinions | {problem: parse_opinion(judge.model, entry) for problem, entry in found.items()}


def _request(judge: config.Judge, forward: Example, reverse: Example) -> Request:
    return verdict_request(
        judge,
        PROMPT,
        question=forward.question,
        answer=forward.answer,
        reverse_question=reverse.question,
        reverse_answer=reverse.answer,
    )


def verdict_request(judge: config.Judge, prompt: Template, **slots: str) -> Request:
    """Return a request for a verdict; raise TeacherError if a text contains the prompt's own delimiters."""
    return Request(
        prompt_name=prompt.name,
        prompt_digest=prompt.digest,
        model=judge.model,
        messages=[ChatMessage(content=prompt.render(**slots))],
        sampling={"temperature": judge.temperature or 0.0},
    )


def parse_opinion(model: str, entry: JournalEntry) -> JudgeOpinion:
    """Return the opinion on an answer's last line; only the three verdicts count."""
    word = parse_verdict(entry)
    if word is not None:
        return JudgeOpinion(VERDICT_VALUES[word], f"judge {model}: {word}")
    if is_refusal(entry):
        said = entry.refusal or parse_answer(entry).text
        return JudgeOpinion(None, f"judge {model} refused (finish_reason {entry.finish_reason!r}): {said[:300]!r}")
    last = next(reversed(parse_answer(entry).text.splitlines()), "")
    problem = f"was truncated (raise {SECTION}.max_tokens)" if entry.truncated else f"ends in {last[:100]!r}"
    return JudgeOpinion(None, f"the answer of judge {model} {problem}")
