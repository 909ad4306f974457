"""The mathematics of a text: the sides of its equations, and whether two expressions are equivalent."""

import re
from typing import Any

import sympy
from sympy.core.function import AppliedUndef

from r1k.child_process import CPULimitError
from r1k.evaluate.extract import SPACING
from r1k.evaluate.rules import parsed, within_limit

POINTS = range(3)
PRECISION = 1e-9
"""Relative difference up to which two values count as equal."""

SPAN = re.compile(r"\$\$(.+?)\$\$|\$(.+?)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
RELATION = re.compile(
    r"[=<>≈≤≥≡]|\\\\|\\(?:approx|leq?|geq?|neq|equiv|sim|Rightarrow|implies|rightarrow|to|quad)(?![a-zA-Z])"
)
SETTING = re.compile(r"\\(?:begin|end)\{\w+\*?\}|\\tag\s*\{[^{}]*\}|(?<!\\)&|\\(?:left|right|displaystyle)(?![a-zA-Z])")
SYMBOL = re.compile(r"\\?[A-Za-z]+|\d")
NO_SYMBOL = set(
    "frac dfrac tfrac sqrt cdot times mathrm text operatorname prime exp ln log sin cos tan pi".split()  # noqa: SIM905
)
ROOT = re.compile(r"\\sqrt|√|\\pi|π|\\ln|\\log")
"""Notation of numbers that are not fractions."""


def sides(text: str) -> list[str]:
    """Return the sides of a text's equations and inequalities, and its other expressions."""
    return [
        side
        for span in math_spans(text)
        for part in RELATION.split(SETTING.sub(" ", span))
        if (side := part.strip().rstrip(".,;").strip())
    ]


def math_spans(text: str) -> list[str]:
    r"""Return the text between dollar signs, `\(` and `\)`, or `\[` and `\]`."""
    return [next(filter(None, span.groups())) for span in SPAN.finditer(text)]


def states_expression(text: str, expression: str) -> bool:
    """Return whether a text states an expression or equation as a whole, not as part of a larger one."""
    if RELATION.search(expression) and compact(expression) in [compact(span) for span in math_spans(text)]:
        return True
    wanted = main_side(expression)
    if re.fullmatch(r"\w{2,}", wanted) and re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", text):
        return True
    is_ambiguous = len(symbols(wanted)) < 2 and not re.search(r"\d|\\pi", wanted)
    return not is_ambiguous and any(equivalent(side, wanted) for side in sides(text))


def constant(expression: str) -> float | None:
    r"""Return the value of an expression without letters, such as `\frac{7+3\sqrt{7}}{7}`; None for others, and for one
    that takes too long."""
    if symbols(expression) or not re.search(r"\d|\\pi|e", expression):
        return None
    try:
        return within_limit(_value, _simplify_markup(expression))
    except CPULimitError:
        return None


def _value(expression: str) -> float | None:
    found = [value for value in parsed(expression) if getattr(value, "is_number", False) and value.is_real]
    return float(found[0]) if found else None


def main_side(expression: str) -> str:
    """Return the longer side of an equation; return any other expression unchanged."""
    parts = [part.strip() for part in RELATION.split(SETTING.sub(" ", expression)) if part.strip()]
    return max(parts, key=len, default=expression.strip())


def equivalent(left: str, right: str) -> bool:
    """Return whether two expressions are equal, as written or in value; those with different letters are not, and those
    whose comparison takes too long."""
    if compact(left) == compact(right):
        return True
    if symbols(left) != symbols(right) or not (symbols(left) or ROOT.search(right)):
        return False
    try:
        return within_limit(_equal_values, _simplify_markup(left), _simplify_markup(right))
    except CPULimitError:
        return False


def _equal_values(left: str, right: str) -> bool:
    lefts, rights = parsed(left), parsed(right)
    return bool(lefts and rights) and _same_value(lefts[0], rights[0])


def _same_value(left: Any, right: Any) -> bool:
    """Return whether two values are equal, at every test point if they contain letters.

    Simplifying the difference instead may not terminate.
    """
    if left == right:
        return True
    if not (isinstance(left, sympy.Expr) and isinstance(right, sympy.Expr)):
        return False
    if any(one.has(sympy.Integral, sympy.Sum, sympy.Product, sympy.Limit, AppliedUndef) for one in (left, right)):
        return False
    letters = sorted(left.free_symbols | right.free_symbols, key=str)
    points = [{letter: sympy.Rational(7 + 4 * place, 5 + k) for place, letter in enumerate(letters)} for k in POINTS]
    values = [(complex(left.subs(point).evalf()), complex(right.subs(point).evalf())) for point in points]
    return all(abs(one - other) <= PRECISION * max(abs(one), abs(other)) for one, other in values)


def symbols(expression: str) -> set[str]:
    """Return the letters of an expression; digits do not count, because 2/4 equals 1/2."""
    found = set()
    for word in SYMBOL.findall(_simplify_markup(expression)):
        if word.isdigit() or word.lstrip("\\") in NO_SYMBOL:
            continue
        found |= {word} if word.startswith("\\") else set(word)
    return found - {"e"}


def compact(expression: str) -> str:
    """Return an expression without whitespace and layout commands."""
    text = re.sub(r"\{(\w)\}", r"\1", re.sub(r"\s+", "", SPACING.sub("", _simplify_markup(expression))))
    return re.sub(r"\{(\w)\}", r"\1", text).rstrip(".")


def _simplify_markup(expression: str) -> str:
    text = re.sub(r"\^\s*\{\s*\\prime\s*\}|\^\s*\\prime", "'", SETTING.sub(" ", expression))
    text = re.sub(r"\\(?:mathrm|text|rm)\s*\{([^{}]*)\}", r"\1", text)
    return re.sub(r"\\[dt]frac(?![a-zA-Z])", r"\\frac", text)
