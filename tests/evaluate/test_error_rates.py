"""The graders' error rates on the hand-checked pairs, as measured, so that changes of the rules are visible."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from error_rates import MATH_VERIFY, Pair, Rates, by_rules, completion, is_decidable, rates, read_pairs, verdicts
from faulty_teacher import KEY, KEY_VARIABLE

from examples import SHARED

PAIRS = read_pairs()
LITERAL, INFALLIBLE = "literal judge", "infallible judge"
SCRIPT = Path(__file__).parent / "error_rates.py"
FIELD = SHARED.parent / "field" / "grading.jsonl"
MAX_FALSE_ACCEPTS, MAX_FALSE_REJECTS = 0.005, 0.015


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY_VARIABLE, KEY)
        return verdicts(PAIRS, tmp_path_factory.mktemp("pairs"))


def missed(accepted):
    return [pair.model_dump() for pair, verdict in zip(PAIRS, accepted, strict=True) if verdict != pair.same]


def run(path):
    """Return the lines that the script prints for a file, the last one parsed; only the import path of r1k is set."""
    environment = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "PYTHONPATH")}
    command = [sys.executable, str(SCRIPT), str(path)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    *lines, last = ended.stdout.splitlines()
    return lines, json.loads(last)


def test_every_answer_type_has_enough_pairs_without_duplicates():
    assert len(PAIRS) >= 1100
    assert len({(pair.shape, pair.gold, pair.answer, str(pair.options)) for pair in PAIRS}) == len(PAIRS)
    for shape, each in rates(PAIRS, [pair.same for pair in PAIRS]).items():
        assert each.wrong >= 8 and each.right >= 15, shape
        assert (each.accepted, each.rejected) == (0, 0)


@pytest.mark.slow
def test_error_rates_of_the_rules():
    accepted = by_rules(PAIRS)
    counts = {shape: (each.accepted, each.rejected) for shape, each in rates(PAIRS, accepted).items()}
    assert counts == {"integer": (0, 3), "expression": (0, 1), "text": (0, 3), "choice": (0, 0), "all": (0, 7)}, missed(
        accepted
    )


@pytest.mark.slow
def test_error_rates_of_s1s_order_are_bounded_by_both_judges(found):
    counts = {grader: rates(PAIRS, accepted)["all"] for grader, accepted in found.items()}
    assert {name: (each.accepted, each.rejected) for name, each in counts.items()} == {
        "rules": (0, 7),
        "s1's order, no judge: equal text": (4, 615),
        f"s1's order, {LITERAL}": (24, 568),
        LITERAL: (24, 572),
        f"s1's order, {INFALLIBLE}": (12, 2),
        INFALLIBLE: (0, 0),
        MATH_VERIFY: (105, 234),
    }


def test_a_bare_prediction_is_put_into_a_box():
    assert completion("x^2") == "\\boxed{x^2}"
    assert completion("185\\") == "Answer: 185\\"
    assert completion("\\frac{1}{2") == "Answer: \\frac{1}{2"
    for whole in ("so \\boxed{5}", "Answer: 5", "**Answer**: 5", "first\nsecond", "答案：5"):
        assert completion(whole) == whole


def test_a_row_that_only_its_options_decide_needs_them():
    right = {"shape": "choice", "gold": "B", "note": "n", "same": True}
    assert not is_decidable(Pair(answer="\\boxed{18 J}", **right))
    assert is_decidable(Pair(answer="\\boxed{18 J}", options=["12 J", "18 J"], **right))
    assert is_decidable(Pair(answer="Answer: B", **right))


@pytest.mark.slow
def test_the_script_prints_each_wrong_row_and_the_rates_of_all(tmp_path):
    rows = [
        {"suite": "mine", "shape": "expression", "gold": "2ab", "prediction": "2ba", "expected": True},
        {"suite": "mine", "shape": "expression", "gold": "2ab", "prediction": "2", "expected": True},
        {"suite": "mine", "shape": "integer", "gold": "12", "prediction": "Answer: 13", "expected": False},
        {
            "suite": "mine",
            "shape": "integer",
            "gold": "12",
            "prediction": "3",
            "expected": True,
            "category": "debatable",
        },
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    lines, last = run(path)
    assert [json.loads(line)["prediction"] for line in lines] == ["\\boxed{2}"]
    assert last["n"] == 3
    assert last["rules"]["false_rejects"]["count"] == 1
    assert last["rules"]["false_accepts"]["rate"] == 0
    assert 0 < last["rules"]["false_rejects"]["low"] < 1 / 3 < last["rules"]["false_rejects"]["high"] < 1
    assert {MATH_VERIFY, f"s1's order, {LITERAL}", f"s1's order, {INFALLIBLE}"} <= last.keys()


@pytest.mark.slow
@pytest.mark.skipif(not FIELD.is_file(), reason=f"{FIELD} is absent")
def test_the_given_cases_are_within_the_limits_and_below_math_verify():
    lines, last = run(FIELD)
    rules, plain = last["rules"], last[MATH_VERIFY]
    assert rules["false_accepts"]["rate"] <= MAX_FALSE_ACCEPTS, lines
    assert rules["false_rejects"]["rate"] <= MAX_FALSE_REJECTS, lines
    for name in ("false_accepts", "false_rejects"):
        assert rules[name]["rate"] < plain[name]["rate"]


def test_shares_are_of_all_rows():
    shares = Rates(accepted=1, wrong=40, rejected=3, right=60).shares()
    assert (shares["false_accepts"]["rate"], shares["false_rejects"]["rate"], shares["false_accepts"]["n"]) == (
        0.01,
        0.03,
        100,
    )
