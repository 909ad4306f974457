"""A value with its 95 % confidence interval, and Wilson's interval of a proportion."""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % confidence interval; both ends are NaN where no interval is known."""

    value: float
    low: float = math.nan
    high: float = math.nan

    @property
    def known(self) -> bool:
        """Whether the value has an interval."""
        return not math.isnan(self.low)

    @property
    def sign(self) -> Literal[-1, 0, 1]:
        """Return 1 if the whole interval is above zero, -1 if it is below zero, else 0."""
        return 1 if self.low > 0 else -1 if self.high < 0 else 0


def wilson(correct: float, n: int) -> Interval:
    """Return the share `correct / n` with Wilson's 95 % score interval.

    `correct` may be fractional: the mean count of several runs on the same `n` questions.
    Raises ValueError if `n` is below one or `correct` is not between 0 and `n`.
    """
    if n < 1 or not 0 <= correct <= n:
        raise ValueError(f"no interval for {correct} correct answers out of {n}")
    z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
    share, shrink = correct / n, 1 + z * z / n
    centre = (share + z * z / (2 * n)) / shrink
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / shrink
    low = 0.0 if correct == 0 else max(0.0, centre - half)
    high = 1.0 if correct == n else min(1.0, centre + half)
    return Interval(share, low, high)
