"""Join questions with their answers."""

from collections.abc import Collection
from pathlib import Path

from r1k.errors import RecordError
from r1k.records import Question, Sample, read_jsonl


def join_samples(questions: Path, samples: Path) -> list[tuple[Question, Sample]]:
    """Return each question with each of its samples, in the order of the questions.

    Raises RecordError, which names the question without a sample or the sample without a question.
    """
    rows = read_jsonl(questions, Question)
    found: dict[str, list[Sample]] = {}
    for sample in read_jsonl(samples, Sample):
        found.setdefault(sample.id, []).append(sample)
    _check_match(questions, rows, samples, found)
    return [(question, sample) for question in rows for sample in found[question.id]]


def _check_match(questions: Path, rows: list[Question], samples: Path, found: Collection[str]) -> None:
    ids = {question.id for question in rows}
    for question in rows:
        if question.id not in found:
            raise RecordError(f"{samples}: no sample for question {question.id!r} of {questions}; generate again")
    for identity in found:
        if identity not in ids:
            raise RecordError(f"{samples}: sample {identity!r} answers no question of {questions}; generate again")
