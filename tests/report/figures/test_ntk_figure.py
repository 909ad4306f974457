"""Test the NTK figure with made-up influences whose means are known."""

import csv

import numpy as np
import pytest
from figure_checks import assert_words_stay_apart_and_inside, hide_ticks_beyond, made_twice

from r1k.errors import RecordError
from r1k.records import UPDATES, Influence, read_jsonl, write_jsonl
from r1k.report.figures.heat_map import number
from r1k.report.figures.ntk import draw, draw_ntk
from r1k.report.figures.style import style
from r1k.report.statistics.influence import KINDS, Influences, agreements, effects

LENGTHS = (1e-4, 1e-2)
PROBLEMS = 5
CURVED = 0.6
"""The measured change of a long step, as a share of the first-order prediction."""


def rise(update, split, same, kind):
    """Return the first-order change for a step of 1 %."""
    own = {"forward": 0, "reverse": 1}.get(update, 3) == KINDS.index(kind)
    size = 0.1 if same else 0.02 if split == "train" else 0.01
    if update == "dpo":
        return -3 * size if kind[1] == "rejected" else size
    return size * (4 if own else 1)


def made(run, seed):
    rng = np.random.default_rng([seed, *run.encode()])
    for update in UPDATES:
        for trained in range(PROBLEMS):
            for length in LENGTHS:
                for split in ("train", "held_out"):
                    for place in range(PROBLEMS):
                        for kind in KINDS:
                            name = f"p{place}" if split == "train" else f"h{place}"
                            first = rise(update, split, name == f"p{trained}", kind) + rng.normal(0, 0.001)
                            first *= length / 0.01
                            yield Influence(
                                run=run,
                                seed=seed,
                                step=9,
                                update=update,
                                step_problem=f"p{trained}",
                                split=split,
                                problem=name,
                                direction=kind[0],
                                response=kind[1],
                                tokens=50,
                                length=length,
                                eta=50 * length,
                                predicted=first,
                                measured=first * (CURVED if length == 1e-2 else 1),
                                cosine=0.5,
                                a=0.05,
                                g=0.04,
                                kernel=first / (50 * length * 0.05 * 0.04),
                                kernel_square=4.0,
                            )


@pytest.fixture
def paths(tmp_path, dynamics):
    found = []
    for pair in dynamics.arms.values():
        found.append(tmp_path / f"{pair.sft}.jsonl")
        write_jsonl(found[-1], made(pair.sft, 0))
    return found


@pytest.fixture
def outputs(tmp_path):
    return {name: tmp_path / f"ntk.{name}" for name in ("png", "pdf", "csv")}


def test_means_are_over_the_problems_measured_and_apart_for_the_steps_own(dynamics, paths):
    found = list(effects(Influences(dynamics, paths)))
    predicted = [e for e in found if e.quantity == "predicted"]
    assert len(predicted) == 3 * 3 * len(UPDATES) * len(KINDS)
    for e in predicted:
        split = "held_out" if e.whose == "held_out" else "train"
        expected = rise(e.update, split, e.whose == "same", (e.direction, e.response))
        assert e.mean.value == pytest.approx(expected, abs=0.003)
        assert e.mean.low <= e.mean.value <= e.mean.high
        assert (e.n, e.seeds, e.length) == (PROBLEMS, 1, 0)
    long = {(e.arm, e.whose, e.update, e.direction, e.response): e.mean.value for e in found if e.length == 1e-2}
    assert len(long) == len(predicted)
    for e in predicted:
        assert long[e.arm, e.whose, e.update, e.direction, e.response] == pytest.approx(
            CURVED * e.mean.value, abs=0.003
        )
    assert {e.whose for e in found if e.quantity == "g"} == {"same"}


def test_the_slope_is_that_of_what_was_measured(dynamics, paths):
    found = list(agreements(Influences(dynamics, paths)))
    assert [fit.length for fit in found] == [1e-4, 1e-2] * 3
    for fit in found:
        assert fit.slope.value == pytest.approx(1 if fit.length == 1e-4 else CURVED)
        assert fit.slope.low == pytest.approx(fit.slope.high)
        assert fit.correlation.value == pytest.approx(1)
        assert (fit.n, fit.pairs) == (2 * PROBLEMS, len(UPDATES) * PROBLEMS * 2 * PROBLEMS * len(KINDS))


@pytest.mark.slow
def test_files_are_written_and_the_same_each_time(dynamics, paths, outputs):
    made_twice(lambda: draw_ntk(dynamics=dynamics, influences=paths, **outputs), outputs)
    rows = list(csv.DictReader(outputs["csv"].read_text().splitlines()))
    assert {row["quantity"] for row in rows} >= {"predicted", "measured", "kernel", "a", "g", "slope", "correlation"}
    assert all(float(row["low"]) <= float(row["mean"]) + 1e-9 for row in rows)


@pytest.mark.slow
@pytest.mark.parametrize("arms", [("forward", "reverse", "mixed"), ("mixed",)])
def test_numbers_stand_in_their_cells_and_no_words_overlap(dynamics, paths, arms):
    spec = dynamics.model_copy(update={"arms": {arm: dynamics.arms[arm] for arm in arms}})
    measured = Influences(spec, paths)
    found = list(effects(measured))
    with style():
        figure = draw(measured, found, list(agreements(measured)))
        figure.draw_without_rendering()
    assert len(figure.axes) == 4 * len(arms)
    for axes in figure.axes:
        for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, sorted(axes.get_ylim()))):
            hide_ticks_beyond(axis, low, high)
    assert_words_stay_apart_and_inside(figure)


def test_numbers_are_short_enough_for_a_cell():
    found = {
        0.04: "0.0",
        -3.14: "\N{MINUS SIGN}3.1",
        9.96: "10",
        425.2: "425",
        999.7: "1.0k",
        15389: "15k",
        2.5e6: "2.5M",
    }
    assert {value: number(value) for value in found} == found


@pytest.mark.slow
def test_one_problem_has_no_interval(dynamics, paths, outputs):
    for path in paths:
        records = read_jsonl(path, Influence)
        write_jsonl(path, [r for r in records if r.problem in ("p0", "h0") and r.step_problem == "p0"])
    draw_ntk(dynamics=dynamics, influences=paths, **outputs)
    rows = list(csv.DictReader(outputs["csv"].read_text().splitlines()))
    assert all(row["low"] == "" and row["n"] == "1" for row in rows if row["quantity"] == "predicted")


def test_a_run_that_was_not_measured_is_named(dynamics, paths, outputs):
    with pytest.raises(RecordError, match=r"run 'probe-mixed', seed 0; make ntk/probe-mixed/0\.jsonl"):
        draw_ntk(dynamics=dynamics, influences=paths[:-1], **outputs)
    assert not any(path.exists() for path in outputs.values())
