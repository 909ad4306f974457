import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from examples import make_both
from r1k.data.audit.separability import PairResponse, _wins, pair_responses, score_classifier, separability
from r1k.data.audit.tokens import TokenCache
from r1k.data.sets import pairs
from r1k.intervals import Interval
from r1k.text import load_tokenizer


@pytest.fixture(scope="module")
def made(tiny_base):
    records = pairs(list(zip(*make_both(20), strict=True)))
    return pair_responses(records, TokenCache(load_tokenizer(tiny_base)), 4096)


def with_ids(side: PairResponse, ids: list[int]) -> PairResponse:
    return PairResponse(side.problem, side.direction, side.chosen, np.array(ids, np.int32))


def test_over_all_prompts_the_classifier_is_at_chance(made):
    lines = separability(made)
    assert [(line.prompts, line.end) for line in lines[2:]] == [
        (direction, end) for direction in ("forward", "reverse") for end in ("first", "last")
    ]
    for line in lines[:2]:
        assert (line.prompts, line.n, line.problems) == ("all", 80, 20)
        assert line.accuracy == line.auc == Interval(0.5, 0.5, 0.5)


def test_an_end_marker_of_one_side_is_found_only_at_the_end(made):
    marked = [with_ids(side, [5] * 50 + side.ids.tolist() + [9] * side.chosen) for side in made]
    last = score_classifier(marked, "last")
    assert last["accuracy"].low > 0.95 and last["auc"].low > 0.95
    assert score_classifier(marked, "first")["accuracy"].value == 0.5


def test_a_direction_with_a_characteristic_phrase_is_separable(made):
    reverse = score_classifier([side for side in made if side.direction == "reverse"], "last")
    assert reverse["n"] == 40 and reverse["auc"].low > 0.9  # one direction's reasoning ends with `That is it.`


def test_noise_scores_at_chance():
    rng = np.random.default_rng(1)
    noise = [
        PairResponse(f"p{k}", "forward", chosen, rng.integers(0, 30, 80).astype(np.int32))
        for k in range(60)
        for chosen in (True, False)
    ]
    result = score_classifier(noise, "first")
    assert result["auc"].low < 0.5 < result["auc"].high
    assert result["accuracy"].low < 0.5 < result["accuracy"].high


def test_training_and_test_folds_share_no_problem():
    """Each response has its own token in three copies, so that knowing the problem would reveal the answer."""
    known = [
        PairResponse(f"p{k}", "forward", chosen, np.array([1000 + 2 * k + chosen], np.int32))
        for k in range(20)
        for chosen in (True, False)
        for _ in range(3)
    ]
    assert score_classifier(known, "first")["auc"].value == 0.5


def test_wins_add_up_to_the_auc():
    rng = np.random.default_rng(0)
    problems, chosen = np.repeat(np.arange(10), 4), np.tile([True, False], 20)
    scores = rng.normal(size=40).round(1) + chosen
    total = _wins(scores, chosen, problems).sum() / (20 * 20)
    assert total == pytest.approx(roc_auc_score(chosen, scores))


def test_responses_are_truncated_as_in_training(tiny_base):
    records = pairs(list(zip(*make_both(2), strict=True)))
    tokens = TokenCache(load_tokenizer(tiny_base))
    for limit in (160, 4096):
        for side, pair in zip(pair_responses(records, tokens, limit)[::2], records, strict=True):
            prompt = tokens.prompt_length(pair.question, pair.id)
            whole = tokens.response_ids(pair.question, pair.chosen, pair.id)
            assert side.ids.tolist() == whole[: limit - prompt].tolist()
