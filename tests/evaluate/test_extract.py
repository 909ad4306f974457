"""Extraction of answers and numbers from text, by hand-checked cases."""

import time
from fractions import Fraction

import pytest

from r1k.boxed import last_boxed
from r1k.evaluate.extract import (
    final_answer,
    last_number,
    read_integer,
    read_letter,
    read_number,
    read_option,
    vote,
)

TURN = "<|im_start|>think\n{}\n<|im_start|>answer\n{}"

FINAL = [
    (TURN.format("so 5, \\boxed{5}", "Answer: 6"), "6"),
    (TURN.format("so 5, \\boxed{5}", "nothing here"), None),
    (TURN.format("2", "\\boxed{1} or rather \\boxed{2}"), "2"),
    (TURN.format("2", "Answer: 7, that is \\boxed{8}"), "8"),
    (TURN.format("<|im_start|>answer\nAnswer: 1", "Answer: 2"), "2"),
    ("no separator, \\boxed{3}", "3"),
    ("Answer: 1\nAnswer: 4\n", "4"),
    ("**Answer:** 4", "4"),
    ("Answer: **4**.", "4"),
    ("Answer:\n\n  $4$", "4"),
    ("Answer: 4 apples. So it is.", "4 apples"),
    ("The answer is 4", "4"),
    ("\\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
    ("\\boxed {9}", "9"),
    ("\\boxed{}", None),
    ("\\boxed{5} then cut \\boxed{6", None),
    ("\\boxed{5 then \\boxed{6}", "6"),
    ("\\boxed{\\boxed{7}}", "7"),
    ("\\boxed{\\{1, 2\\}}", "\\{1, 2\\}"),
    ("\\boxed{ $12$ }", "12"),
    ("\\boxed{1}\n\\boxed{\\text{a {b} c}}", "\\text{a {b} c}"),
    ("", None),
    ("Answer:", None),
    ("\\boxed{" + "9" * 1000 + "}", "9" * 1000),
    ("\\boxed{" + "9" * 1001 + "}", None),
    ("Answer: " + "on and on " * 10_000, None),
]


@pytest.mark.parametrize(("completion", "expected"), FINAL)
def test_final_answer(completion, expected):
    assert final_answer(completion) == expected


INTEGERS = [
    ("25", 25),
    ("025", 25),
    ("-4", -4),
    ("- 4", -4),
    ("−4", -4),
    ("1,234", 1234),
    ("1{,}234", 1234),
    ("11,\\! 111", None),
    ("12.0", 12),
    ("$12$", 12),
    ("\\text{12}", 12),
    ("２５", 25),
    ("12.5", None),
    ("1,23", None),
    ("12 eggs", None),
    ("x = 12", None),
    ("9" * 5000, None),
    ("", None),
]


@pytest.mark.parametrize(("answer", "expected"), INTEGERS)
def test_read_integer(answer, expected):
    assert read_integer(answer) == expected


LETTERS = [
    ("B", "B"),
    ("b", "B"),
    ("(B)", "B"),
    ("(b)", "B"),
    ("B)", "B"),
    ("B.", "B"),
    ("$B$", "B"),
    ("**B**", "B"),
    ("\\text{B}", "B"),
    ("\\textbf{(B)}", "B"),
    ("\\mathrm{B}", "B"),
    ("B) 56", "B"),
    ("B: 56", "B"),
    ("(B) 56 m/s", "B"),
    ("\\textbf{(B)}\\ 56", "B"),
    ("B) A car", "B"),
    ("B) and a half", "B"),
    ("option B", "B"),
    ("Option B is correct", "B"),
    ("The answer is B is wrong", None),
    ("选项 B", "B"),
    ("答案是：Ｂ", "B"),
    ("（Ｂ）", "B"),
    ("$\\text{(B)}$ $56$ J", "B"),
    ("The correct answer is (B)", "B"),
    ("D", "D"),
    ("E", None),
    ("A or B", None),
    ("A) or B)", None),
    ("(A), (B)", None),
    ("(A)(B)", None),
    ("A and B", None),
    ("A, B", None),
    ("AB", None),
    ("A car", None),
    ("a good question", None),
    ("56", None),
    ("", None),
]


@pytest.mark.parametrize(("answer", "expected"), LETTERS)
def test_read_letter(answer, expected):
    assert read_letter(answer, options=4) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("B", "B"),
        ("blue sky", "A"),
        ("\\text{Blue sky}", "A"),
        ("blue", None),
        ("a blue sky", None),
        ("12 J", "C"),
        ("12", None),
        ("the same", None),
        ("B) blue sky", "B"),
    ],
)
def test_read_option_by_letter_or_full_text(answer, expected):
    assert read_option(answer, ["Blue sky", "a B", "$12$ J", "the same", "The same"]) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("12", Fraction(12)),
        ("-0.5", Fraction(-1, 2)),
        (".5", Fraction(1, 2)),
        ("3/4", Fraction(3, 4)),
        ("\\frac{3}{4}", Fraction(3, 4)),
        ("-\\dfrac{3}{4}", Fraction(-3, 4)),
        ("1,000.25", Fraction(400100, 400)),
        ("12 m", None),
        ("\\frac{\\pi}{2}", None),
        ("1/0", None),
        ("9" * 5000, None),
    ],
)
def test_read_number(answer, expected):
    assert read_number(answer) == expected


@pytest.mark.parametrize(
    ("text", "written", "value"),
    [
        ("3 x 4 = 12.", "12", 12),
        ("\\boxed{12}", "12", 12),
        ("x = -4", "-4", -4),
        ("10 - 4", "4", 4),
        ("10-4", "4", 4),
        ("it costs 1,234 dollars", "1,234", 1234),
        ("first 1, then 2,3", "3", 3),
        ("so \\frac{3}{4} of it", "\\frac{3}{4}", Fraction(3, 4)),
        ("60/5", "60/5", 12),
        ("B) 56 m/s", "56", 56),
        ("about 2.50", "2.50", Fraction(5, 2)),
        ("Answer: 22y", "22", 22),
        ("12 then 1/0", "1/0", None),
    ],
)
def test_last_number(text, written, value):
    assert last_number(text) == (written, value)


def test_last_number_of_a_text_without_one():
    assert last_number("no number at all") is None


def test_a_model_that_never_closes_its_boxes_is_read_in_linear_time():
    start = time.process_time()
    assert last_boxed("\\boxed{1} " + "\\boxed{" * 50_000) == "1"
    assert time.process_time() - start < 10


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("025", "25.0", True),
        ("B", "B) 56 J", True),
        ("\\text{Red}", "red", True),
        ("\\frac{1}{2}", "\\frac{1}{2}.", True),
        ("\\frac{1}{2}", "0.5", False),
        ("12", "13", False),
        ("A", "C", False),
    ],
)
def test_equal_answers_have_equal_votes(one, other, alike):
    assert (vote(one) == vote(other)) is alike


@pytest.mark.parametrize(
    "text",
    [
        "so Answer: 11 ... " * 8_000,
        "the answer is 11 and " * 8_000,
        "\\boxed 1= " * 15_000,
        "\\boxed{1}, " * 10_000,
        "\\boxed{" * 50_000,
        "(Answer: " * 15_000,
        "Answer: $$" * 10_000,
        "Answer: \\[ " * 10_000,
        "Wait, that " * 10_000,
        "**Answer** " * 10_000,
        "The total is **" * 10_000,
    ],
)
@pytest.mark.parametrize("answer_type", ["expression", "choice"])
def test_a_model_that_repeats_itself_is_read_in_linear_time(text, answer_type):
    start = time.process_time()
    final_answer(text, answer_type)
    assert time.process_time() - start < 20  # in quadratic time, minutes
