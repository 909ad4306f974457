"""Means with their uncertainty. All intervals are at 95 %."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import stdev

from r1k.intervals import wilson


@dataclass(frozen=True)
class Estimate:
    """A value with its interval; both ends are None where none is known (a number that someone else printed)."""

    value: float
    low: float | None = None
    high: float | None = None


def accuracy(correct: Sequence[int], n: int) -> Estimate:
    """Mean accuracy over training seeds, from each seed's right answers to the same `n` questions.

    The interval is Wilson's for the mean accuracy with `n` questions, however many seeds there are: asking the same
    questions again does not make them more. Were the answers of different seeds independent given the question, it
    would be too wide, never too narrow. It does not cover the variation between trainings, for which see
    `spread_over_seeds`.
    """
    mean = sum(correct) / len(correct)
    low, high = wilson(mean, n)
    return Estimate(mean / n, low, high)


def spread_over_seeds(correct: Sequence[int], n: int) -> float | None:
    """Standard deviation of the accuracy over training seeds; None for a single seed."""
    return stdev(count / n for count in correct) if len(correct) > 1 else None


def average(parts: Sequence[Estimate]) -> Estimate:
    """The plain mean of benchmark accuracies, each benchmark counting alike.

    The interval combines theirs as independent: the distances from value to limit add in quadrature, each side for
    itself (MOVER; Zou and Donner, Statistics in Medicine 27, 2008), so it stays asymmetric near 0 and 1.
    """
    share = 1 / len(parts)
    return _combine([(share, part) for part in parts])


def difference(after: Estimate, before: Estimate) -> Estimate:
    """`after` - `before`, taken as independent (Newcombe's method 10 where both are Wilson's).

    Two models that were asked the same questions agree on many of them, so this interval is rather too wide.
    """
    return _combine([(1.0, after), (-1.0, before)])


def _combine(terms: Sequence[tuple[float, Estimate]]) -> Estimate:
    value = sum(weight * term.value for weight, term in terms)
    down = up = 0.0
    for weight, term in terms:
        if term.low is None or term.high is None:
            return Estimate(value)
        below, above = weight * (term.value - term.low), weight * (term.high - term.value)
        if weight < 0:
            below, above = above, below
        down, up = down + below**2, up + above**2
    return Estimate(value, value - math.sqrt(down), value + math.sqrt(up))
