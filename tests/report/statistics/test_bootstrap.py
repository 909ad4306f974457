import numpy as np
import pytest
from scipy.stats import bootstrap

from r1k.report.statistics.bootstrap import bootstrap_means


def test_bootstrap_agrees_with_scipy():
    values = np.random.default_rng(1).gamma(2, size=(60, 2))
    mean, low, high = bootstrap_means(values, resamples=20000)
    expected = bootstrap((values,), np.mean, axis=0, n_resamples=20000, method="percentile", rng=2)
    assert mean == pytest.approx(values.mean(axis=0))
    assert low == pytest.approx(expected.confidence_interval.low, abs=0.02)
    assert high == pytest.approx(expected.confidence_interval.high, abs=0.02)


def test_bootstrap_is_seeded_and_paired():
    values = np.random.default_rng(2).normal(size=(20, 1)) * 5
    columns = np.hstack([values + 1, values, np.ones_like(values)])
    first, again = bootstrap_means(columns), bootstrap_means(columns)
    for a, b in zip(first, again, strict=True):
        assert np.array_equal(a, b)
    mean, low, high = bootstrap_means(np.hstack([columns, columns[:, :1] - columns[:, 1:2]]))
    assert high[0] - low[0] > 1
    assert (low[3], high[3]) == pytest.approx((1, 1)), "a difference that never varies has no width"
    assert mean[3] == pytest.approx(1)


def test_bootstrap_of_one_problem_claims_no_interval():
    mean, low, high = bootstrap_means(np.array([[-1.0, -2.0]]))
    assert mean.tolist() == [-1, -2]
    assert np.isnan(low).all()
    assert np.isnan(high).all()
