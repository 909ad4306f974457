"""Lengths, against random samples of the same distribution."""

import random
from statistics import fmean

import pytest

from r1k.config import Length
from r1k.plan.lengths import capped, joined, longest, measured, mixed

LENGTH = Length(mean=100, cv=0.2)


def draws(n: int, seed: int = 0) -> list[float]:
    generator = random.Random(seed)
    return [generator.gauss(100, 20) for _ in range(n)]


@pytest.mark.parametrize("n", [1, 2, 8, 50])
def test_the_longest_of_a_few(n):
    sample = draws(4000 * n)
    assert longest(LENGTH, n) == pytest.approx(fmean(max(sample[k::4000]) for k in range(4000)), rel=0.02)


@pytest.mark.parametrize("limit", [70, 100, 130, 1000])
def test_a_limit_cuts_the_long_ones(limit):
    assert capped(LENGTH, limit).mean == pytest.approx(fmean(min(x, limit) for x in draws(20000)), rel=0.01)


def test_texts_one_after_another_and_of_two_kinds():
    whole = joined(LENGTH, Length(mean=200, cv=0.1))
    assert (whole.mean, whole.cv) == (300, pytest.approx((20**2 + 20**2) ** 0.5 / 300))
    both = mixed(Length(mean=100), Length(mean=300))
    assert (both.mean, both.cv) == (200, pytest.approx(0.5))


def test_counted_texts():
    assert measured([10, 30]) == Length(mean=20, cv=0.5)
