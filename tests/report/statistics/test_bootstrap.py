import math

import numpy as np
import pytest
from scipy.stats import bootstrap

from r1k.intervals import Interval, wilson
from r1k.report.statistics.bootstrap import (
    bootstrap_means,
    bootstrap_statistic,
    differences,
    expanded_tail,
    shares,
)


def test_bootstrap_agrees_with_scipy():
    values = np.random.default_rng(1).gamma(2, size=(60, 2))
    mean, low, high = ends(bootstrap_means(values, expanded=False, resamples=20000))
    expected = bootstrap((values,), np.mean, axis=0, n_resamples=20000, method="percentile", rng=2)
    assert mean == pytest.approx(values.mean(axis=0))
    assert low == pytest.approx(expected.confidence_interval.low, abs=0.02)
    assert high == pytest.approx(expected.confidence_interval.high, abs=0.02)


def test_bootstrap_is_seeded_and_paired():
    values = np.random.default_rng(2).normal(size=(20, 1)) * 5
    columns = np.hstack([values + 1, values, np.ones_like(values)])
    assert bootstrap_means(columns) == bootstrap_means(columns)
    mean, low, high = ends(bootstrap_means(np.hstack([columns, columns[:, :1] - columns[:, 1:2]])))
    assert high[0] - low[0] > 1
    assert (low[3], high[3]) == pytest.approx((1, 1)), "a difference that never varies has no width"
    assert mean[3] == pytest.approx(1)


def test_bootstrap_of_one_problem_claims_no_interval():
    assert bootstrap_means(np.array([[-1.0, -2.0]])) == [Interval(-1), Interval(-2)]


def test_a_statistic_of_means_agrees_with_the_mean_and_is_drawn_by_problems():
    values = np.random.default_rng(5).normal(3, 1, size=(40, 2))
    assert bootstrap_statistic(values, lambda means: means[..., 0]) == bootstrap_means(values)[0]
    proportional = np.stack([values[:, 0], 2 * values[:, 0]], axis=1)
    ratio = bootstrap_statistic(proportional, lambda means: means[..., 1] / means[..., 0])
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((2, 2, 2))
    assert not bootstrap_statistic(values[:1], lambda means: means[..., 0]).known


def test_shares_are_scipys_bca_of_the_values():
    """Row numbers and counts give the same interval as the values themselves."""
    values = np.random.default_rng(3).binomial(8, [0.1, 0.9], size=(40, 2)) / 8
    _, low, high = ends(shares(values, answers=8, resamples=20000))
    level = 1 - 2 * expanded_tail(40)
    found = bootstrap((values,), np.mean, axis=0, n_resamples=20000, method="BCa", confidence_level=level, rng=4)
    assert low == pytest.approx(found.confidence_interval.low, abs=0.005)
    assert high == pytest.approx(found.confidence_interval.high, abs=0.005)


@pytest.mark.parametrize("column", [[0, 1], [0, 0, 1], [0.5, 0.5, 0.5, 0.625], [1 / 3, 2 / 3, 2 / 3, 1]])
def test_a_few_questions_still_have_a_finite_interval(column):
    (found,) = shares(np.array(column)[:, None], answers=8)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_few_rows_leave_less_of_the_draws_out():
    assert expanded_tail(10) < expanded_tail(30) < expanded_tail(100_000) == pytest.approx(0.025, abs=1e-4)
    with pytest.raises(ZeroDivisionError):
        expanded_tail(1)


def test_one_answer_a_question_is_wilsons():
    values = np.array([[1, 0], [0, 0], [0, 0]], dtype=float)
    assert shares(values, answers=1) == [wilson(1, 3), wilson(0, 3)]


def test_questions_that_are_all_alike_do_not_make_a_score_certain():
    values = np.stack([np.zeros(30), np.ones(30), np.linspace(0, 1, 30)], axis=1)
    nothing, everything, spread = shares(values, answers=8)
    assert (nothing, everything) == (wilson(0, 30), wilson(30, 30))
    assert 0.3 < spread.low < spread.value < spread.high < 0.7


def test_runs_that_never_differ_could_still_differ():
    for answers in (1, 8):
        (found,) = differences(np.zeros((30, 1)), answers=answers)
        assert found.value == 0
        assert found.low == -found.high < -0.05


def test_differences_of_one_answer_are_bonett_and_prices():
    # 4 gained and 1 lost of 20: (5 - 2) / 22, with the variance ((5 + 2) / 22 - (3 / 22) ** 2) / 22.
    (found,) = differences(np.array([[1.0]] * 4 + [[-1.0]] + [[0.0]] * 15), answers=1)
    reach = 1.959964 * math.sqrt((7 / 22 - (3 / 22) ** 2) / 22)
    assert found.value == pytest.approx(0.15)
    assert (found.low, found.high) == pytest.approx((3 / 22 - reach, 3 / 22 + reach))


STUDIES = 2500


@pytest.mark.parametrize(("a", "b"), [(0.5, 1.5), (1, 1), (2, 0.5)])
@pytest.mark.parametrize(("n", "k"), [(30, 8), (198, 4)])
def test_intervals_cover_the_truth_nineteen_times_in_twenty(n, k, a, b):
    """Questions as hard as Beta(a, b), k answers to each, and a second run that solves a tenth of what is left."""
    rng = np.random.default_rng([n, k])
    hard = rng.beta(a, b, size=(n, STUDIES))
    first = rng.binomial(k, hard) / k
    second = rng.binomial(k, hard + 0.1 * (1 - hard)) / k
    truth, effect = a / (a + b), 0.1 * b / (a + b)
    assert 0.93 <= covered(shares(first, answers=k, resamples=1000), truth) <= 0.97
    assert 0.93 <= covered(differences(second - first, answers=k, resamples=1000), effect) <= 0.97


@pytest.mark.parametrize(("n", "differing", "effect"), [(30, 0.3, 0.1), (198, 0.2, 0.05), (500, 0.1, -0.03)])
def test_intervals_of_counted_differences_cover_too(n, differing, effect):
    values = counted_studies(n, differing, effect)
    assert 0.93 <= covered(differences(values, answers=1), effect) <= 0.97


def test_where_hardly_a_question_differs_counted_differences_cover_more_and_never_less():
    """The bootstrap's interval, which covers four times in five here, is why they are counted."""
    values = counted_studies(30, 0.1, 0.03)
    _, low, high = ends(bootstrap_means(values, expanded=False, resamples=1000))
    assert np.mean((low <= 0.03) & (high >= 0.03)) < 0.85
    assert covered(differences(values, answers=1), 0.03) >= 0.95


def ends(intervals):
    """Values, low ends and high ends as arrays."""
    return np.array([(found.value, found.low, found.high) for found in intervals]).T


def counted_studies(n, differing, effect):
    gained = (differing + effect) / 2
    draw = np.random.default_rng(n).random((n, STUDIES))
    return np.where(draw < gained, 1.0, np.where(draw < differing, -1.0, 0.0))


def covered(estimates, truth):
    return np.mean([estimate.low <= truth <= estimate.high for estimate in estimates])
