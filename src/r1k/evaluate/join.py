"""Questions with their answers: nothing is graded, or judged, from half of them."""

from collections.abc import Collection
from pathlib import Path

from r1k.errors import RecordError
from r1k.records import Question, Sample, read_jsonl


def answered(questions: Path, samples: Path) -> list[tuple[Question, Sample]]:
    """Each question with each of its samples, in the questions' order.

    RecordError names the question without a sample, or the sample without a question.
    """
    asked = read_jsonl(questions, Question)
    found: dict[str, list[Sample]] = {}
    for sample in read_jsonl(samples, Sample):
        found.setdefault(sample.id, []).append(sample)
    _check_match(questions, asked, samples, found)
    return [(question, sample) for question in asked for sample in found[question.id]]


def _check_match(questions: Path, asked: list[Question], samples: Path, found: Collection[str]) -> None:
    ids = {question.id for question in asked}
    for question in asked:
        if question.id not in found:
            raise RecordError(f"{samples}: no sample for question {question.id!r} of {questions}; generate again")
    for identity in found:
        if identity not in ids:
            raise RecordError(f"{samples}: sample {identity!r} answers no question of {questions}; generate again")
