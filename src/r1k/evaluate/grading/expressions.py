"""Parse expressions with latex2sympy, and decide whether two have the same value at every point."""

import random
import re
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from typing import Any

import mpmath
import sympy
from latex2sympy2_extended import latex2sympy
from latex2sympy2_extended.latex2sympy2 import ConversionConfig
from sympy.core.function import AppliedUndef
from sympy.matrices import MatrixBase

from r1k.evaluate.grading.values import Evaluation, IntractableError, exact
from r1k.evaluate.latex_normalize import join_thousands

MAX_DEPTH = 30
"""Maximum depth of brackets; the parser's time grows exponentially with it."""
DIGITS = 50
"""Significant digits to which equal values agree."""
MAX_SPREAD = 1_500
"""Maximum number of digits by which summands may differ in size."""
POINTS = 8
"""Number of points at which two expressions with variables are compared."""

MULTIPLIED = re.compile(r"(?<![\^_\w.])(\d+(?:\.\d+)?)\s*(?=\()")
PRIME = re.compile(r"([a-zA-Z])('+|\^\{?\\prime\}?)")
DECIMAL_COMMA = re.compile(r"(-?0),(\d+)\Z")
DEGREES = re.compile(r"(\d+(?:\.\d+)?|[a-zA-Z]|\))\s*\^\s*\{?\s*\\circ\s*\}?")
CONVERSION = ConversionConfig(lowercase_symbols=False)


@lru_cache(maxsize=1 << 12)
def parse_expression(text: str) -> Any:
    """Return the SymPy object that a text in LaTeX is, or None if latex2sympy cannot parse it."""
    text = join_thousands(text)
    if _depth(text) > MAX_DEPTH:
        return None
    text = DECIMAL_COMMA.sub(r"\1.\2", text)
    text = MULTIPLIED.sub(r"\1 \\cdot ", PRIME.sub(lambda found: found[1] + "_{" + "q" * len(found[2]) + "}", text))
    text = DEGREES.sub(r"\1 \\cdot \\frac{\\pi}{180}", text)
    try:
        parsed = latex2sympy(text, is_real=False, normalization_config=None, conversion_config=CONVERSION)
    except IntractableError:
        raise
    except Exception:  # noqa: BLE001  latex2sympy raises Exception itself for text that is not mathematics
        return None
    if isinstance(parsed, sympy.Basic | MatrixBase) and "\\sum" not in text and "\\prod" not in text:
        return parsed.xreplace({sympy.Symbol("i", real=False): sympy.I})
    return parsed


def is_scalar(expression: Any) -> bool:
    """Return whether a parsed object is a number or an expression with a numeric value."""
    return isinstance(expression, sympy.Expr) and not isinstance(expression, sympy.MatrixExpr)


def same_value(gold: sympy.Expr, answer: sympy.Expr, tolerance: int | None = None) -> bool:
    """Return whether two expressions have the same value, at every point where one of them is real.

    Rational numbers are compared exactly; all others to DIGITS significant digits and again to three times as many.
    With a tolerance, constants are the same if they agree to that many significant digits.

    Raises:
        IntractableError: A value is too large, or has no rule of evaluation.
    """
    if gold == answer:
        return True
    if any(each.has(sympy.oo, -sympy.oo, sympy.zoo, sympy.nan) for each in (gold, answer)):
        return False
    values = exact(gold), exact(answer)
    if values[0] is not None and values[1] is not None:
        return values[0] == values[1] or _near(values[0], values[1], tolerance)
    variables = sorted(_variables(gold) | _variables(answer), key=str)
    if not variables:
        return _same_constant(gold, answer, tolerance)
    if _variables(gold) != _variables(answer) and not _may_vanish(gold, answer):
        return False
    return _same_function(gold, answer, variables)


def same_form(gold: sympy.Basic, answer: sympy.Basic) -> bool:
    """Return whether two expressions differ only in the order of their summands and factors."""
    return bool(_ordered(gold) == _ordered(answer))


def same_ratio(gold: sympy.Expr, answer: sympy.Expr) -> int:
    """Return 1 or -1 if `gold / answer` is a positive or negative constant at all points, else 0."""
    variables = sorted(_variables(gold) | _variables(answer), key=str)
    ratios = []
    for values in _points(variables):
        try:
            parts = [Evaluation(DIGITS, values).run(each) for each in (gold, answer)]
            ratios.append(parts[0] / parts[1])
        except (ZeroDivisionError, ValueError, OverflowError):
            continue
    if len(ratios) < POINTS // 2 or abs(mpmath.im(ratios[0])) > mpmath.mpf(10) ** -20 or not ratios[0]:
        return 0
    is_constant = all(abs(ratio / ratios[0] - 1) < mpmath.mpf(10) ** (20 - DIGITS) for ratio in ratios)
    return int(mpmath.sign(mpmath.re(ratios[0]))) if is_constant else 0


def _ordered(expression: sympy.Basic) -> tuple[Any, ...]:
    """Return an expression as nested tuples, with summands and factors in one order; nothing is evaluated."""
    if not expression.args:
        return (str(expression),)
    parts = [_ordered(part) for part in expression.args]
    if isinstance(expression, sympy.Add | sympy.Mul):
        name = type(expression).__name__
        flat = [inner for part in parts for inner in (part[1:] if part[0] == name else (part,))]
        return (name, *sorted(flat, key=str))
    return (type(expression).__name__, *parts)


def _same_constant(gold: sympy.Expr, answer: sympy.Expr, tolerance: int | None) -> bool:
    first = _difference(gold, answer, DIGITS, {})
    if tolerance is not None:
        return bool(first[0] <= first[2] * mpmath.mpf(10) ** -tolerance)
    spread = first[3]
    if spread > MAX_SPREAD:
        raise IntractableError
    return all(_is_zero(_difference(gold, answer, digits + spread, {}), digits) for digits in (DIGITS, 3 * DIGITS))


def _difference(gold: sympy.Expr, answer: sympy.Expr, digits: int, values: Any) -> tuple[Any, Any, Any, int]:
    """Return the absolute difference, the scale of its rounding error, the values' size, and the summands' spread."""
    evaluation = Evaluation(digits, values)
    parts = [evaluation.run(each) for each in (gold, answer)]
    with mpmath.workdps(digits):
        size = max(abs(part) for part in parts)
        return abs(parts[0] - parts[1]), max(size, evaluation.largest), size, evaluation.spread


def _is_zero(difference: tuple[Any, Any, Any, int], digits: int) -> bool:
    gap, scale, _, spread = difference
    return bool(gap <= scale * mpmath.mpf(10) ** (8 - digits - spread))


def _same_function(gold: sympy.Expr, answer: sympy.Expr, variables: list[sympy.Basic]) -> bool:
    compared = 0
    elsewhere: list[bool] = []
    for values in _points(variables):
        try:
            parts = [Evaluation(DIGITS, values).run(each) for each in (gold, answer)]
        except (ZeroDivisionError, ValueError, OverflowError):
            continue
        are_real = [abs(mpmath.im(part)) <= abs(part) * mpmath.mpf(10) ** (15 - DIGITS) for part in parts]
        is_same = _is_zero(_difference(gold, answer, DIGITS, values), DIGITS - 15)
        if any(are_real) or _is_complex(gold, answer):
            compared += 1
            if not is_same:
                return False
        elsewhere.append(is_same)
    return compared >= POINTS // 2 or (len(elsewhere) >= POINTS // 2 and all(elsewhere))


def _is_complex(*expressions: sympy.Expr) -> bool:
    return any(expression.has(sympy.I) for expression in expressions)


def _points(variables: list[sympy.Basic]) -> Iterator[dict[sympy.Basic, Any]]:
    """Yield points: small and large, positive first, then of both signs, then whole numbers for factorials."""
    dice = random.Random(8128)
    for number in range(3 * POINTS):
        size = (1.0, 1.0, 4.0)[number % 3]
        signs = [1 if number < POINTS else dice.choice((1, -1)) for _ in variables]
        yield {
            variable: mpmath.mpf(sign * round(size * dice.uniform(0.15, 0.95) * 10**6)) / 10**6
            for variable, sign in zip(variables, signs, strict=True)
        }


def _variables(expression: Any) -> set[Any]:
    bound = {limit[0] for each in expression.atoms(sympy.Sum, sympy.Product) for limit in each.limits}
    calls = expression.atoms(AppliedUndef)
    inside = {symbol for call in calls for symbol in call.free_symbols}
    return {*expression.free_symbols, *calls} - bound - inside


def _may_vanish(gold: sympy.Expr, answer: sympy.Expr) -> bool:
    """Return whether a variable that only one side has can cancel there."""
    only = _variables(gold) ^ _variables(answer)
    return any(sum(1 for node in sympy.preorder_traversal(each) if node in only) > 1 for each in (gold, answer))


def _near(gold: Fraction, answer: Fraction, tolerance: int | None) -> bool:
    return tolerance is not None and abs(gold - answer) <= max(abs(gold), abs(answer)) / 10**tolerance


def _depth(text: str) -> int:
    depth = deepest = 0
    for character in text:
        depth += {"(": 1, "{": 1, "[": 1, ")": -1, "}": -1, "]": -1}.get(character, 0)
        deepest = max(deepest, depth)
    return deepest
