"""Grading of samples by rules, by a judge's verdicts, and in s1's order."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from r1k.errors import RecordError
from r1k.evaluate.grade import grade, grade_sample
from r1k.evaluate.rules import reads_gold
from r1k.evaluate.score import tally
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


@pytest.mark.parametrize("gold", ["\\sqrt{", "\\frac{", "?"])
def test_a_gold_answer_that_the_rules_cannot_read_is_an_error_of_the_benchmark(files, gold):
    write_jsonl(files["questions"], [question("12"), question(gold, identity="q2")])
    with pytest.raises(
        RecordError, match=r"(?s)q\.jsonl: field 'gold': .* 1 gold answers.*judge.*\n  question 'q2'"
    ) as error:
        grade(**files, answer_type="expression")
    assert repr(gold) in str(error.value)
    assert not files["output"].exists()


@pytest.mark.parametrize(
    "gold", ["\\text{Evelyn}", "p - q", "(3, \\frac{\\pi}{2})", "\\text{(C)}", "x \\in [-2,7]", "even"]
)
def test_words_and_expressions_are_gold_answers(files, gold):
    write_jsonl(files["questions"], [question(gold), question(gold, identity="q2")])
    write_jsonl(files["samples"], [sample(f"\\boxed{{{gold}}}"), sample("\\boxed{123456}", "q2")])
    grade(**files, answer_type="expression")
    assert [one.correct for one in read_jsonl(files["output"], Graded)] == [True, False]


def test_every_gold_answer_of_the_benchmarks_is_read(shared_data):
    rows = [
        json.loads(line)
        for name in ("aime24_30.jsonl", "math500_50.jsonl")
        for line in (shared_data / name).read_text().splitlines()
    ]
    assert len(rows) == 80
    assert [row["answer"] for row in rows if not reads_gold(row["answer"])] == []


def test_grading_works_outside_of_the_main_thread_within_its_time_limit(files, monkeypatch):
    monkeypatch.setattr("r1k.evaluate.rules.TIMEOUT_SECONDS", 0.5)
    write_jsonl(files["questions"], [question("\\frac{1}{2}"), question("24", identity="q2")])
    write_jsonl(files["samples"], [sample("\\boxed{0.5}"), sample("\\boxed{200000000!}", "q2")])
    with ThreadPoolExecutor(1) as thread:
        thread.submit(grade, **files, answer_type="expression").result()
    found = read_jsonl(files["output"], Graded)
    assert [(one.correct, one.rule) for one in found] == [(True, "expression"), (False, "timeout")]
    counts = tally(found)
    assert (counts.timed_out, counts.unparsed, counts.unread) == (1, 0, 0)
