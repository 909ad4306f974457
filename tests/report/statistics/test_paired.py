import numpy as np
import pytest
from scipy.stats import binomtest, permutation_test

from r1k.report.statistics.paired import holm, mcnemar, sign_flip, smallest_detectable

STUDIES = 2500


def studies(n, differing, effect, seed=0):
    """Differences between two runs of one answer a question: -1, 0 or 1, of shape (questions, studies)."""
    draw = np.random.default_rng([n, seed]).random((n, STUDIES))
    return np.where(draw < (differing + effect) / 2, 1.0, np.where(draw < differing, -1.0, 0.0))


def counted(values):
    return mcnemar((values > 0).sum(axis=0), (values < 0).sum(axis=0))


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (1, 0), (5, 5), (3, 11), (60, 41)])
def test_mcnemar_is_the_binomial_test(gained, lost):
    expected = binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert mcnemar(gained, lost) == pytest.approx(expected)


def test_sign_flip_is_scipys():
    values = np.random.default_rng(0).normal(0.3, 1, size=40)

    def mean(x, axis):
        return np.mean(x, axis=axis)

    expected = permutation_test(
        (values,), mean, permutation_type="samples", n_resamples=20000, vectorized=True, rng=1
    ).pvalue
    assert sign_flip([values[:, None]], resamples=20000) == pytest.approx([expected], abs=0.01)


def test_sign_flip_of_single_answers_is_mcnemars():
    values = studies(100, 0.2, 0.1)[:, :20]
    assert sign_flip([values]) == pytest.approx(counted(values), abs=0.015)


def test_benchmarks_weigh_alike_in_a_test_of_the_average():
    small, large = np.full((5, 1), -1.0), np.full((400, 1), 1.0)
    assert sign_flip([small, large])[0] == 1, "the means cancel, however many questions there are"
    assert sign_flip([np.full((12, 1), 1.0), large])[0] < 0.001


@pytest.mark.parametrize(("n", "differing"), [(30, 0.3), (198, 0.2), (500, 0.05)])
def test_mcnemar_keeps_its_level(n, differing):
    assert np.mean(counted(studies(n, differing, 0)) <= 0.05) <= 0.055


@pytest.mark.parametrize(("n", "k"), [(30, 8), (198, 4)])
def test_sign_flip_keeps_its_level(n, k):
    rng = np.random.default_rng([n, k])
    hard = rng.beta(0.5, 1, size=(n, STUDIES))
    values = (rng.binomial(k, hard) - rng.binomial(k, hard)) / k
    assert 0.02 < np.mean(sign_flip([values], resamples=2000) <= 0.05) < 0.06, "below where many draws are tied"


def test_holm_is_the_step_down_of_his_paper():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == pytest.approx([1, 1])
    assert holm([]).size == 0


def test_holm_keeps_the_level_of_the_family_and_finds_more_than_bonferroni():
    """Eight comparisons, of which three are real; a false one is found in at most 5 % of the studies."""
    real = [counted(studies(198, 0.25, 0.12, seed)) for seed in range(3)]
    false = [counted(studies(198, 0.25, 0, seed)) for seed in range(3, 8)]
    p = np.stack([*real, *false], axis=1)
    found = holm(p) < 0.05
    assert found[:, 3:].any(axis=1).mean() <= 0.05
    assert found[:, :3].mean() > (p < 0.05 / 8)[:, :3].mean() > 0.5
    assert (p < 0.05)[:, 3:].any(axis=1).mean() > 0.1, "without it the family's level is lost"


@pytest.mark.parametrize(("n", "differing"), [(30, 0.4), (198, 0.2), (500, 0.1)])
def test_the_smallest_detectable_difference_is_detected_four_times_in_five(n, differing):
    values = np.repeat([1.0, -1.0, 0.0], [round(n * differing / 2), round(n * differing / 2), n - round(n * differing)])
    least = smallest_detectable(values, answers=1)
    found = np.mean(counted(studies(n, max(differing, least), least)) <= 0.05)
    assert 0.7 < found < 0.85, "McNemar's exact test is somewhat conservative, the more so the fewer questions"


@pytest.mark.parametrize("n", [30, 198])
def test_runs_that_never_differed_could_have_shown_something(n):
    least = smallest_detectable(np.zeros(n), answers=1)
    assert 0.7 < np.mean(counted(studies(n, least, least)) <= 0.05) < 0.95
    assert smallest_detectable(np.zeros(n), answers=8) is None


def test_the_smallest_detectable_difference_of_several_answers():
    n, k = 198, 8
    rng = np.random.default_rng(5)
    hard = rng.beta(1, 1, size=(n, STUDIES)) * 0.8
    base = rng.binomial(k, hard) / k
    least = smallest_detectable(rng.binomial(k, hard[:, 0]) / k - base[:, 0], answers=k)
    better = rng.binomial(k, hard + least) / k
    assert 0.7 < np.mean(sign_flip([better - base], resamples=1000) <= 0.05) < 0.9
