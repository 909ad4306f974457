"""Lengths of texts as a mean and a spread: sums, and the longest of a few."""

import math
from collections.abc import Sequence
from statistics import NormalDist

from r1k.config import Length


def longest(length: Length, n: float) -> float:
    """The expected longest of `n` texts, in tokens.

    By Blom's approximation of a normal sample's largest value, the quantile (n - 3/8) / (n + 1/4) (Blom 1958); the
    mean for n = 1.
    """
    return length.mean * (1 + length.cv * NormalDist().inv_cdf((n - 0.375) / (n + 0.25)))


def joined(*parts: Length) -> Length:
    """The length of texts one after another, of independent lengths."""
    mean = sum(part.mean for part in parts)
    return Length(mean=mean, cv=math.hypot(*(part.mean * part.cv for part in parts)) / mean)


def mixed(*kinds: Length) -> Length:
    """The length of a text that is of any of the kinds, all equally frequent."""
    mean = sum(kind.mean for kind in kinds) / len(kinds)
    square = sum(kind.mean**2 * (1 + kind.cv**2) for kind in kinds) / len(kinds)
    return Length(mean=mean, cv=math.sqrt(max(0.0, square - mean**2)) / mean)


def capped(length: Length, limit: float) -> Length:
    """The length of a text that is cut at `limit` tokens: normal before the cut.

    E[min(X, c)] = c - s (z F(z) + f(z)) with z = (c - m) / s, and F and f of the standard normal distribution.
    """
    deviation = length.mean * length.cv
    if deviation == 0:
        return Length(mean=min(length.mean, limit))
    normal = NormalDist()
    z = (limit - length.mean) / deviation
    mean = limit - deviation * (z * normal.cdf(z) + normal.pdf(z))
    return Length(mean=max(1.0, mean), cv=length.cv)


def measured(counts: Sequence[int]) -> Length:
    """Mean and spread of counted texts, none of them empty."""
    mean = sum(counts) / len(counts)
    return Length(mean=mean, cv=math.sqrt(sum((count - mean) ** 2 for count in counts) / len(counts)) / mean)
