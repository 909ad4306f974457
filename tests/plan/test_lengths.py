"""Arithmetic on lengths, compared with random samples of the same distribution."""

import random
from statistics import fmean

import pytest

from r1k.config import Length
from r1k.plan.lengths import concatenated, expected_longest, from_counts, mixture, truncated

LENGTH = Length(mean=100, cv=0.2)


def draws(n: int, seed: int = 0) -> list[float]:
    generator = random.Random(seed)
    return [generator.gauss(100, 20) for _ in range(n)]


@pytest.mark.parametrize("n", [1, 2, 8, 50])
def test_the_expected_longest_text(n):
    sample = draws(4000 * n)
    assert expected_longest(LENGTH, n) == pytest.approx(fmean(max(sample[k::4000]) for k in range(4000)), rel=0.02)


@pytest.mark.parametrize("limit", [70, 100, 130, 1000])
def test_the_mean_of_truncated_texts(limit):
    assert truncated(LENGTH, limit).mean == pytest.approx(fmean(min(x, limit) for x in draws(20000)), rel=0.01)


def test_concatenation_and_mixture():
    whole = concatenated(LENGTH, Length(mean=200, cv=0.1))
    assert (whole.mean, whole.cv) == (300, pytest.approx((20**2 + 20**2) ** 0.5 / 300))
    both = mixture(Length(mean=100), Length(mean=300))
    assert (both.mean, both.cv) == (200, pytest.approx(0.5))


def test_lengths_from_counts():
    assert from_counts([10, 30]) == Length(mean=20, cv=0.5)
