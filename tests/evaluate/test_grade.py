"""Grading of samples by rules, by a judge's verdicts, and in s1's order."""

import json
from pathlib import Path

import pytest

from r1k.errors import RecordError
from r1k.evaluate.grade import grade, grade_sample
from r1k.records import Graded, Question, Sample, read_jsonl, write_jsonl


def question(gold="12", options=None, identity="q1", **more) -> Question:
    return Question(id=identity, benchmark="b", question="?", gold=gold, options=options, kind="k", **more)


def sample(completion, identity="q1", truncated=False) -> Sample:
    return Sample(
        id=identity, benchmark="b", prompt="p", completion=completion, tokens=len(completion), truncated=truncated
    )


CHOICE = ["54 J", "56 J", "58 J", "60 J"]


@pytest.mark.parametrize(
    ("completion", "correct", "rule", "last", "last_correct"),
    [
        ("7 * 8 = 56\n<|im_start|>answer\nAnswer: B", True, "letter", "56", True),
        ("\\boxed{B) 56 J}", True, "letter", "56", True),
        ("\\boxed{C}", False, "letter", None, False),
        ("it is 56", False, "unparsed", "56", True),
        ("\\boxed{56}", False, "unparsed", "56", True),
        ("\\boxed{A or B}, 54", False, "unparsed", "54", False),
        ("", False, "unparsed", None, False),
    ],
)
def test_choices(completion, correct, rule, last, last_correct):
    graded = grade_sample(question("B", CHOICE), sample(completion), "choice")
    assert (graded.correct, graded.rule) == (correct, rule)
    assert (graded.last_number, graded.last_number_correct) == (last, last_correct)


def test_an_unparsed_answer_is_never_the_first_option():
    graded = grade_sample(question("A", CHOICE), sample("I do not know."), "choice")
    assert (graded.correct, graded.rule, graded.extracted) == (False, "unparsed", None)


@pytest.mark.parametrize(
    ("gold", "answer_type", "completion", "last_correct"),
    [
        ("12", "integer", "so it is twelve, 12", True),
        ("12", "integer", "12 or 13", False),
        ("12", "integer", "none", False),
        ("\\frac{3}{4}", "expression", "that is 0.75", True),
        ("22y", "expression", "Answer: 22y", True),
        ("22y", "expression", "Answer: 23y", False),
        ("3\\sqrt{13}", "expression", "13", None),
        ("B", "choice", "56", True),
    ],
)
def test_last_number_is_compared_if_the_gold_answer_has_one(gold, answer_type, completion, last_correct):
    options = CHOICE if answer_type == "choice" else None
    graded = grade_sample(question(gold, options), sample(completion), answer_type)
    assert graded.last_number_correct is last_correct


def test_last_number_correct_is_null_if_the_option_has_no_number():
    graded = grade_sample(question("A", ["red", "blue"]), sample("Answer: A, 5"), "choice")
    assert (graded.last_number, graded.last_number_correct) == ("5", None)


@pytest.fixture
def files(tmp_path: Path):
    write_jsonl(tmp_path / "q.jsonl", [question(direction="reverse"), question("7", identity="q2")])
    write_jsonl(tmp_path / "s.jsonl", [sample("\\boxed{8}", "q2", truncated=True), sample("Answer: 12")])
    return {"questions": tmp_path / "q.jsonl", "samples": tmp_path / "s.jsonl", "output": tmp_path / "g.jsonl"}


def test_verdicts_have_the_order_of_the_questions(files):
    grade(**files, answer_type="integer")
    graded = read_jsonl(files["output"], Graded)
    assert [(g.id, g.direction, g.extracted, g.correct, g.truncated) for g in graded] == [
        ("q1", "reverse", "12", True, False),
        ("q2", None, "8", False, True),
    ]
    manifest = json.loads(files["output"].with_suffix(".manifest.json").read_text())
    assert manifest["facts"] == {"n": 2, "answer_type": "integer", "grader": "rules", "rules": {"integer": 2}}


def test_every_answer_to_a_question_gets_a_verdict(files):
    again = sample("Answer: 13").model_copy(update={"sample": 1})
    write_jsonl(files["samples"], [sample("Answer: 12"), sample("7", "q2"), again])
    grade(**files, answer_type="integer")
    graded = read_jsonl(files["output"], Graded)
    assert [(g.id, g.sample, g.correct) for g in graded] == [("q1", 0, True), ("q1", 1, False), ("q2", 0, False)]


def test_a_question_without_a_sample_is_named(files):
    write_jsonl(files["samples"], [sample("12")])
    with pytest.raises(RecordError, match=r"s\.jsonl: no sample for question 'q2'"):
        grade(**files, answer_type="integer")
    assert not files["output"].exists()


def test_a_sample_without_a_question_is_named(files):
    write_jsonl(files["samples"], [sample("1", "q1"), sample("1", "q2"), sample("1", "q3")])
    with pytest.raises(RecordError, match=r"s\.jsonl: sample 'q3' answers no question"):
        grade(**files, answer_type="integer")


def test_two_samples_of_one_question_are_refused(files):
    write_jsonl(files["samples"], [sample("1", "q1"), sample("1", "q1"), sample("1", "q2")])
    with pytest.raises(RecordError, match=r"s\.jsonl:2: field 'id': 'q1'"):
        grade(**files, answer_type="integer")


def test_a_gold_answer_that_is_not_an_option_is_named(files):
    write_jsonl(files["questions"], [question("B", CHOICE), question("E", CHOICE, identity="q2")])
    with pytest.raises(RecordError, match=r"q\.jsonl: question 'q2': field 'gold'"):
        grade(**files, answer_type="choice")
