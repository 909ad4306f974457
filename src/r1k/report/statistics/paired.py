"""Tests between two runs that answered the same questions, and what they could have found."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom, norm

LEVEL = 0.05
POWER = 0.8
FLIPS = 10_000

Values = NDArray[np.float64]


def mcnemar(gained: ArrayLike, lost: ArrayLike) -> Values:
    """Two-sided p of McNemar's exact test; arrays of counts give arrays.

    `gained` questions are right in the first run alone, `lost` ones in the second alone; where runs are alike each of
    these falls to either side like a coin (McNemar, Psychometrika 12, 1947).
    """
    gained, lost = np.asarray(gained), np.asarray(lost)
    return np.asarray(np.minimum(1.0, 2 * binom.cdf(np.minimum(gained, lost), gained + lost, 0.5)))


def sign_flip(strata: Sequence[Values], *, resamples: int = FLIPS, seed: int = 0) -> Values:
    """Two-sided p of the paired randomisation test, one for each comparison.

    Each stratum (benchmark) has the differences of its questions, of shape (questions, comparisons), and what is
    tested is the plain mean of the strata's means. Were two runs alike, the sign of a question's difference would be a
    coin's: whole questions flip, with all of their answers, the same flips for every comparison. With one answer a
    question and one stratum this is McNemar's test, drawn instead of counted. The least p is 1 / (resamples + 1).
    """
    rng = np.random.default_rng(seed)
    observed = np.mean([values.mean(axis=0) for values in strata], axis=0)
    drawn = np.zeros((resamples, len(observed)))
    for values in strata:
        heads = rng.integers(0, 2, size=(resamples, len(values)), dtype=np.int8)
        drawn += (2.0 * heads - 1) @ values / (len(values) * len(strata))
    as_far = (np.abs(drawn) >= np.abs(observed) - 1e-9).sum(axis=0)
    return np.asarray((1 + as_far) / (1 + resamples))


def holm(p: ArrayLike) -> Values:
    """p-values adjusted over the family that they are, along the last axis.

    A test is passed where its adjusted value is below the level; the chance of any false one is then at most the level
    (Holm, Scandinavian Journal of Statistics 6, 1979).
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, axis=-1)
    left = values.shape[-1] - np.arange(values.shape[-1])
    stepped = np.maximum.accumulate(np.take_along_axis(values, order, axis=-1) * left, axis=-1)
    adjusted = np.empty_like(values)
    np.put_along_axis(adjusted, order, np.minimum(stepped, 1.0), axis=-1)
    return adjusted


def smallest_detectable(differences: NDArray[Any], *, answers: int) -> float | None:
    """The true difference that so many paired questions show at the 5 % level four times in five, in 0 to 1.

    `differences` has one value a question. Its mean square psi is the share of questions that the runs answer
    differently, where each was asked once; the difference delta solves
    delta sqrt(n) = z(0.975) sqrt(psi) + z(0.8) sqrt(psi - delta^2) (Connor, Biometrics 43, 1987). With one answer a
    question, delta cannot be more than psi: where fewer questions differ than it takes, psi is taken as delta. None
    where there are several answers and no question differs: how much they could differ is then not known.
    """
    n, spread = len(differences), float(np.mean(np.square(differences)))
    delta = _solve(n, spread) if spread > 0 else math.inf
    if answers == 1:
        return delta if delta <= spread else _solve(n, 1.0) ** 2
    return min(delta, 1.0) if math.isfinite(delta) else None


def _solve(n: int, spread: float) -> float:
    """The root of Connor's equation; with `spread` 1, the square root of that for psi = delta."""
    alpha, beta = float(norm.ppf(1 - LEVEL / 2)), float(norm.ppf(POWER))
    leading, constant = n + beta**2, (alpha**2 - beta**2) * spread
    linear = alpha * math.sqrt(spread * n)
    return min(1.0, (linear + math.sqrt(max(0.0, linear**2 - leading * constant))) / leading)
