"""Verdicts by rules, against cases decided by hand."""

import json
import time
from pathlib import Path

import pytest

from r1k.errors import RecordError
from r1k.evaluate.grade import grade, grade_sample, judge_expression
from r1k.records import Graded, Question, Sample, read_jsonl, write_jsonl

CASES = [
    # gold, extracted, correct, rule
    ("204", "204", True, "integer"),
    ("025", "25", True, "integer"),
    ("25", "025", True, "integer"),
    ("25", "25.0", True, "integer"),
    ("2220", "2,220", True, "integer"),
    ("-50", "−50", True, "integer"),
    ("25", "-25", False, "integer"),
    ("25", "250", False, "integer"),
    ("25", "2.5", False, "math-verify"),
    ("25", "25 \\text{ minutes}", True, "math-verify"),
    ("25", "25^\\circ", True, "math-verify"),
    ("25", "\\$25", True, "math-verify"),
    ("25", "n = 25", True, "math-verify"),
    ("25", "\\frac{50}{2}", True, "math-verify"),
    ("25", "12 + 13", True, "math-verify"),
    ("25", "25x", False, "math-verify"),
    ("25", "25, 26", False, "math-verify"),
    ("25", "25 \\text{ or } 26", False, "math-verify"),
    ("25", "m=20, n=5", False, "math-verify"),
    ("\\frac{14}{3}", "\\frac{14}{3}", True, "text"),
    ("\\frac{14}{3}", "14/3", True, "math-verify"),
    ("\\frac{14}{3}", "\\dfrac{28}{6}", True, "math-verify"),
    ("\\frac{14}{3}", "4\\frac{2}{3}", True, "math-verify"),
    ("\\frac{14}{3}", "\\frac{3}{14}", False, "math-verify"),
    ("\\frac{14}{3}", "4.67", False, "math-verify"),
    ("\\frac{3}{2}", "1.5", True, "math-verify"),
    ("1.25", "\\frac{5}{4}", True, "math-verify"),
    ("3\\sqrt{13}", "\\sqrt{117}", True, "math-verify"),
    ("3\\sqrt{13}", "13\\sqrt{3}", False, "math-verify"),
    ("11\\sqrt2", "11\\sqrt{2}", True, "math-verify"),
    ("11\\sqrt2", "15.556", False, "math-verify"),
    ("\\sqrt{51}", "\\sqrt{15}", False, "math-verify"),
    ("\\pi", "\\pi", True, "text"),
    ("\\pi", "3.14", False, "math-verify"),
    ("6 - 5i", "-5i + 6", True, "math-verify"),
    ("6 - 5i", "6 + 5i", False, "math-verify"),
    ("p - q", "-q + p", True, "math-verify"),
    ("p - q", "q - p", False, "math-verify"),
    ("\\left( 3, \\frac{\\pi}{2} \\right)", "(3, \\pi/2)", True, "math-verify"),
    ("\\left( 3, \\frac{\\pi}{2} \\right)", "(3,\\frac{\\pi}{3})", False, "math-verify"),
    ("(1,2)", "(2,1)", False, "math-verify"),
    ("1,-2", "-2, 1", True, "math-verify"),
    ("1,-2", "1, 2", False, "math-verify"),
    ("1,-2", "1", False, "math-verify"),
    ("3, 5, 7", "\\{7, 5, 3\\}", True, "math-verify"),
    ("[1,2)", "[1, 2]", False, "math-verify"),
    ("(-\\infty, 3]", "x \\le 3", True, "math-verify"),
    ("x \\in [-2,7]", "[-2,7]", True, "math-verify"),
    ("x=5", "5", True, "math-verify"),
    ("x=5", "6", False, "math-verify"),
    ("y = 2x + 1", "y - 2x = 1", True, "math-verify"),
    ("90^\\circ", "90", True, "math-verify"),
    ("10\\%", "10", True, "math-verify"),
    ("15\\mbox{ cm}^2", "15", True, "math-verify"),
    ("11,\\! 111,\\! 100", "11111100", True, "math-verify"),
    ("22y", "22y", True, "text"),
    ("22y", "22 y", True, "math-verify"),
    ("22y", "22z", False, "math-verify"),
    ("22y", "22", False, "math-verify"),
    (
        "\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}",
        "\\begin{bmatrix} 1 \\\\ 2 \\end{bmatrix}",
        True,
        "math-verify",
    ),
    ("\\text{Evelyn}", "Evelyn", True, "text"),
    ("\\text{Evelyn}", "\\text{evelyn}", True, "text"),
    ("\\text{Evelyn}", "\\text{Briana}", False, "text"),
    ("\\text{even}", "\\text{neve}", False, "text"),
    ("\\text{June 20}", "June 20", True, "text"),
    ("\\text{(C)}", "C", True, "text"),
    ("\\text{(C)}", "\\text{(B)}", False, "text"),
    ("12", "twelve", False, "math-verify"),
    ("12", "\\frac{", False, "unparsed"),
    ("12", "?", False, "unparsed"),
    ("12", "\\foo{\\bar", False, "unparsed"),
]


@pytest.mark.parametrize(("gold", "extracted", "correct", "rule"), CASES)
def test_expressions(gold, extracted, correct, rule):
    verdict = judge_expression(extracted, gold)
    assert (verdict.correct, verdict.rule) == (correct, rule)


@pytest.mark.parametrize("pathological", ["9^{9^{9^9}}", "\\binom{1000000}{500000}", "(" * 3000 + "1" + ")" * 3000])
def test_an_expression_that_cannot_be_worked_out_is_wrong_in_time(pathological, monkeypatch):
    monkeypatch.setattr("r1k.evaluate.grade.SECONDS", 1)
    start = time.monotonic()
    assert not judge_expression(pathological, "12").correct
    assert time.monotonic() - start < 5


def test_every_real_gold_answer_is_its_own_right_answer(shared_data):
    golds = [
        json.loads(line)["answer"]
        for name in ("aime24_30.jsonl", "math500_50.jsonl")
        for line in (shared_data / name).read_text().splitlines()
    ]
    assert len(golds) == 80
    for gold in golds:
        assert judge_expression(gold, gold).correct, gold
        assert judge_expression(f" {gold} ", gold).correct, gold
        assert not judge_expression("123456", gold).correct, gold


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


def test_nothing_readable_is_never_taken_for_the_first_option():
    graded = grade_sample(question("A", CHOICE), sample("I do not know."), "choice")
    assert (graded.correct, graded.rule, graded.extracted) == (False, "unparsed", None)


@pytest.mark.parametrize(
    ("gold", "shape", "completion", "last_correct"),
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
def test_the_last_number_is_compared_where_the_gold_answer_has_one(gold, shape, completion, last_correct):
    graded = grade_sample(question(gold, CHOICE if shape == "choice" else None), sample(completion), shape)
    assert graded.last_number_correct is last_correct


def test_options_without_one_number_leave_the_last_number_undecided():
    graded = grade_sample(question("A", ["red", "blue"]), sample("Answer: A, 5"), "choice")
    assert (graded.last_number, graded.last_number_correct) == ("5", None)


@pytest.fixture
def files(tmp_path: Path):
    write_jsonl(tmp_path / "q.jsonl", [question(direction="reverse"), question("7", identity="q2")])
    write_jsonl(tmp_path / "s.jsonl", [sample("\\boxed{8}", "q2", truncated=True), sample("Answer: 12")])
    return {"questions": tmp_path / "q.jsonl", "samples": tmp_path / "s.jsonl", "output": tmp_path / "g.jsonl"}


def test_verdicts_come_in_the_order_of_the_questions(files):
    grade(**files, shape="integer")
    graded = read_jsonl(files["output"], Graded)
    assert [(g.id, g.direction, g.extracted, g.correct, g.truncated) for g in graded] == [
        ("q1", "reverse", "12", True, False),
        ("q2", None, "8", False, True),
    ]
    manifest = json.loads(files["output"].with_suffix(".manifest.json").read_text())
    assert manifest["facts"] == {"n": 2, "shape": "integer", "rules": {"integer": 2}}


def test_every_answer_to_a_question_gets_a_verdict(files):
    again = sample("Answer: 13").model_copy(update={"sample": 1})
    write_jsonl(files["samples"], [sample("Answer: 12"), sample("7", "q2"), again])
    grade(**files, shape="integer")
    graded = read_jsonl(files["output"], Graded)
    assert [(g.id, g.sample, g.correct) for g in graded] == [("q1", 0, True), ("q1", 1, False), ("q2", 0, False)]


def test_a_question_without_a_sample_is_named(files):
    write_jsonl(files["samples"], [sample("12")])
    with pytest.raises(RecordError, match=r"s\.jsonl: no sample for question 'q2'"):
        grade(**files, shape="integer")
    assert not files["output"].exists()


def test_a_sample_without_a_question_is_named(files):
    write_jsonl(files["samples"], [sample("1", "q1"), sample("1", "q2"), sample("1", "q3")])
    with pytest.raises(RecordError, match=r"s\.jsonl: sample 'q3' answers no question"):
        grade(**files, shape="integer")


def test_two_samples_of_one_question_are_refused(files):
    write_jsonl(files["samples"], [sample("1", "q1"), sample("1", "q1"), sample("1", "q2")])
    with pytest.raises(RecordError, match=r"s\.jsonl:2: field 'id': 'q1'"):
        grade(**files, shape="integer")


def test_a_choice_whose_gold_is_no_letter_of_its_options_is_named(files):
    write_jsonl(files["questions"], [question("B", CHOICE), question("E", CHOICE, identity="q2")])
    with pytest.raises(RecordError, match=r"q\.jsonl: question 'q2': field 'gold'"):
        grade(**files, shape="choice")
