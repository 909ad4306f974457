"""Accuracies, their averages and differences, with 95 % intervals. Needs no scipy."""

import math
from collections.abc import Sequence
from statistics import stdev

from r1k.intervals import Interval, wilson


def accuracy(correct: Sequence[int], n: int) -> Interval:
    """Return the mean accuracy over training seeds, from each seed's correct answers to the same `n` questions.

    The interval is Wilson's for the mean accuracy on `n` questions, whatever the number of seeds: repeating the
    questions does not add any. If answers of different seeds were independent given the question, the interval would
    be too wide, never too narrow. It does not cover the variation between training runs: see `spread_over_seeds`.
    """
    return wilson(sum(correct) / len(correct), n)


def spread_over_seeds(correct: Sequence[int], n: int) -> float | None:
    """Return the standard deviation of the accuracy over training seeds; None for a single seed."""
    return stdev(count / n for count in correct) if len(correct) > 1 else None


def average(parts: Sequence[Interval]) -> Interval:
    """Return the plain mean of benchmark accuracies, with equal weights.

    The interval takes the parts as independent: the distances from value to limit add in quadrature, each side by
    itself (MOVER; Zou and Donner, Statistics in Medicine 27, 2008), so it stays asymmetric near 0 and 1.
    """
    share = 1 / len(parts)
    return _combine([(share, part) for part in parts])


def difference(after: Interval, before: Interval) -> Interval:
    """Return `after` - `before`, taken as independent (Newcombe's method 10 if both intervals are Wilson's).

    Two models that answer the same questions agree on many of them, so this interval is too wide for them.
    """
    return _combine([(1.0, after), (-1.0, before)])


def _combine(terms: Sequence[tuple[float, Interval]]) -> Interval:
    value = sum(weight * term.value for weight, term in terms)
    if not all(term.known for _, term in terms):
        return Interval(value)
    down = up = 0.0
    for weight, term in terms:
        below, above = weight * (term.value - term.low), weight * (term.high - term.value)
        if weight < 0:
            below, above = above, below
        down, up = down + below**2, up + above**2
    return Interval(value, value - math.sqrt(down), value + math.sqrt(up))
