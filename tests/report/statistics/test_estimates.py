import math

import numpy as np
import pytest
from scipy.stats import binomtest

from r1k.intervals import Interval, wilson
from r1k.report.statistics.estimates import accuracy, average, difference, spread_over_seeds


@pytest.mark.parametrize("n", [1, 2, 30, 198, 500])
def test_wilson_is_scipys(n):
    for correct in {0, 1, n // 3, n - 1, n}:
        expected = binomtest(correct, n).proportion_ci(0.95, method="wilson")
        found = wilson(correct, n)
        assert found.value == correct / n
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_touches_the_ends_exactly():
    assert wilson(0, 30).low == 0
    assert wilson(30, 30).high == 1


@pytest.mark.parametrize(("correct", "n"), [(1, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_impossible_counts(correct, n):
    with pytest.raises(ValueError, match="no interval"):
        wilson(correct, n)


def test_seeds_do_not_multiply_questions():
    once, thrice = accuracy([10], 30), accuracy([8, 10, 12], 30)
    assert (thrice.value, thrice.low, thrice.high) == (once.value, once.low, once.high)
    assert spread_over_seeds([10], 30) is None
    assert spread_over_seeds([8, 10, 12], 30) == pytest.approx(2 / 30)


def test_average_combines_each_side_by_itself():
    combined = average([Interval(0.2, 0.1, 0.5), Interval(0.6, 0.2, 0.7)])
    assert combined.value == pytest.approx(0.4)
    assert combined.low == pytest.approx(0.4 - math.hypot(0.1, 0.4) / 2)
    assert combined.high == pytest.approx(0.4 + math.hypot(0.3, 0.1) / 2)


def test_average_without_an_interval_has_none():
    assert average([Interval(0.2, 0.1, 0.5), Interval(0.6)]) == Interval(0.4)


def test_average_covers_the_truth_nineteen_times_in_twenty():
    rng, sizes, truth = np.random.default_rng(0), (30, 500, 198), (0.2, 0.8, 0.4)
    hits = 0
    for _ in range(2000):
        found = average([accuracy([int(rng.binomial(n, p))], n) for n, p in zip(sizes, truth, strict=True)])
        hits += found.low <= sum(truth) / 3 <= found.high
    assert 0.935 < hits / 2000 < 0.97


def test_difference_is_newcombes_method_ten():
    # Newcombe, Statistics in Medicine 17 (1998), 873-890, table II, contrast (a): 56/70 against 48/80.
    found = difference(accuracy([56], 70), accuracy([48], 80))
    assert found.value == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)
