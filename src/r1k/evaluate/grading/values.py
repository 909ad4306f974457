"""Evaluate parsed expressions: exactly as fractions, or to many digits, within bounds of size."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import prod
from typing import Any

import mpmath
import sympy
from sympy.core.function import AppliedUndef

MAX_BITS = 1 << 17
"""Maximum size of an exact number's numerator or denominator, in bits."""
MAX_FACTORIAL = 20_000
MAX_TERMS = 2_000
"""Maximum number of terms of a sum or product."""
MAX_TOWER_BITS = 60
"""Maximum size of an exponent that mpmath still raises to, in bits."""
MAX_ANGLE_BITS = 2_000
"""Maximum size of a trigonometric function's argument, in bits; reducing it takes as many digits."""


class IntractableError(Exception):
    """An expression is too large to evaluate, or of a kind that this module does not evaluate."""


def exact(expression: sympy.Basic) -> Fraction | None:
    """Return the value of an expression of whole numbers, decimals and the four operations; None for any other.

    Powers, factorials, binomials, absolute values and roundings count if their value is rational.

    Raises:
        IntractableError: The value is rational and above MAX_BITS.
        ZeroDivisionError: A divisor is zero.
    """
    if isinstance(expression, sympy.Rational):
        return Fraction(int(expression.p), int(expression.q))
    if isinstance(expression, sympy.Float):
        return decimal(expression)
    if not expression.args or isinstance(expression, sympy.Symbol | AppliedUndef):
        return None
    rule = _EXACT.get(type(expression))
    if rule is None:
        return None
    parts = [exact(part) for part in expression.args]
    return None if None in parts else _bounded(rule(*parts))


def decimal(number: sympy.Float) -> Fraction:
    """Return the decimal that a parsed Float was written as."""
    return Fraction(str(number))


def _bounded(value: Fraction | None) -> Fraction | None:
    if value is not None and max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
        raise IntractableError
    return value


def _add(*parts: Fraction) -> Fraction:
    return sum(parts, Fraction(0))


def _multiply(*parts: Fraction) -> Fraction:
    product = Fraction(1)
    for part in parts:
        product = product * part
        _bounded(product)
    return product


def _power(base: Fraction, exponent: Fraction) -> Fraction | None:
    if exponent.denominator == 1:
        bits = max(base.numerator.bit_length(), base.denominator.bit_length())
        if base not in (0, 1, -1) and bits * abs(exponent.numerator) > MAX_BITS:
            raise IntractableError
        return base**exponent.numerator
    if base < 0 or exponent.denominator > 64:
        return None
    roots = [_root(part, exponent.denominator) for part in (base.numerator, base.denominator)]
    if roots[0] is None or roots[1] is None:
        return None
    return _power(Fraction(roots[0], roots[1]), Fraction(exponent.numerator))


def _root(number: int, degree: int) -> int | None:
    root, is_exact = sympy.integer_nthroot(number, degree)
    return int(root) if is_exact else None


def _factorial(n: Fraction) -> Fraction | None:
    if n.denominator != 1 or n < 0:
        return None
    if n > MAX_FACTORIAL:
        raise IntractableError
    return Fraction(int(sympy.factorial(n.numerator)))


def _log(value: Fraction, base: Fraction) -> Fraction | None:
    """Return a logarithm that is a whole number."""
    if value <= 0 or base <= 0 or base == 1:
        return None
    with mpmath.workdps(30):
        guess = round(
            mpmath.log(mpmath.mpf(value.numerator) / value.denominator, mpmath.mpf(base.numerator) / base.denominator)
        )
    if abs(guess) > MAX_BITS:
        return None
    return Fraction(int(guess)) if _power(base, Fraction(int(guess))) == value else None


_EXACT: dict[type, Any] = {
    sympy.Add: _add,
    sympy.Mul: _multiply,
    sympy.Pow: _power,
    sympy.factorial: _factorial,
    sympy.Abs: abs,
    sympy.floor: lambda value: Fraction(value.__floor__()),
    sympy.ceiling: lambda value: Fraction(value.__ceil__()),
    sympy.log: _log,
    sympy.Max: max,
    sympy.Min: min,
    sympy.UnevaluatedExpr: lambda value: value,
}


@dataclass
class Evaluation:
    """One evaluation to `digits` significant digits, with the sizes of what was added on the way."""

    digits: int
    values: Mapping[sympy.Basic, Any] = field(default_factory=dict)
    largest: Any = field(default_factory=mpmath.mpf)
    smallest: Any = mpmath.inf

    def run(self, expression: sympy.Basic) -> Any:
        """Return the value as an mpmath number.

        Raises:
            IntractableError: The expression is too large, or has a part without a value.
            ZeroDivisionError, ValueError, OverflowError: The value does not exist.
        """
        with mpmath.workdps(self.digits):
            return self._value(expression)

    def note(self, part: Any) -> None:
        """Keep the size of a summand: cancellation loses as many digits as summands differ in size."""
        size = abs(part)
        if size and mpmath.isfinite(size):
            self.largest, self.smallest = max(self.largest, size), min(self.smallest, size)

    @property
    def spread(self) -> int:
        """Number of digits by which summands differ in size."""
        if not self.largest:
            return 0
        return int((mpmath.mag(self.largest) - mpmath.mag(self.smallest)) * 0.302) + 1

    def _value(self, expression: sympy.Basic) -> Any:
        if expression in self.values:
            return self.values[expression]
        if isinstance(expression, sympy.Rational):
            return mpmath.mpf(int(expression.p)) / int(expression.q)
        if isinstance(expression, sympy.Float):
            written = decimal(expression)
            return mpmath.mpf(written.numerator) / written.denominator
        if isinstance(expression, sympy.Sum | sympy.Product):
            return self._series(expression)
        if expression in _CONSTANTS:
            return +_CONSTANTS[expression]
        if not expression.args or isinstance(expression, AppliedUndef):
            raise IntractableError
        parts = [self._value(part) for part in expression.args]
        if isinstance(expression, sympy.Add):
            for part in parts:
                self.note(part)
            return sum(parts, mpmath.mpf(0))
        if isinstance(expression, sympy.Mul):
            return prod(parts, start=mpmath.mpf(1))
        if isinstance(expression, sympy.Pow):
            return self._power(*parts)
        if isinstance(expression, sympy.exp):
            return self._power(mpmath.e, *parts)
        return self._function(type(expression), parts)

    def _power(self, base: Any, exponent: Any) -> Any:
        if base == 0:
            if mpmath.re(exponent) < 0:
                raise ZeroDivisionError
            return mpmath.mpf(1) if exponent == 0 else mpmath.mpf(0)
        if mpmath.mag(exponent) + max(0, mpmath.mag(mpmath.mag(base))) > MAX_TOWER_BITS:
            raise IntractableError
        return mpmath.power(base, exponent)

    def _function(self, kind: type, parts: list[Any]) -> Any:
        function = _FUNCTIONS.get(kind)
        if function is None:
            raise IntractableError
        if kind in _PERIODIC:
            if mpmath.mag(parts[0]) > MAX_ANGLE_BITS:
                raise IntractableError
            self.note(mpmath.mpf(1))
            self.note(parts[0])
        if kind in _GROWING and mpmath.mag(parts[0]) > MAX_TOWER_BITS:
            raise IntractableError
        if kind in _STEPS and mpmath.mag(parts[0]) > self.digits:
            raise IntractableError
        if kind is sympy.log:
            self.note(mpmath.mpf(1))
        return function(*parts)

    def _series(self, expression: Any) -> Any:
        term, (index, first, last) = expression.args[0], expression.args[1]
        bounds = [self._value(bound) for bound in (first, last)]
        if len(expression.args) > 2 or not all(mpmath.isint(bound) for bound in bounds):
            raise IntractableError
        if bounds[1] - bounds[0] > MAX_TERMS:
            raise IntractableError
        terms = []
        outer = self.values
        for number in range(int(bounds[0]), int(bounds[1]) + 1):
            self.values = {**outer, index: mpmath.mpf(number)}
            terms.append(self._value(term))
        self.values = outer
        return sum(terms, mpmath.mpf(0)) if isinstance(expression, sympy.Sum) else prod(terms, start=mpmath.mpf(1))


_CONSTANTS = {
    sympy.pi: mpmath.pi,
    sympy.E: mpmath.e,
    sympy.I: mpmath.mpc(0, 1),
    sympy.EulerGamma: mpmath.euler,
    sympy.GoldenRatio: mpmath.phi,
}
_PERIODIC = {sympy.sin, sympy.cos, sympy.tan, sympy.sec, sympy.csc, sympy.cot}
_GROWING = {sympy.factorial, sympy.gamma, sympy.sinh, sympy.cosh, sympy.tanh, sympy.binomial}
_STEPS = {sympy.floor, sympy.ceiling, sympy.Mod}
_FUNCTIONS: dict[type, Any] = {
    sympy.sin: mpmath.sin,
    sympy.cos: mpmath.cos,
    sympy.tan: mpmath.tan,
    sympy.sec: mpmath.sec,
    sympy.csc: mpmath.csc,
    sympy.cot: mpmath.cot,
    sympy.asin: mpmath.asin,
    sympy.acos: mpmath.acos,
    sympy.atan: mpmath.atan,
    sympy.asec: mpmath.asec,
    sympy.acsc: mpmath.acsc,
    sympy.acot: mpmath.acot,
    sympy.sinh: mpmath.sinh,
    sympy.cosh: mpmath.cosh,
    sympy.tanh: mpmath.tanh,
    sympy.asinh: mpmath.asinh,
    sympy.acosh: mpmath.acosh,
    sympy.atanh: mpmath.atanh,
    sympy.log: lambda value, base=None: mpmath.log(value) if base is None else mpmath.log(value) / mpmath.log(base),
    sympy.factorial: mpmath.factorial,
    sympy.gamma: mpmath.gamma,
    sympy.binomial: mpmath.binomial,
    sympy.Abs: abs,
    sympy.floor: mpmath.floor,
    sympy.ceiling: mpmath.ceil,
    sympy.Mod: mpmath.fmod,
    sympy.sign: mpmath.sign,
    sympy.re: mpmath.re,
    sympy.im: mpmath.im,
    sympy.conjugate: mpmath.conj,
    sympy.Max: max,
    sympy.Min: min,
    sympy.UnevaluatedExpr: lambda value: value,
}
