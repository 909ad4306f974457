"""Arithmetic on text lengths, given as mean and coefficient of variation."""

import math
from collections.abc import Sequence
from statistics import NormalDist

from r1k.config import Length


def expected_longest(length: Length, n: float) -> float:
    """Return the expected length of the longest of `n` texts, in tokens.

    Lengths are taken as normal. Blom (1958) approximates the largest of n values by the quantile
    (n - 3/8) / (n + 1/4); for n = 1 it is the mean.
    """
    return length.mean * (1 + length.cv * NormalDist().inv_cdf((n - 0.375) / (n + 0.25)))


def concatenated(*parts: Length) -> Length:
    """Return the length of texts written one after another, if their lengths are independent."""
    mean = sum(part.mean for part in parts)
    return Length(mean=mean, cv=math.hypot(*(part.mean * part.cv for part in parts)) / mean)


def mixture(*kinds: Length) -> Length:
    """Return the length of a text drawn from the kinds with equal probability."""
    mean = sum(kind.mean for kind in kinds) / len(kinds)
    square = sum(kind.mean**2 * (1 + kind.cv**2) for kind in kinds) / len(kinds)
    return Length(mean=mean, cv=math.sqrt(max(0.0, square - mean**2)) / mean)


def truncated(length: Length, limit: float) -> Length:
    """Return the length of a text truncated to `limit` tokens, if lengths are normal before that.

    E[min(X, c)] = c - s (z F(z) + f(z)) with z = (c - m) / s, and F and f of the standard normal distribution.
    """
    deviation = length.mean * length.cv
    if deviation == 0:
        return Length(mean=min(length.mean, limit))
    normal = NormalDist()
    z = (limit - length.mean) / deviation
    mean = limit - deviation * (z * normal.cdf(z) + normal.pdf(z))
    return Length(mean=max(1.0, mean), cv=length.cv)


def from_counts(counts: Sequence[int]) -> Length:
    """Return mean and coefficient of variation of the token counts of one or more texts."""
    mean = sum(counts) / len(counts)
    return Length(mean=mean, cv=math.sqrt(sum((count - mean) ** 2 for count in counts) / len(counts)) / mean)
