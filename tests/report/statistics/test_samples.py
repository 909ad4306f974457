from fractions import Fraction
from math import comb

import numpy as np
import pytest

from r1k.report.statistics.samples import NO_VOTE, average, majority, pass_at


def rows(*patterns):
    return np.array([[mark == "+" for mark in pattern] for pattern in patterns])


def test_average_is_by_question():
    assert average(rows("++--", "----")).tolist() == [0.5, 0]


@pytest.mark.parametrize("n", [1, 5, 16])
def test_pass_at_k_is_the_exact_chance(n):
    correct = np.array([[i < c for i in range(n)] for c in range(n + 1)])
    for k in range(1, n + 1):
        expected = [float(1 - Fraction(comb(n - c, k), comb(n, k))) for c in range(n + 1)]
        assert pass_at(correct, k) == pytest.approx(expected, abs=1e-12)


def test_pass_at_1_is_the_average_and_pass_at_n_is_any():
    correct = np.random.default_rng(0).random((3, 40, 8)) < 0.2
    assert pass_at(correct, 1) == pytest.approx(average(correct))
    assert pass_at(correct, 8).tolist() == correct.any(axis=-1).tolist()


def test_pass_at_k_has_no_bias():
    rng = np.random.default_rng(1)
    assert pass_at(rng.random((20000, 16)) < 0.1, 4).mean() == pytest.approx(1 - 0.9**4, abs=0.005)


@pytest.mark.parametrize("k", [0, 9])
def test_more_than_there_is_cannot_be_drawn(k):
    with pytest.raises(ValueError, match=f"no pass@{k} from 8"):
        pass_at(np.zeros((2, 8), dtype=bool), k)


@pytest.mark.parametrize(
    ("correct", "votes", "value"),
    [
        ("++---", [7, 7, 1, 2, 3], 1),
        ("++---", [7, 7, 1, 1, 1], 0),
        ("++--", [7, 7, 1, 1], 0.5),
        ("+---", [7, 1, 2, 2], 0),
        ("+---", [7, NO_VOTE, NO_VOTE, NO_VOTE], 1),
        ("---", [NO_VOTE] * 3, 0),
        ("+--", [0, 1, 2], 1 / 3),
    ],
)
def test_majority(correct, votes, value):
    assert majority(rows(correct), np.array([votes])) == pytest.approx([value])


def test_majority_keeps_questions_and_trainings_apart():
    rng = np.random.default_rng(2)
    votes = rng.integers(-1, 4, size=(2, 30, 5))
    correct = votes == 2
    whole = majority(correct, votes)
    assert whole.shape == (2, 30)
    for seed in range(2):
        for question in range(30):
            alone = majority(correct[seed, question][None], votes[seed, question][None])
            assert whole[seed, question] == pytest.approx(alone[0])
