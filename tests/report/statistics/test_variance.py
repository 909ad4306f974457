import math

import numpy as np
import pytest

from r1k.report.statistics.variance import components


def drawn(rng, seeds, questions, samples):
    """Verdicts whose chances have known parts: of training, of question, of both together."""
    chance = (
        0.5
        + rng.normal(0, 0.05, (seeds, 1, 1))
        + rng.normal(0, 0.12, (1, questions, 1))
        + rng.normal(0, 0.08, (seeds, questions, 1))
    )
    return rng.random((seeds, questions, samples)) < chance


def test_known_components_are_found_without_bias():
    rng = np.random.default_rng(0)
    found = [components(drawn(rng, 4, 60, 5)) for _ in range(400)]
    means = {name: np.mean([getattr(part, name) for part in found]) for name in ("seed", "question", "interaction")}
    assert means == pytest.approx({"seed": 0.0025, "question": 0.0144, "interaction": 0.0064}, rel=0.1)
    spread = 0.0025 + 0.0144 + 0.0064
    assert np.mean([part.sample for part in found]) == pytest.approx(0.25 - spread, rel=0.02)


def test_components_are_those_of_the_analysis_of_variance():
    """By hand: two trainings, two questions, two answers."""
    y = np.array([[[1, 1], [0, 1]], [[1, 0], [0, 0]]], dtype=bool)
    found = components(y)
    # Mean squares: seeds 0.5, questions 0.5, crossed 0, answers 0.25.
    assert found.sample == pytest.approx(0.25)
    assert found.interaction == pytest.approx((0 - 0.25) / 2)
    assert found.seed == pytest.approx((0.5 - 0) / 4)
    assert found.question == pytest.approx((0.5 - 0) / 4)
    assert found.from_seeds == pytest.approx(math.sqrt(0.125 / 2))
    assert found.from_samples == pytest.approx(0), "what came out below zero counts as none"


def test_one_training_has_questions_and_answers_alone():
    rng = np.random.default_rng(1)
    hard = rng.beta(1, 1, size=(1, 4000, 1))
    found = components(rng.random((1, 4000, 6)) < hard)
    assert (found.seed, found.interaction, found.from_seeds) == (None, None, None)
    assert found.question == pytest.approx(1 / 12, rel=0.05)
    assert found.sample == pytest.approx(1 / 6, rel=0.05)


def test_one_answer_by_several_trainings_leaves_the_interaction_in_the_answers():
    rng = np.random.default_rng(2)
    found = components(rng.random((5, 2000, 1)) < rng.beta(1, 1, size=(1, 2000, 1)))
    assert found.interaction is None
    assert found.seed == pytest.approx(0, abs=1e-3)
    assert found.sample == pytest.approx(1 / 6, rel=0.05)


def test_the_standard_errors_are_those_of_repeated_studies():
    rng = np.random.default_rng(3)
    found, scores = [], []
    for _ in range(400):
        verdicts = drawn(rng, 3, 40, 4)
        found.append(components(verdicts))
        scores.append(verdicts.mean())
    predicted = np.mean([(p.from_seeds**2 + p.from_questions**2 + p.from_samples**2) for p in found])
    assert math.sqrt(predicted) == pytest.approx(np.std(scores), rel=0.1)


@pytest.mark.parametrize("shape", [(1, 30, 1), (3, 1, 8)])
def test_nothing_can_be_told_apart_in_a_single_answer_or_question(shape):
    assert components(np.ones(shape, dtype=bool)) is None
