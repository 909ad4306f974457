"""Scores from verdicts."""

import json

import pytest

from r1k.errors import RecordError
from r1k.evaluate.score import score
from r1k.intervals import Interval, wilson
from r1k.records import Graded, Score, write_jsonl


def verdict(identity, correct=False, direction=None, rule="integer", last=None, truncated=False) -> Graded:
    return Graded(
        id=identity,
        benchmark="b",
        direction=direction,
        gold="1",
        extracted=None,
        correct=correct,
        rule=rule,
        last_number=None,
        last_number_correct=last,
        truncated=truncated,
    )


def scored(tmp_path, verdicts) -> Score:
    write_jsonl(tmp_path / "graded.jsonl", verdicts)
    arguments = {"run": "7b-r1k", "seed": 3, "benchmark": "b"}
    score(**arguments, graded=tmp_path / "graded.jsonl", output=tmp_path / "score.json")
    return Score.model_validate_json((tmp_path / "score.json").read_text())


def test_counts_over_all_and_by_direction(tmp_path):
    result = scored(
        tmp_path,
        [
            verdict("a", True, "forward", last=True),
            verdict("b", False, "forward", last=True, rule="unparsed", truncated=True),
            verdict("c", True, "forward", last=True),
            verdict("d", False, "reverse", last=False),
        ],
    )
    assert (result.run, result.seed, result.benchmark) == ("7b-r1k", 3, "b")
    assert (result.all.n, result.all.correct, result.all.unparsed, result.all.truncated) == (4, 2, 1, 1)
    assert (result.all.last_number_correct, result.all.accuracy) == (3, 0.5)
    assert Interval(result.all.accuracy, result.all.low, result.all.high) == wilson(2, 4)
    assert (result.forward.n, result.forward.correct, result.forward.last_number_correct) == (3, 2, 3)
    assert Interval(result.forward.accuracy, result.forward.low, result.forward.high) == wilson(2, 3)
    assert (result.reverse.n, result.reverse.correct, result.reverse.accuracy) == (1, 0, 0)


def test_wilson_interval_of_a_published_cell(tmp_path):
    """AIME, 5 of 30: Wilson's 95 % interval is 7.3 to 33.6 percent (computed by hand from its formula)."""
    result = scored(tmp_path, [verdict(str(k), k < 5) for k in range(30)])
    assert result.all.low == pytest.approx(0.0734, abs=5e-5)
    assert result.all.high == pytest.approx(0.3356, abs=5e-5)


def test_a_benchmark_without_directions_or_numbers_has_none(tmp_path):
    result = scored(tmp_path, [verdict("a", True)])
    assert (result.forward, result.reverse, result.all.last_number_correct) == (None, None, None)


def test_several_answers_to_a_question_are_an_error(tmp_path):
    again = verdict("a", True).model_copy(update={"sample": 1})
    with pytest.raises(RecordError, match=r"graded\.jsonl: field 'sample': question 'a' has several answers"):
        scored(tmp_path, [verdict("a", True), again])


def test_no_score_from_no_verdicts(tmp_path):
    with pytest.raises(RecordError, match="holds no records"):
        scored(tmp_path, [])
    assert not (tmp_path / "score.json").exists()


def test_the_manifest_has_the_number_of_verdicts(tmp_path):
    scored(tmp_path, [verdict("a", True)])
    assert json.loads((tmp_path / "score.manifest.json").read_text())["facts"]["n"] == 1


def test_what_nothing_could_decide_is_counted_by_its_reason(tmp_path):
    read = {"extracted": "7"}
    given = [
        verdict("a", rule="unparsed"),
        verdict("b", rule="unparsed").model_copy(update=read),
        verdict("c", rule="timeout").model_copy(update=read),
        verdict("d", True, rule="judge").model_copy(update=read | {"rules_rule": "timeout"}),
        verdict("e", rule="undecided").model_copy(update=read | {"rules_rule": "unparsed_gold"}),
        verdict("f", True).model_copy(update=read),
    ]
    found = scored(tmp_path, given).all
    assert (found.n, found.correct, found.unparsed, found.unread) == (6, 2, 2, 1)
    assert (found.timed_out, found.undecided, found.unparsed_gold) == (2, 1, 1)
