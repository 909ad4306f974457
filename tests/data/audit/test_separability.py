import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from examples import make_both
from r1k.data.audit.separability import Side, _wins, separability, sides, tell_apart
from r1k.data.audit.tokens import Tokens
from r1k.data.sets import pairs
from r1k.text import load_tokenizer


@pytest.fixture(scope="module")
def made(tiny_base):
    records = pairs(list(zip(*make_both(20), strict=True)))
    return sides(records, Tokens(load_tokenizer(tiny_base)), 4096)


def with_ids(side: Side, ids: list[int]) -> Side:
    return Side(side.problem, side.direction, side.preferred, np.array(ids, np.int32))


def test_over_all_prompts_each_response_is_on_both_sides_and_nothing_tells(made):
    lines = separability(made)
    assert [(line.prompts, line.end) for line in lines[2:]] == [
        (direction, end) for direction in ("forward", "reverse") for end in ("first", "last")
    ]
    for line in lines[:2]:
        assert (line.prompts, line.n, line.problems) == ("all", 80, 20)
        assert line.accuracy.model_dump() == line.auc.model_dump() == {"value": 0.5, "low": 0.5, "high": 0.5}


def test_a_byte_that_ends_one_side_alone_is_found_and_only_at_the_end(made):
    told = [with_ids(side, [5] * 50 + side.ids.tolist() + [9] * side.preferred) for side in made]
    last = tell_apart(told, "last")
    assert last["accuracy"].low > 0.95 and last["auc"].low > 0.95
    assert tell_apart(told, "first")["accuracy"].value == 0.5


def test_a_direction_that_is_worded_apart_is_told_from_the_other(made):
    reverse = tell_apart([side for side in made if side.direction == "reverse"], "last")
    assert reverse["n"] == 40 and reverse["auc"].low > 0.9  # `That is it.` ends one direction's reasoning


def test_what_says_nothing_scores_as_chance():
    rng = np.random.default_rng(1)
    noise = [
        Side(f"p{k}", "forward", preferred, rng.integers(0, 30, 80).astype(np.int32))
        for k in range(60)
        for preferred in (True, False)
    ]
    result = tell_apart(noise, "first")
    assert result["auc"].low < 0.5 < result["auc"].high
    assert result["accuracy"].low < 0.5 < result["accuracy"].high


def test_a_problem_is_never_both_learned_from_and_scored():
    """Each problem's two sides have words of their own, twice over: to know the problem is to know the answer."""
    known = [
        Side(f"p{k}", "forward", preferred, np.array([1000 + 2 * k + preferred], np.int32))
        for k in range(20)
        for preferred in (True, False)
        for _ in range(3)
    ]
    assert tell_apart(known, "first")["auc"].value == 0.5


def test_resampled_auc_at_one_draw_of_each_problem_is_the_auc():
    rng = np.random.default_rng(0)
    problems, preferred = np.repeat(np.arange(10), 4), np.tile([True, False], 20)
    scores = rng.normal(size=40).round(1) + preferred
    total = _wins(scores, preferred, problems).sum() / (20 * 20)
    assert total == pytest.approx(roc_auc_score(preferred, scores))


def test_responses_are_cut_where_the_training_cuts(tiny_base):
    records = pairs(list(zip(*make_both(2), strict=True)))
    tokens = Tokens(load_tokenizer(tiny_base))
    for limit in (160, 4096):
        for side, pair in zip(sides(records, tokens, limit)[::2], records, strict=True):
            prompt = tokens.prompt(pair.question, pair.id)
            whole = tokens.response(pair.question, pair.chosen, pair.id)
            assert side.ids.tolist() == whole[: limit - prompt].tolist()
