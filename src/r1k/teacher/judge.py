"""A judge model, asked whether a reverse answer is consistent with the forward problem, where rules cannot tell."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from r1k import config
from r1k.records import Example
from r1k.teacher.answers import SAYS, read, verdict
from r1k.teacher.journal import Entry, Message, Request
from r1k.teacher.requests import ask_all, make_requests
from r1k.teacher.templates import Template, load_template

SECTION = "data.checks.judge"
PROMPT = load_template("judge_inverse")

Both = tuple[Example, Example]


@dataclass(frozen=True)
class Opinion:
    """What the judge said; `consistent` is None where it did not know, or said nothing that can be read."""

    consistent: bool | None
    rationale: str


def judge(judge: config.Judge, asked: Sequence[Both], journal: Path) -> dict[str, Opinion]:
    """The judge's opinion by problem. Only what the journal lacks is asked for.

    TeacherError where requests failed in the end; what was answered stays in the journal.
    """
    requests, unasked = make_requests({both[0].problem: both for both in asked}, lambda both: _request(judge, *both))
    opinions = {problem: Opinion(None, f"the judge was not asked: {why}") for problem, why in unasked.items()}
    found = ask_all(judge, SECTION, requests, journal, unit="problem").entries
    return opinions | {problem: opinion(judge.model, entry) for problem, entry in found.items()}


def _request(judge: config.Judge, forward: Example, reverse: Example) -> Request:
    return question_to(
        judge,
        PROMPT,
        question=forward.question,
        answer=forward.answer,
        reverse_question=reverse.question,
        reverse_answer=reverse.answer,
    )


def question_to(judge: config.Judge, prompt: Template, **slots: str) -> Request:
    """A request for a verdict; TeacherError where a text holds the prompt's own delimiters."""
    return Request(
        call=prompt.name,
        prompt=prompt.digest,
        model=judge.model,
        messages=[Message(content=prompt.render(**slots))],
        sampling={"temperature": judge.temperature or 0.0},
    )


def opinion(model: str, entry: Entry) -> Opinion:
    """What an answer says on its last line; nothing but the three verdicts counts."""
    word = verdict(entry)
    if word is not None:
        return Opinion(SAYS[word], f"judge {model}: {word}")
    last = next(reversed(read(entry).text.splitlines()), "")
    said = f"was cut (raise {SECTION}.max_tokens)" if entry.cut else f"ends in {last[:100]!r}"
    return Opinion(None, f"the answer of judge {model} {said}")
