"""The mathematics of a text: the sides of its equations, and whether two of them are the same."""

import re
from typing import Any

import sympy
from sympy.core.function import AppliedUndef

from r1k.evaluate.extract import SPACING
from r1k.evaluate.rules import parsed

POINTS = range(3)
PRECISION = 1e-9
"""Relative difference of values that are taken for equal."""

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
"""What a number that is no fraction can be written with."""


def sides(text: str) -> list[str]:
    """The sides of the equations and inequalities of a text, and its expressions that stand alone."""
    return [
        side
        for span in math_spans(text)
        for part in RELATION.split(SETTING.sub(" ", span))
        if (side := part.strip().rstrip(".,;").strip())
    ]


def math_spans(text: str) -> list[str]:
    """What stands between dollar signs, or between `\\(` and `\\)`, `\\[` and `\\]`."""
    return [next(filter(None, span.groups())) for span in SPAN.finditer(text)]


def states_expression(text: str, expression: str) -> bool:
    """Does a text state an expression, or an equation, as a whole: not as a part of a larger one?"""
    if RELATION.search(expression) and compact(expression) in [compact(span) for span in math_spans(text)]:
        return True
    wanted = main_side(expression)
    if re.fullmatch(r"\w{2,}", wanted) and re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", text):
        return True
    says_little = len(symbols(wanted)) < 2 and not re.search(r"\d|\\pi", wanted)
    return not says_little and any(equivalent(side, wanted) for side in sides(text))


def constant(expression: str) -> float | None:
    """The value of an expression without letters, such as `\\frac{7+3\\sqrt{7}}{7}`; None for any other."""
    if symbols(expression) or not re.search(r"\d|\\pi|e", expression):
        return None
    found = [
        value for value in parsed(_simplify_markup(expression)) if getattr(value, "is_number", False) and value.is_real
    ]
    return float(found[0]) if found else None


def main_side(expression: str) -> str:
    """The longer side of an equation; an expression as it is."""
    parts = [part.strip() for part in RELATION.split(SETTING.sub(" ", expression)) if part.strip()]
    return max(parts, key=len, default=expression.strip())


def equivalent(ours: str, theirs: str) -> bool:
    """Are two expressions the same, as written or in value? Only those of the same letters are parsed and compared."""
    if compact(ours) == compact(theirs):
        return True
    if symbols(ours) != symbols(theirs) or not (symbols(ours) or ROOT.search(theirs)):
        return False
    mine, others = parsed(_simplify_markup(ours)), parsed(_simplify_markup(theirs))
    return bool(mine and others) and _same_value(mine[0], others[0])


def _same_value(ours: Any, theirs: Any) -> bool:
    """Equal, or of one value at every point that is tried: to simplify the difference can take for ever."""
    if ours == theirs:
        return True
    if not (isinstance(ours, sympy.Expr) and isinstance(theirs, sympy.Expr)):
        return False
    if any(one.has(sympy.Integral, sympy.Sum, sympy.Product, sympy.Limit, AppliedUndef) for one in (ours, theirs)):
        return False
    letters = sorted(ours.free_symbols | theirs.free_symbols, key=str)
    points = [{letter: sympy.Rational(7 + 4 * place, 5 + k) for place, letter in enumerate(letters)} for k in POINTS]
    values = [(complex(ours.subs(point).evalf()), complex(theirs.subs(point).evalf())) for point in points]
    return all(abs(mine - other) <= PRECISION * max(abs(mine), abs(other)) for mine, other in values)


def symbols(expression: str) -> set[str]:
    """The letters of an expression; digits do not count, as 2/4 can be 1/2."""
    found = set()
    for word in SYMBOL.findall(_simplify_markup(expression)):
        if word.isdigit() or word.lstrip("\\") in NO_SYMBOL:
            continue
        found |= {word} if word.startswith("\\") else set(word)
    return found - {"e"}


def compact(expression: str) -> str:
    """An expression without what only sets it."""
    text = re.sub(r"\{(\w)\}", r"\1", re.sub(r"\s+", "", SPACING.sub("", _simplify_markup(expression))))
    return re.sub(r"\{(\w)\}", r"\1", text).rstrip(".")


def _simplify_markup(expression: str) -> str:
    text = re.sub(r"\^\s*\{\s*\\prime\s*\}|\^\s*\\prime", "'", SETTING.sub(" ", expression))
    text = re.sub(r"\\(?:mathrm|text|rm)\s*\{([^{}]*)\}", r"\1", text)
    return re.sub(r"\\[dt]frac(?![a-zA-Z])", r"\\frac", text)
