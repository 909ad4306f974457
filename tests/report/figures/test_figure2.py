import csv
import re

import pytest
from figure_checks import assert_words_stay_apart_and_inside, made_twice

from r1k.errors import RecordError
from r1k.report.figures.figure2 import GAP, EpochAxis, _epochs, draw, draw_figure2
from r1k.report.figures.style import style
from r1k.report.statistics.curves import LINES, curves, read_logprobs


@pytest.fixture
def outputs(tmp_path):
    return {name: tmp_path / f"figure2.{name}" for name in ("png", "pdf", "csv")}


@pytest.fixture(scope="module")
def drawn(dynamics, make_logprobs, tmp_path_factory):
    points = curves(dynamics, read_logprobs(make_logprobs(tmp_path_factory.mktemp("drawn"), dynamics, problems=12)))
    with style():
        figure = draw(points, dynamics)
        figure.draw_without_rendering()
    return figure, points


def test_three_panels_a_split_each_row_and_five_lines_in_two_parts(drawn):
    figure, _ = drawn
    assert len(figure.axes) == 6
    for place, axes in enumerate(figure.axes):
        curves_drawn = [line for line in axes.lines if line.get_marker() != "None"]
        assert len(curves_drawn) == 2 * len(LINES)
        assert len(axes.collections) == 2 * len(LINES)
        assert axes.get_xlabel() == "epoch"
        assert axes.get_ylabel() == f"{'margin' if place % 3 == 2 else 'log-probability'} (nats per token)"
        assert {"SFT", "DPO"} <= {text.get_text() for text in axes.texts}


def test_what_is_drawn_is_what_is_measured(drawn):
    figure, points = drawn
    held_out, margin = figure.axes[0], figure.axes[5]
    for axes, split, quantity in ((held_out, "held_out", "alp_chosen"), (margin, "train", "delta")):
        lines = iter(line for line in axes.lines if line.get_marker() != "None")
        for arm, test in LINES:
            for method in ("sft", "dpo"):
                expected = [
                    p.mean.value
                    for p in points
                    if (p.arm, p.test, p.split, p.method, p.quantity) == (arm, test, split, method, quantity)
                ]
                assert list(next(lines).get_ydata()) == pytest.approx(expected)


def test_out_of_distribution_is_dashed_and_the_trainings_have_colours(drawn):
    figure, _ = drawn
    lines = [line for line in figure.axes[0].lines if line.get_marker() != "None"][::2]
    assert [line.get_linestyle() for line in lines] == ["-", "-", "-", "--", "--"]
    assert lines[0].get_color() == lines[3].get_color()
    assert len({line.get_color() for line in lines}) == 3


def test_no_words_overlap_or_leave_the_figure(drawn):
    figure, _ = drawn
    assert_words_stay_apart_and_inside(figure)


@pytest.mark.slow
def test_files_are_written_and_the_same_each_time(outputs, dynamics, logprob_files):
    pdf = made_twice(lambda: draw_figure2(dynamics=dynamics, logprobs=logprob_files, **outputs), outputs)["pdf"]
    assert b"/FontFile2" in pdf and b"/Type3" not in pdf.replace(b" ", b"")
    assert not re.search(rb"CreationDate|Producer|Creator", pdf)


@pytest.mark.slow
def test_the_csv_has_all_that_is_drawn(outputs, dynamics, logprob_files):
    draw_figure2(dynamics=dynamics, logprobs=logprob_files, **outputs)
    rows = list(csv.DictReader(outputs["csv"].read_text().splitlines()))
    assert len([row for row in rows if row["in_figure"] == "1"]) == 5 * 2 * 3 * 15
    assert len(rows) == 9 * 2 * 3 * 15
    points = curves(dynamics, read_logprobs(logprob_files))
    for row, point in zip(rows, points, strict=True):
        assert (row["arm"], row["test"], row["quantity"], row["n"]) == (point.arm, point.test, point.quantity, "12")
        assert float(row["mean"]) == pytest.approx(point.mean.value, abs=1e-6)
        assert float(row["low"]) <= float(row["mean"]) <= float(row["high"])


def test_one_problem_has_lines_without_bands(tmp_path, outputs, dynamics, make_logprobs):
    draw_figure2(dynamics=dynamics, logprobs=make_logprobs(tmp_path, dynamics, problems=1), **outputs)
    rows = list(csv.DictReader(outputs["csv"].read_text().splitlines()))
    assert {(row["low"], row["high"], row["n"]) for row in rows} == {("", "", "1")}


def test_truncation_and_n_are_said(drawn):
    figure, _ = drawn
    words = " ".join(text.get_text() for text in figure.texts)
    assert "33 %" in words
    assert words.count("n = 12") == 2


def test_nothing_is_written_when_something_is_missing(outputs, dynamics, logprob_files):
    with pytest.raises(RecordError):
        draw_figure2(dynamics=dynamics, logprobs=logprob_files[1:], **outputs)
    assert not any(path.exists() for path in outputs.values())


@pytest.mark.parametrize(("sft", "dpo"), [(12, 7), (8, 1), (0.5, 20)])
def test_sft_comes_before_dpo_and_both_have_room(sft, dpo):
    axis = EpochAxis(sft, dpo)
    assert axis.place("sft", 0) == 0
    assert axis.place("dpo", dpo) == pytest.approx(1)
    assert axis.place("dpo", 0) - axis.place("sft", sft) == pytest.approx(GAP)
    assert axis.place("sft", sft) < axis.divide < axis.place("dpo", 0)
    assert min(axis.place("sft", sft), 1 - axis.place("dpo", 0)) > 0.3


@pytest.mark.parametrize(
    ("last", "ticks"),
    [(12, [0, 2, 4, 6, 8, 10, 12]), (5, [0, 1, 2, 3, 4, 5]), (100, [0, 20, 40, 60, 80, 100]), (0.5, [0, 0.5])],
)
def test_epochs_to_label(last, ticks):
    assert _epochs(last) == ticks
