import csv

import pytest
from figure_checks import assert_words_stay_apart_and_inside, hide_ticks_beyond, made_twice
from made_tracked import write_tracked

from r1k.config import DynamicsSpec
from r1k.errors import RecordError
from r1k.records import RESPONSE_KINDS, Tracked, read_jsonl, write_jsonl
from r1k.report.figures.probability_shift import draw, draw_probability_shift
from r1k.report.figures.style import style
from r1k.report.statistics.changes import Measured, changes

GAINS = {"chosen": 0.3, "rejected": -0.2, "other_problem_chosen": 0.1}


def change(run: str, direction: str, kind: str) -> float:
    return GAINS.get(kind, 0.0) * (1 if run.endswith("dpo") else 2) + (0.02 if direction == "reverse" else 0.0)


@pytest.fixture
def tracked(tmp_path, dynamics):
    return write_tracked(tmp_path, dynamics, 6, change, lacking="p2")


@pytest.fixture
def outputs(tmp_path):
    return {name: tmp_path / f"probability-shift.{name}" for name in ("png", "pdf", "csv")}


@pytest.mark.slow
def test_changes_are_from_the_first_to_the_last_checkpoint(dynamics, tracked):
    found = {
        (c.arm, c.method, c.test, c.split, c.response): c
        for c in changes(Measured(dynamics, tracked))
        if (c.span, c.measure) == ("reasoning", "log_p")
    }
    for (_, method, test, _, kind), one in found.items():
        expected = (
            GAINS.get(kind, 0.0) * (1 if method == "dpo" else 2) + {"forward": 0, "reverse": 0.02, "mixed": 0.01}[test]
        )
        assert one.change.value == pytest.approx(expected, abs=0.02)
        assert one.change.low < one.change.value < one.change.high
        assert one.end - one.start == pytest.approx(one.change.value)
        assert (one.start, one.seeds) == (pytest.approx(-3), 1)
        assert one.n == (5 if kind == "shuffled_sentences" else 6)


@pytest.mark.slow
def test_what_a_token_the_argmax_and_the_rest_gain_adds_up_to_nothing(dynamics, tracked):
    sums: dict[tuple[str, ...], float] = {}
    for c in changes(Measured(dynamics, tracked)):
        if c.measure in ("p", "p_rival", "p_rest"):
            key = (c.arm, c.method, c.test, c.split, c.response, c.span)
            sums[key] = sums.get(key, 0.0) + c.change.value
    assert len(sums) == 3 * 2 * 3 * 2 * len(RESPONSE_KINDS) * 4
    assert max(map(abs, sums.values())) < 1e-12


@pytest.mark.slow
def test_seeds_are_averaged_within_a_problem(tmp_path, dynamics):
    two = DynamicsSpec(arms=dynamics.arms, seeds=[0, 1], epochs=dynamics.epochs)
    paths = write_tracked(tmp_path, two, 4, change)
    both = changes(Measured(two, paths))
    each = [
        changes(Measured(DynamicsSpec(arms=dynamics.arms, seeds=[seed], epochs=dynamics.epochs), paths))
        for seed in (0, 1)
    ]
    for mean, first, second in zip(both, *each, strict=True):
        assert (mean.n, mean.seeds) == (4, 2)
        assert mean.change.value == pytest.approx((first.change.value + second.change.value) / 2)


@pytest.mark.slow
def test_files_are_written_and_the_same_each_time(outputs, dynamics, tracked):
    made_twice(lambda: draw_probability_shift(dynamics=dynamics, tracked=tracked, **outputs), outputs)
    rows = list(csv.DictReader(outputs["csv"].read_text().splitlines()))
    assert len([row for row in rows if row["in_figure"] == "1"]) == 3 * 2 * 2 * (len(RESPONSE_KINDS) + 6)
    for row in rows:
        assert float(row["low"]) <= float(row["change"]) <= float(row["high"])


@pytest.mark.slow
def test_the_marks_are_the_changes_and_no_words_overlap(dynamics, tracked):
    found = changes(Measured(dynamics, tracked))
    with style():
        figure = draw(found)
        figure.draw_without_rendering()
    marks = sorted(
        line.get_xdata()[0] for axes in figure.axes for line in axes.lines if line.get_marker() in ("o", "s")
    )
    shown = [c for c in found if (c.test, c.span) == ("mixed", "all")]
    expected = [c for c in shown if c.measure == "log_p"]
    expected += [c for c in shown if c.response in ("chosen", "rejected") and c.measure in ("p", "p_rival", "p_rest")]
    assert marks == pytest.approx(sorted(c.change.value for c in expected))
    for axes in figure.axes:
        hide_ticks_beyond(axes.xaxis, *axes.get_xlim())
    assert_words_stay_apart_and_inside(figure)


def test_a_run_that_was_not_tracked_is_named(outputs, dynamics, tracked):
    with pytest.raises(RecordError, match=r"run 'probe-mixed-dpo', seed 0; make tracked/probe-mixed-dpo/0\.jsonl"):
        draw_probability_shift(dynamics=dynamics, tracked=tracked[:-1], **outputs)
    assert not any(path.exists() for path in outputs.values())


def test_a_run_with_one_checkpoint_is_named(dynamics, tracked):
    write_jsonl(tracked[0], [record for record in read_jsonl(tracked[0], Tracked) if record.step == 0])
    with pytest.raises(RecordError, match=r"probe-forward-0\.jsonl: holds no two checkpoints"):
        Measured(dynamics, tracked)
