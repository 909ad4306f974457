"""Verdicts by rules, compared with cases decided by hand."""

import json
import time

import pytest

from r1k.evaluate.latex_normalize import normalize_latex
from r1k.evaluate.rules import TIMEOUT, compare

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
    ("25", "2.5", False, "expression"),
    ("25", "25 \\text{ minutes}", True, "expression"),
    ("25", "25^\\circ", True, "expression"),
    ("25", "\\$25", True, "expression"),
    ("25", "n = 25", True, "expression"),
    ("25", "\\frac{50}{2}", True, "expression"),
    ("25", "12 + 13", True, "expression"),
    ("25", "25x", False, "expression"),
    ("25", "25, 26", False, "expression"),
    ("25", "25 \\text{ or } 26", False, "expression"),
    ("25", "m=20, n=5", False, "expression"),
    ("\\frac{14}{3}", "\\frac{14}{3}", True, "text"),
    ("\\frac{14}{3}", "14/3", True, "expression"),
    ("\\frac{14}{3}", "\\dfrac{28}{6}", True, "expression"),
    ("\\frac{14}{3}", "4\\frac{2}{3}", True, "expression"),
    ("\\frac{14}{3}", "\\frac{3}{14}", False, "expression"),
    ("\\frac{14}{3}", "4.67", False, "expression"),
    ("\\frac{3}{2}", "1.5", True, "expression"),
    ("1.25", "\\frac{5}{4}", True, "expression"),
    ("3\\sqrt{13}", "\\sqrt{117}", True, "expression"),
    ("3\\sqrt{13}", "13\\sqrt{3}", False, "expression"),
    ("11\\sqrt2", "11\\sqrt{2}", True, "expression"),
    ("11\\sqrt2", "15.556", False, "expression"),
    ("\\sqrt{51}", "\\sqrt{15}", False, "expression"),
    ("\\pi", "\\pi", True, "text"),
    ("\\pi", "3.14", False, "expression"),
    ("6 - 5i", "-5i + 6", True, "expression"),
    ("6 - 5i", "6 + 5i", False, "expression"),
    ("p - q", "-q + p", True, "expression"),
    ("p - q", "q - p", False, "expression"),
    ("\\left( 3, \\frac{\\pi}{2} \\right)", "(3, \\pi/2)", True, "expression"),
    ("\\left( 3, \\frac{\\pi}{2} \\right)", "(3,\\frac{\\pi}{3})", False, "expression"),
    ("(1,2)", "(2,1)", False, "expression"),
    ("1,-2", "-2, 1", True, "expression"),
    ("1,-2", "1, 2", False, "expression"),
    ("1,-2", "1", False, "expression"),
    ("3, 5, 7", "\\{7, 5, 3\\}", True, "expression"),
    ("[1,2)", "[1, 2]", False, "expression"),
    ("(-\\infty, 3]", "x \\le 3", True, "expression"),
    ("x \\in [-2,7]", "[-2,7]", True, "expression"),
    ("x=5", "5", True, "expression"),
    ("x=5", "6", False, "expression"),
    ("y = 2x + 1", "y - 2x = 1", True, "expression"),
    ("90^\\circ", "90", True, "expression"),
    ("10\\%", "10", True, "expression"),
    ("15\\mbox{ cm}^2", "15", True, "expression"),
    ("11,\\! 111,\\! 100", "11111100", True, "expression"),
    ("22y", "22y", True, "text"),
    ("22y", "22 y", True, "text"),
    ("22y", "22z", False, "expression"),
    ("22y", "22", False, "expression"),
    (
        "\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}",
        "\\begin{bmatrix} 1 \\\\ 2 \\end{bmatrix}",
        True,
        "expression",
    ),
    ("\\text{Evelyn}", "Evelyn", True, "text"),
    ("\\text{Evelyn}", "\\text{evelyn}", True, "text"),
    ("\\text{Evelyn}", "\\text{Briana}", False, "text"),
    ("\\text{even}", "\\text{neve}", False, "text"),
    ("\\text{June 20}", "June 20", True, "text"),
    ("\\text{(C)}", "C", True, "text"),
    ("\\text{(C)}", "\\text{(B)}", False, "text"),
    ("12", "twelve", False, "expression"),
    ("12", "\\frac{", False, "unparsed"),
    ("12", "?", False, "unparsed"),
    ("12", "\\foo{\\bar", False, "unparsed"),
    ("\\frac{1}{3}", "0.333333", False, "expression"),
    ("0.0000012", "0.0000014", False, "expression"),
    ("0.000001", "10^{-6}", True, "expression"),
    ("\\frac{7}{12}", "0.58\\overline{3}", True, "expression"),
    ("4\\sqrt{3}", "4√3", True, "expression"),
    ("100000", "1e5", True, "expression"),
    ("52", "\\approx 52", True, "expression"),
    ("\\text{parabola}", "a parabola", True, "text"),
    ("(3, \\frac{1}{2})", "\\left(3,\\dfrac{1}{2}\\right)", True, "text"),
    ("52", "5 2", False, "expression"),
]


@pytest.mark.parametrize(("gold", "extracted", "correct", "rule"), CASES)
def test_expressions(gold, extracted, correct, rule):
    verdict = compare(extracted, gold)
    assert (verdict.correct, verdict.rule) == (correct, rule)


@pytest.mark.parametrize("pathological", ["9^{9^{9^9}}", "\\binom{1000000}{500000}", "(" * 3000 + "1" + ")" * 3000])
def test_an_intractable_expression_is_wrong_within_the_time_limit(pathological, monkeypatch):
    monkeypatch.setattr("r1k.evaluate.rules.TIMEOUT_SECONDS", 1)
    start = time.monotonic()
    assert not compare(pathological, "12").correct
    assert time.monotonic() - start < 60


def test_every_real_gold_answer_equals_itself(shared_data):
    golds = [
        json.loads(line)["answer"]
        for name in ("aime24_30.jsonl", "math500_50.jsonl")
        for line in (shared_data / name).read_text().splitlines()
    ]
    assert len(golds) == 80
    for gold in golds:
        assert compare(gold, gold).correct, gold
        assert compare(f" {gold} ", gold).correct, gold
        assert not compare("123456", gold).correct, gold


def test_a_comparison_that_times_out_has_the_rule_timeout(monkeypatch):
    monkeypatch.setattr("r1k.evaluate.rules.TIMEOUT_SECONDS", 1)
    assert compare("100000000!", "12") == TIMEOUT


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("0.\\overline{3}", "\\frac{1}{3}"),
        ("-1.2\\overline{34}", "-\\frac{611}{495}"),
        ("3·√(x+1)", "3\\cdot \\sqrt{x+1}"),
        ("√{2}", "\\sqrt{2}"),
        ("2.5e-3", "2.5 \\times 10^{-3}"),
        ("= 5", "5"),
        ("\\varnothing", "\\emptyset"),
        ("x ≤ 3π", "x \\le 3\\pi"),
    ],
)
def test_normalize_latex_rewrites_what_math_verify_misreads(answer, expected):
    assert normalize_latex(answer) == expected


@pytest.mark.parametrize("answer", ["2e", "e^2", "3e5x", "\\overline{AB}", "x=5", "5 = x", "\\varnothingx", "12"])
def test_normalize_latex_keeps_everything_else(answer):
    assert normalize_latex(answer) == answer
