"""Bootstrap intervals at 95 %: questions or problems are drawn, and all that was measured on one stays together."""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

from r1k.intervals import CONFIDENCE, wilson
from r1k.report.statistics.estimates import Estimate

RESAMPLES = 2000
TAIL = (1 - CONFIDENCE) / 2

Values = NDArray[np.float64]


def bootstrap_means(
    values: Values, *, resamples: int = RESAMPLES, seed: int = 0, tail: float = TAIL
) -> tuple[Values, Values, Values]:
    """Means over problems with percentile bootstrap intervals: (mean, low, high), each of shape (quantities,).

    `values` has shape (problems, quantities), a row being all that was measured on one problem. Whole rows are drawn
    with replacement, the same draws for every quantity, so differences between columns are paired. With a single
    problem there is nothing to draw from, and low and high are NaN. Of the drawn means the share `tail` is left out at
    each end.
    """
    mean = values.mean(axis=0)
    if len(values) < 2:
        unknown = np.full_like(mean, np.nan)
        return mean, unknown, unknown
    low, high = np.quantile(_drawn(values, resamples, seed), [tail, 1 - tail], axis=0)
    return mean, low, high


def bootstrap_statistic(values: Values, statistic: Callable[[Values], Values], *, tail: float = TAIL) -> Values:
    """[3]: a statistic of means over problems, with a percentile bootstrap interval.

    `statistic` maps [..., quantities] to [...]. `values` is as for `bootstrap_means`, and drawn alike.
    """
    value = statistic(values.mean(axis=0))
    if len(values) < 2:
        return np.array([value, np.nan, np.nan])
    return np.array([value, *np.quantile(statistic(_drawn(values, RESAMPLES, 0)), [tail, 1 - tail])])


def bca_means(
    values: Values, *, resamples: int = RESAMPLES, seed: int = 0, tail: float = TAIL
) -> tuple[Values, Values, Values]:
    """As `bootstrap_means` of at least two rows, corrected for bias and skewness: for scores near 0 or 1.

    BCa (Efron, Journal of the American Statistical Association 82, 1987). A column without any variation has an
    interval without width.
    """
    mean, deviations = values.mean(axis=0), values - values.mean(axis=0)
    drawn = np.sort(_drawn(values, resamples, seed), axis=0)
    tolerance = 1e-9
    below = ((drawn < mean - tolerance).mean(axis=0) + (drawn <= mean + tolerance).mean(axis=0)) / 2
    bias = norm.ppf(np.clip(below, 1 / resamples, 1 - 1 / resamples))
    squares = np.square(deviations).sum(axis=0)
    cubes = np.power(deviations, 3).sum(axis=0)
    acceleration = np.divide(cubes, 6 * squares**1.5, out=np.zeros_like(mean), where=squares > tolerance)
    z = norm.ppf(tail)
    low, high = (
        _at(drawn, norm.cdf(bias + (bias + end) / np.maximum(tolerance, 1 - acceleration * (bias + end))))
        for end in (z, -z)
    )
    return mean, low, high


def expanded_tail(n: int) -> float:
    """The share of drawn means of `n` rows, at least two, to leave out at each end.

    Smaller than 2.5 %: the bootstrap's spread is too small by sqrt((n - 1) / n), and its tails are the normal
    distribution's where Student's are right (Hesterberg, The American Statistician 69, 2015, 371-386).
    """
    return float(norm.cdf(-math.sqrt(n / (n - 1)) * t.ppf(1 - TAIL, n - 1)))


def _drawn(values: Values, resamples: int, seed: int) -> Values:
    """Means of whole rows drawn with replacement, of shape (resamples, quantities)."""
    return np.asarray(_times(len(values), resamples, seed) @ values / len(values))


@lru_cache(maxsize=4)
def _times(n: int, resamples: int, seed: int) -> Values:
    """How often each of `n` rows is drawn, of shape (resamples, n): a table asks for the same draws many times."""
    return np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples).astype(np.float64)


def _at(drawn: Values, level: Values) -> Values:
    """Each column's quantile at its own level; `drawn` is sorted."""
    place = level * (len(drawn) - 1)
    under = np.floor(place).astype(np.int64)
    over, column = np.minimum(under + 1, len(drawn) - 1), np.arange(drawn.shape[1])
    return np.asarray(drawn[under, column] + (place - under) * (drawn[over, column] - drawn[under, column]))


def shares(values: Values, *, answers: int, resamples: int = RESAMPLES, seed: int = 0) -> list[Estimate]:
    """Mean scores with intervals, one for each column of `values`, of shape (questions, quantities), in 0 to 1.

    With one answer a question a score is a count, and the interval Wilson's. With several the questions are drawn,
    each with all of its answers. Where every question has the same score there is nothing to tell the draws apart,
    and the interval is Wilson's for that many questions.
    """
    n = len(values)
    means, alike = values.mean(axis=0), np.ptp(values, axis=0) == 0
    if answers == 1 or alike.all():
        return [Estimate(mean, *wilson(mean * n, n)) for mean in means.tolist()]
    _, lows, highs = bca_means(values, resamples=resamples, seed=seed, tail=expanded_tail(n))
    return [
        Estimate(mean, *(wilson(mean * n, n) if same else (low, high)))
        for mean, low, high, same in zip(*(part.tolist() for part in (means, lows, highs, alike)), strict=True)
    ]


def differences(values: Values, *, answers: int, resamples: int = RESAMPLES, seed: int = 0) -> list[Estimate]:
    """Mean paired differences with intervals, one for each column of `values`, of shape (questions, comparisons).

    With one answer a question the interval is from counts: Wald's after one more question was gained and one more lost
    (Bonett and Price, Journal of Educational and Behavioral Statistics 37, 2012), since the bootstrap of a few
    questions that differ is too narrow. With several the questions are drawn, each with both runs' answers; where all
    differ alike, most often not at all, there is nothing to tell the draws apart, and it is from counts again.
    """
    means, alike = values.mean(axis=0), np.ptp(values, axis=0) == 0
    lows, highs = _counted(values)
    if answers > 1 and not alike.all():
        _, low, high = bootstrap_means(values, resamples=resamples, seed=seed, tail=expanded_tail(len(values)))
        lows, highs = np.where(alike, lows, low), np.where(alike, highs, high)
    return [
        Estimate(mean, low, high) for mean, low, high in zip(*(a.tolist() for a in (means, lows, highs)), strict=True)
    ]


def _counted(values: Values) -> Values:
    """Limits of the mean of differences, each from -1 to 1, after one of 1 and one of -1 more."""
    n = len(values) + 2
    centre = values.sum(axis=0) / n
    error = np.sqrt(((np.square(values).sum(axis=0) + 2) / n - np.square(centre)) / n)
    reach = norm.ppf(1 - TAIL) * error
    return np.asarray(np.clip([centre - reach, centre + reach], -1, 1))
