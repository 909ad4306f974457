import numpy as np
import pytest

from r1k.errors import RecordError
from r1k.records import LogProb, read_jsonl, write_jsonl
from r1k.report.statistics.curves import LINES, curves, read_logprobs


def test_every_arm_test_split_training_and_checkpoint_is_there(dynamics, logprob_files):
    points = curves(dynamics, read_logprobs(logprob_files))
    assert len(points) == 3 * 3 * 2 * 3 * (7 + 8)  # arms, tests, splits, quantities, checkpoints of SFT and DPO
    assert {(point.arm, point.test) for point in points} >= set(LINES)
    assert {point.epoch for point in points if point.method == "dpo"} == set(range(8))
    assert all(point.mean.low < point.mean.value < point.mean.high for point in points)


def test_alp_is_the_mean_over_examples_of_the_mean_over_tokens(dynamics, logprob_files):
    records = [record for path in logprob_files for record in read_jsonl(path, LogProb)]
    (point,) = [
        p
        for p in curves(dynamics, read_logprobs(logprob_files))
        if (p.arm, p.test, p.split, p.method, p.step, p.quantity)
        == ("mixed", "mixed", "held_out", "sft", 120, "alp_rejected")
    ]
    expected = [
        r.mean
        for r in records
        if (r.run, r.step, r.split, r.response) == ("probe-mixed", 120, "held_out", "rejected")
    ]  # fmt: skip
    assert len(expected) == 24
    assert point.mean.value == pytest.approx(np.mean(expected))
    assert (point.n, point.examples, point.seeds, point.epoch) == (12, 24, 1, 2)
    assert point.truncated == pytest.approx(1 / 3)


def test_the_margin_is_the_paired_difference(dynamics, logprob_files):
    points = curves(dynamics, read_logprobs(logprob_files))
    found = {(p.arm, p.test, p.split, p.method, p.step, p.quantity): p for p in points}
    for (*key, quantity), point in found.items():
        if quantity == "delta":
            chosen, rejected = found[(*key, "alp_chosen")], found[(*key, "alp_rejected")]
            assert point.mean.value == pytest.approx(chosen.mean.value - rejected.mean.value)


def test_pairing_takes_out_what_a_problem_does_to_both_responses(tmp_path, dynamics, logprob_files):
    paths = []
    for path in logprob_files:
        records = read_jsonl(path, LogProb)
        level = {r.problem: 1 + int(r.problem[1:]) for r in records}
        shifted = [
            r.model_copy(update={"mean": -float(level[r.problem]) - (r.response == "rejected")}) for r in records
        ]
        paths.append(tmp_path / f"shifted-{path.name}")
        write_jsonl(paths[-1], shifted)
    points = curves(dynamics, read_logprobs(paths))
    assert all(p.mean.high - p.mean.low > 1 for p in points if p.quantity == "alp_chosen")
    deltas = [(p.mean.low, p.mean.value, p.mean.high) for p in points if p.quantity == "delta"]
    assert np.allclose(deltas, 1)


def test_seeds_are_averaged_within_a_problem(tmp_path, dynamics, make_logprobs):
    two = dynamics.model_copy(update={"seeds": [0, 1]})
    points = curves(two, read_logprobs(make_logprobs(tmp_path, two, problems=5)))
    assert {(point.n, point.seeds) for point in points} == {(5, 2)}
    single = [
        curves(dynamics.model_copy(update={"seeds": [seed]}), read_logprobs(sorted(tmp_path.glob("*.jsonl"))))
        for seed in (0, 1)
    ]
    for both, first, second in zip(points, *single, strict=True):
        assert both.mean.value == pytest.approx((first.mean.value + second.mean.value) / 2)


def test_a_missing_run_is_named(dynamics, logprob_files):
    with pytest.raises(RecordError, match=r"'probe-mixed-dpo', seed 0; make probe/probe-mixed-dpo/0\.jsonl"):
        curves(dynamics, read_logprobs(logprob_files[:-1]))


def test_a_missing_measurement_is_named(dynamics, logprob_files):
    path = logprob_files[0]
    write_jsonl(path, [r for r in read_jsonl(path, LogProb) if r.id != "120/train/p3/reverse/rejected"])
    expected = (
        "'probe-forward': step 120, split train, problem 'p3', reverse prompt, rejected response was not measured"
    )
    with pytest.raises(RecordError, match=expected):
        curves(dynamics, read_logprobs(logprob_files))


def test_a_measurement_of_one_seed_alone_is_named(tmp_path, dynamics, make_logprobs):
    two = dynamics.model_copy(update={"seeds": [0, 1]})
    paths = make_logprobs(tmp_path, two, problems=3)
    write_jsonl(paths[-1], [r for r in read_jsonl(paths[-1], LogProb) if r.step != 420])
    with pytest.raises(RecordError, match=r"'probe-mixed-dpo': step 420, .* is measured with seed 0 or 1 alone"):
        curves(two, read_logprobs(paths))


def test_a_split_without_measurements_is_named(dynamics, logprob_files):
    path = logprob_files[0]
    write_jsonl(path, [r for r in read_jsonl(path, LogProb) if r.split == "train"])
    with pytest.raises(RecordError, match="'probe-forward' has no log-probabilities of the held_out split"):
        curves(dynamics, read_logprobs(logprob_files))


def test_a_repeated_measurement_is_named(logprob_files):
    with pytest.raises(RecordError, match=r"probe-forward-0\.jsonl:1: run 'probe-forward', seed 0, .* comes twice"):
        read_logprobs([*logprob_files, logprob_files[0]])
