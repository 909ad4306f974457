"""The interval of a share of right answers: the score records and the tables have it from here."""

import math
from statistics import NormalDist

CONFIDENCE = 0.95


def wilson(correct: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % score interval (low, high), in shares of one, of `correct` right answers out of `n` questions.

    `correct` may be a fraction: the mean count over several runs on the same `n` questions.
    ValueError where `n` is less than one or `correct` does not lie between 0 and `n`.
    """
    if n < 1 or not 0 <= correct <= n:
        raise ValueError(f"no interval for {correct} right answers out of {n}")
    z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
    share, shrink = correct / n, 1 + z * z / n
    centre = (share + z * z / (2 * n)) / shrink
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / shrink
    low = 0.0 if correct == 0 else max(0.0, centre - half)
    high = 1.0 if correct == n else min(1.0, centre + half)
    return low, high
