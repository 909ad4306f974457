"""Tests between two runs that answered the same questions, and their smallest detectable difference."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom, norm

LEVEL = 0.05
POWER = 0.8
FLIPS = 10_000


def mcnemar(gained: ArrayLike, lost: ArrayLike) -> NDArray[np.float64]:
    """Return the two-sided p of McNemar's exact test; arrays of counts give arrays.

    Only the first run answers `gained` questions correctly, only the second run `lost` questions. Under the null
    hypothesis each of them falls on either side with probability 1/2 (McNemar, Psychometrika 12, 1947).
    """
    gained, lost = np.asarray(gained), np.asarray(lost)
    return np.asarray(np.minimum(1.0, 2 * binom.cdf(np.minimum(gained, lost), gained + lost, 0.5)))


def sign_flip(strata: Sequence[NDArray[np.float64]], *, resamples: int = FLIPS, seed: int = 0) -> NDArray[np.float64]:
    """Return the two-sided p of the paired randomisation test, one for each comparison.

    A stratum (benchmark) has the differences of its questions, of shape (questions, comparisons). The test statistic is
    the plain mean of the strata's means. Under the null hypothesis the sign of a question's difference is random, so
    the test flips whole questions with all of their answers, and uses the same flips for every comparison. With one
    stratum and one answer per question this is McNemar's test by Monte Carlo. The smallest p is 1 / (resamples + 1).
    """
    rng = np.random.default_rng(seed)
    observed = np.mean([values.mean(axis=0) for values in strata], axis=0)
    drawn = np.zeros((resamples, len(observed)))
    for values in strata:
        heads = rng.integers(0, 2, size=(resamples, len(values)), dtype=np.int8)
        drawn += (2.0 * heads - 1) @ values / (len(values) * len(strata))
    as_far = (np.abs(drawn) >= np.abs(observed) - 1e-9).sum(axis=0)
    return np.asarray((1 + as_far) / (1 + resamples))


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Adjust p-values for multiple comparisons along the last axis.

    A difference is significant if its adjusted p is below the level; the probability of any false positive is then at
    most the level (Holm, Scandinavian Journal of Statistics 6, 1979).
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, axis=-1)
    left = values.shape[-1] - np.arange(values.shape[-1])
    stepped = np.maximum.accumulate(np.take_along_axis(values, order, axis=-1) * left, axis=-1)
    adjusted = np.empty_like(values)
    np.put_along_axis(adjusted, order, np.minimum(stepped, 1.0), axis=-1)
    return adjusted


def smallest_detectable(differences: NDArray[Any], *, answers: int) -> float | None:
    """Return the true difference, in 0 to 1, that a test at the 5 % level detects with 80 % power.

    `differences` has one value per question. Its mean square psi is the share of questions that the runs answer
    differently, if each has one answer; the difference delta solves
    delta sqrt(n) = z(0.975) sqrt(psi) + z(0.8) sqrt(psi - delta^2) (Connor, Biometrics 43, 1987). With one answer per
    question delta cannot exceed psi: if too few questions differ, psi is set to delta. Returns None if there are
    several `answers` per question and no question differs, because the variance is then unknown.
    """
    n, spread = len(differences), float(np.mean(np.square(differences)))
    delta = _solve(n, spread) if spread > 0 else math.inf
    if answers == 1:
        return delta if delta <= spread else _solve(n, 1.0) ** 2
    return min(delta, 1.0) if math.isfinite(delta) else None


def _solve(n: int, spread: float) -> float:
    """Return the root of Connor's equation; with `spread` 1, the square root of the solution for psi = delta."""
    alpha, beta = float(norm.ppf(1 - LEVEL / 2)), float(norm.ppf(POWER))
    leading, constant = n + beta**2, (alpha**2 - beta**2) * spread
    linear = alpha * math.sqrt(spread * n)
    return min(1.0, (linear + math.sqrt(max(0.0, linear**2 - leading * constant))) / leading)
