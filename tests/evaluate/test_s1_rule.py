"""s1's rule: which text it grades, and what it decides without its judge."""

import pytest

from r1k.evaluate.s1_rule import MAX_GRADED_CHARS, s1_answer, s1_verdict
from r1k.records import Question


def question(gold, options=None) -> Question:
    return Question(id="q", benchmark="b", question="?", gold=gold, options=options, kind="k")


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        ("so \\boxed{12}", "12"),
        ("\\boxed{3}, no, \\boxed{\\frac{7}{2}}.", "\\frac{7}{2}"),
        ("\\boxed{\\boxed{5}}", "5"),
        ("\\boxed{\\{1, 2\\}}", "\\{1, 2\\}"),
        ("\\boxed{a} then Answer: b", "a"),
        ("thus $\\boxed 42$ is it", "42"),
        ("\\boxed{1} and later \\boxed 42", "42"),
        ("\\boxed {42}", "42"),
        ("\\boxed{ 42 }", "42"),
        ("Write it in \\boxed . So \\boxed{42}", "42"),
    ],
)
def test_the_last_box_is_read(completion, expected):
    assert s1_answer(completion) == expected


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        ("Answer: 12", "12"),
        ("ANSWER : 12", "12"),
        ("the final answer\n:\n\n 12\ngrams", "12\ngrams"),
        ("Answer: 3\nNo.\nanswer: 4", "4"),
        ("Answer: B) 56 J", "B) 56 J"),
        ("**Answer:** 12", "** 12"),
        ("\\boxed{12} or \\boxed{13. Answer: 14", "14"),
    ],
)
def test_without_a_box_the_last_marker_is_read_to_the_end(completion, expected):
    assert s1_answer(completion) == expected


@pytest.mark.parametrize(
    "completion",
    ["It is twelve.", "**Answer** 12", "The answer is 12", "I think \\boxed{52}. Final: \\boxed{", "\\fbox{42}", "12"],
)
def test_without_a_box_and_a_marker_the_whole_text_is_read(completion):
    assert s1_answer(f" {completion}\n") == completion


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        ("<|im_start|>think\n\\boxed{1}\n<|im_start|>answer\nIt is 2.", "It is 2."),
        ("a <|im_start|>answer\n\\boxed{1} <|im_start|>answer\nAnswer: 2", "2"),
        ("<|im_start|>think\nIt is 7, or", "It is 7, or"),
        ("<|im_start|>think\nAnswer: 3\nbut", "3\nbut"),
    ],
)
def test_only_the_text_after_the_last_separator_is_read(completion, expected):
    assert s1_answer(completion) == expected


@pytest.mark.parametrize("completion", ["", " \n", "\\boxed{}", "\\boxed{ }", "Answer:", "<|im_start|>answer\n"])
def test_nothing_is_read_where_nothing_stands(completion):
    assert s1_answer(completion) is None


def test_a_long_text_is_read_from_its_end():
    assert s1_answer("so " * MAX_GRADED_CHARS + "12") == ("so " * MAX_GRADED_CHARS + "12")[-MAX_GRADED_CHARS:].strip()


@pytest.mark.parametrize(
    ("gold", "text", "correct"),
    [("12", "12", True), ("012", "12", True), ("12", "0012", True), ("12", "13", False), ("12", "1", False)],
)
def test_two_strings_of_digits_are_compared_as_numbers(gold, text, correct):
    verdict = s1_verdict(question(gold), text)
    assert verdict is not None and (verdict.correct, verdict.rule) == (correct, "integer")


@pytest.mark.parametrize(
    ("gold", "text"),
    [("12", "-12"), ("12", "12.0"), ("12", "1,2"), ("12", "12 "), ("x", "12"), ("12", "x"), ("12", "²"), ("C", "C")],
)
def test_anything_else_goes_to_the_judge(gold, text):
    assert s1_verdict(question(gold), text) is None


OPTIONS = ["1", "2", "3", "4"]


@pytest.mark.parametrize(("text", "correct"), [("B", True), ("b", True), ("A", False), ("d", False)])
def test_a_letter_alone_stands(text, correct):
    verdict = s1_verdict(question("B", OPTIONS), text)
    assert verdict is not None and (verdict.correct, verdict.rule) == (correct, "letter")


@pytest.mark.parametrize("text", ["B)", "(B)", "B.", "E", "e", "2", "12", "AB", "**B**", "option B"])
def test_any_other_answer_to_a_choice_goes_to_the_judge(text):
    assert s1_verdict(question("B", OPTIONS), text) is None
