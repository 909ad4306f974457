"""Compare two texts that are no list, bracket or relation: words, quantities, ratios and expressions."""

import re
from fractions import Fraction
from typing import Any

import sympy

from r1k.evaluate.grading.bases import read_based, same_base
from r1k.evaluate.grading.expressions import is_scalar, parse_expression, same_form, same_value
from r1k.evaluate.grading.rationals import decimal_digits, read_rational
from r1k.evaluate.grading.structure import ELLIPSIS
from r1k.evaluate.grading.units import ParsedQuantity, Unit, split_quantity
from r1k.evaluate.grading.values import IntractableError
from r1k.evaluate.grading.words import EMPTY, is_words, same_words, unwrapped
from r1k.evaluate.latex_normalize import normalize_latex

RATIO = re.compile(r"[^:=<>]+(?::[^:=<>]+)+")
CLOCK = re.compile(r"\d{1,2}:0\d")


class UnparsedError(Exception):
    """A part of an answer is no mathematics that latex2sympy parses."""


def same_scalar(gold: str, answer: str) -> bool:
    """Return whether two texts that are no list, bracket or relation are the same.

    Raises:
        UnparsedError: latex2sympy cannot parse one of them, and the texts differ.
        IntractableError: A value is too large, or has no rule of evaluation.
    """
    if _compact(gold) == _compact(answer):
        return True
    based = same_base(gold, answer)
    if based is not None:
        return based
    if is_words(gold) or is_words(answer) or EMPTY.fullmatch(gold):
        return same_words(gold, answer)
    if RATIO.fullmatch(gold) or RATIO.fullmatch(answer):
        return _same_ratio(gold, answer)
    one, other = split_quantity(gold), split_quantity(answer)
    if one.unit and one.unit.is_short and other.unit is None:
        one = ParsedQuantity(gold)
    if other.unit and other.unit.is_short and one.unit is None and re.search(r"(?<!\\)[a-zA-Z]", gold):
        other = ParsedQuantity(answer)
    return _same_quantity(one, other)


def is_readable_scalar(text: str) -> bool:
    """Return whether a text is words, a number with its base, a ratio, or an expression that latex2sympy parses."""
    if ELLIPSIS.fullmatch(text) or is_words(text) or read_based(text) or RATIO.fullmatch(text):
        return True
    try:
        value = _value(split_quantity(text).number)
    except UnparsedError:
        return False
    return isinstance(value, Fraction) or is_scalar(value)


def _compact(text: str) -> str:
    return re.sub(r"(?<!\d)\s+|\s+(?!\d)", "", unwrapped(text))


def _same_ratio(gold: str, answer: str) -> bool:
    """Compare ratios by proportion, and times of the day as they are written."""
    texts = [re.sub(r"\s+", "", unwrapped(text)).casefold().replace(".m.", "m") for text in (gold, answer)]
    if any(CLOCK.match(text) or text.endswith(("am", "pm")) for text in texts):
        return texts[0] == texts[1] or (":" in texts[0] and texts[0].rstrip("apm") == texts[1])
    parts = [text.split(":") for text in texts]
    if {len(each) for each in parts} == {1, 2}:
        values = [f"\\frac{{{each[0]}}}{{{each[1]}}}" if len(each) == 2 else each[0] for each in parts]
        return same_scalar(*values)
    first = [each[0] for each in parts]
    return len(parts[0]) == len(parts[1]) and all(
        same_scalar(f"({one}) \\cdot ({first[1]})", f"({other}) \\cdot ({first[0]})")
        for one, other in zip(*parts, strict=True)
    )


def _same_quantity(gold: ParsedQuantity, answer: ParsedQuantity) -> bool:
    ones = [gold.unit or Unit(), answer.unit or Unit()]
    if ones[0].is_percent != ones[1].is_percent:
        hundredth = [Fraction(1, 100) if unit.is_percent else Fraction(1) for unit in ones]
        return _equal(gold, answer) or _equal(gold, answer, *hundredth)
    if ones[0].is_degree != ones[1].is_degree:
        radians = [sympy.pi / 180 if unit.is_degree else 1 for unit in ones]
        has_pi = any("\\pi" in normalize_latex(each.number) for each in (gold, answer))
        is_radian = any(unit.dimensions == (("radian", 1),) for unit in ones)
        if not is_radian and not _are_units(*ones) and _equal(gold, answer):
            return True
        return (has_pi or is_radian) and _equal(gold, answer, *radians)
    if _are_units(*ones):
        if ones[0].dimensions != ones[1].dimensions:
            return False
        return _equal(gold, answer, ones[0].factor, ones[1].factor)
    if any(unit.dimensions for unit in ones) and any(unit.nouns for unit in ones):
        return False
    if all(unit.nouns for unit in ones) and not ones[0].nouns & ones[1].nouns:
        return False
    return _equal(gold, answer)


def _are_units(one: Unit, other: Unit) -> bool:
    """Return whether both state a unit; degrees without a letter can be degrees of temperature."""
    if {one.dimensions, other.dimensions} & {(("celsius", 1),), (("fahrenheit", 1),)} and (
        one.is_degree or other.is_degree
    ):
        return False
    return bool(one.dimensions and other.dimensions)


def _equal(gold: ParsedQuantity, answer: ParsedQuantity, gold_factor: Any = 1, answer_factor: Any = 1) -> bool:
    values = [_value(each.number) for each in (gold, answer)]
    digits = decimal_digits(gold.number, answer.number)
    factors = [gold_factor * gold.scale, answer_factor * answer.scale]
    if all(isinstance(each, Fraction) for each in values) and all(isinstance(each, int | Fraction) for each in factors):
        products = [value * factor for value, factor in zip(values, factors, strict=True)]
        if products[0] == products[1]:
            return True
        if digits is None:
            return False
    forms = [
        sympy.Rational(value.numerator, value.denominator) if isinstance(value, Fraction) else value for value in values
    ]
    if not all(map(is_scalar, forms)):
        raise UnparsedError
    one, other = (
        form if factor == 1 else sympy.sympify(factor) * form for form, factor in zip(forms, factors, strict=True)
    )
    try:
        return same_value(one, other, digits)
    except IntractableError:
        if same_form(one, other):
            return True
        raise


def _value(text: str) -> Any:
    """Return the value of a text: a fraction, or a parsed expression."""
    normalized = normalize_latex(text)
    value = read_rational(normalized)
    return value if value is not None else _parsed(normalized)


def scalar_expression(text: str) -> Any:
    """Return the SymPy expression that a text is; raises UnparsedError if it is none."""
    parsed = _parsed(normalize_latex(text))
    if not is_scalar(parsed):
        raise UnparsedError
    return parsed


def _parsed(normalized: str) -> Any:
    parsed = parse_expression(normalized)
    if parsed is None:
        raise UnparsedError
    return parsed
