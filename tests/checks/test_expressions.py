import math

import pytest

from r1k.checks.expressions import constant, equivalent, sides, states_expression


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("4 k T R", "4kTR"),
        ("\\dfrac{4 k T R}{R^2 + (2 \\pi f L)^2}", "\\frac{4 k T R}{R^{2}+4 \\pi^{2} f^{2} L^{2}}"),
        ("\\frac{3}{2} N k T-a^{\\prime} N^{2} / V", "\\frac{3}{2} N k T - \\frac{a' N^{2}}{V}"),
        ("\\left(a+b\\right)^2", "a^2 + 2ab + b^2"),
        ("p_{0} e^{-z}", "p_0 e^{-z}"),
    ],
)
def test_equivalent_expressions(ours, theirs):
    assert equivalent(ours, theirs)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("\\frac{k T}{2\\pi}", "k T"),
        ("4kTR", "\\frac{4kTR}{R^2}"),
        ("a+b", "a-b"),
        ("\\int_0^x f(t) dt", "\\int_0^x t f(t) dt"),
        ("\\sqrt{7}", "7"),
        ("}{", "x"),
    ],
)
def test_different_expressions(ours, theirs):
    assert not equivalent(ours, theirs)


def test_sides_of_all_equations_are_returned():
    text = "Let $a = b+c$. Then \\[ d \\leq e \\] and $$\\begin{aligned} f & = g \\\\ & = h \\end{aligned} \\tag{5}$$"
    assert sides(text) == ["a", "b+c", "d", "e", "f", "g", "h"]


@pytest.mark.parametrize(
    ("text", "expression", "found"),
    [
        ("The noise is $\\frac{d V}{d f}=4 k T R$.", "4kTR", True),
        ("The current is $I=\\frac{4 k T R}{Z}$.", "4kTR", False),
        ("When CO is the solvent", "CO", True),
        ("When COD is the solvent", "CO", False),
        ("The function $f(x)=x$ is given.", "f(x) = x", True),
        ("A real number $x$", "x", False),
    ],
)
def test_only_whole_sides_count_as_stated(text, expression, found):
    assert states_expression(text, expression) == found


def test_irrational_numbers_have_a_value():
    assert constant("\\dfrac{7 + 3\\sqrt{7}}{7}") == pytest.approx(1 + 3 / math.sqrt(7))
    assert constant("\\pi \\ln 7") == pytest.approx(math.pi * math.log(7))
    assert constant("\\frac{1}{e}") == pytest.approx(1 / math.e)
    assert constant("k T") is None
