"""95 % bootstrap intervals of means over questions or problems.

The bootstrap is `scipy.stats.bootstrap`. It resamples whole rows, so all values of one question stay together and
differences between columns are paired. The statistic receives row numbers and counts them: one matrix product then
gives the resampled means of all columns, where resampling the values themselves copies every column for every draw.
"""

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap, norm, t

from r1k.intervals import CONFIDENCE, Interval, wilson

RESAMPLES = 2000
BATCH = 500
"""Resamples, or jackknife samples, that are in memory at once."""
TAIL = (1 - CONFIDENCE) / 2
LEAST_TAIL = 1e-9
"""With two or three rows the expanded tail underflows, and BCa of a zero tail is NaN."""

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]


def bootstrap_means(
    values: Floats, *, expanded: bool = True, resamples: int = RESAMPLES, seed: int = 0
) -> list[Interval]:
    """Return each column's mean with its percentile interval.

    `values` has shape (problems, quantities). With a single problem the intervals are unknown. `expanded` widens the
    intervals for few problems, as `expanded_tail` says.
    """
    means = values.mean(axis=0)
    if len(values) < 2:
        return [Interval(mean) for mean in means.tolist()]
    lows, highs = _ends(values, np.asarray, "percentile", expanded, resamples, seed)
    return _intervals(means, lows, highs)


def bootstrap_statistic(values: Floats, statistic: Statistic) -> Interval:
    """Return a statistic of the columns' means with its expanded percentile interval.

    `statistic` maps means of shape [..., quantities] to [...]. `values` is as for `bootstrap_means`.
    """
    value = float(statistic(values.mean(axis=0)))
    if len(values) < 2:
        return Interval(value)
    low, high = _ends(values, lambda means: statistic(means)[..., None], "percentile", True, RESAMPLES, 0)
    return Interval(value, float(low[0]), float(high[0]))


def shares(values: Floats, *, answers: int, resamples: int = RESAMPLES, seed: int = 0) -> list[Interval]:
    """Return the mean score of each column of `values`, of shape (questions, quantities), in 0 to 1.

    With one answer per question a score is a count and has Wilson's interval. With several `answers` per question the
    interval is BCa's (Efron, Journal of the American Statistical Association 82, 1987), which corrects for bias and
    skewness near 0 and 1. A column in which all questions have the same score does not vary between resamples and has
    Wilson's interval for that number of questions.
    """
    n, means = len(values), values.mean(axis=0)
    found = [wilson(mean * n, n) for mean in means.tolist()]
    varies = np.ptp(values, axis=0) > 0
    if answers == 1 or not varies.any():
        return found
    lows, highs = _ends(values[:, varies], _rounded, "BCa", True, resamples, seed)
    for column, interval in zip(np.flatnonzero(varies), _intervals(means[varies], lows, highs), strict=True):
        found[column] = interval
    return found


def differences(values: Floats, *, answers: int, resamples: int = RESAMPLES, seed: int = 0) -> list[Interval]:
    """Return the mean paired difference of each column of `values`, of shape (questions, comparisons).

    With one answer per question the interval is the adjusted Wald interval of Bonett and Price (Journal of Educational
    and Behavioral Statistics 37, 2012), because the bootstrap of a few differing questions is too narrow. With several
    `answers` per question it is a percentile interval, except in a column that has the same difference for all
    questions: that column does not vary between resamples and has the adjusted Wald interval.
    """
    found = _adjusted_wald(values)
    varies = np.ptp(values, axis=0) > 0
    if answers == 1 or not varies.any():
        return found
    drawn = bootstrap_means(values[:, varies], resamples=resamples, seed=seed)
    for column, interval in zip(np.flatnonzero(varies), drawn, strict=True):
        found[column] = interval
    return found


def expanded_tail(n: int) -> float:
    """Return the share of the resampled means of `n` rows, at least two, to cut off at each end.

    It is below 2.5 %: the bootstrap's standard error is too small by sqrt((n - 1) / n), and its tails are normal where
    Student's t is right (Hesterberg, The American Statistician 69, 2015, 371-386).
    """
    return float(norm.cdf(-math.sqrt(n / (n - 1)) * t.ppf(1 - TAIL, n - 1)))


def _ends(
    values: Floats,
    statistic: Statistic,
    method: Literal["percentile", "BCa"],
    expanded: bool,
    resamples: int,
    seed: int,
) -> tuple[Floats, Floats]:
    """Return the interval's ends for each output of `statistic`, which maps means [..., quantities] to [..., k]."""
    n = len(values)
    tail = max(LEAST_TAIL, expanded_tail(n)) if expanded else TAIL

    def of_rows(rows: NDArray[np.int64], axis: int) -> Floats:
        means = _times(rows, n) @ values / rows.shape[axis]
        return np.moveaxis(statistic(means), -1, 0)

    found = bootstrap(
        (np.arange(n),),
        of_rows,
        n_resamples=resamples,
        batch=BATCH,
        vectorized=True,
        confidence_level=1 - 2 * tail,
        method=method,
        rng=np.random.default_rng(seed),
    )
    return found.confidence_interval.low, found.confidence_interval.high


def _times(rows: NDArray[np.int64], n: int) -> Floats:
    """Return how often each of `n` rows is in each resample: [..., drawn] to [..., n]."""
    resample = np.arange(rows[..., 0].size).reshape(*rows.shape[:-1], 1)
    counts = np.bincount((resample * n + rows).ravel(), minlength=resample.size * n)
    return counts.reshape(*rows.shape[:-1], n).astype(np.float64)


def _rounded(means: Floats) -> Floats:
    """Round away floating-point noise: BCa's bias correction counts the resampled means that equal the mean."""
    return np.round(means, 12)


def _adjusted_wald(values: Floats) -> list[Interval]:
    """Return means of differences from -1 to 1, with limits after one question more is gained and one more lost."""
    n = len(values) + 2
    centre = values.sum(axis=0) / n
    error = np.sqrt(((np.square(values).sum(axis=0) + 2) / n - np.square(centre)) / n)
    reach = norm.ppf(1 - TAIL) * error
    return _intervals(values.mean(axis=0), *np.clip([centre - reach, centre + reach], -1, 1))


def _intervals(values: Floats, lows: Floats, highs: Floats) -> list[Interval]:
    return [Interval(*each) for each in zip(values.tolist(), lows.tolist(), highs.tolist(), strict=True)]
