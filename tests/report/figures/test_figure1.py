import json
import warnings
from pathlib import Path

import pytest
from matplotlib.font_manager import FontProperties
from matplotlib.image import imread
from matplotlib.patches import FancyBboxPatch

from r1k.errors import RecordError
from r1k.records import Example, write_jsonl
from r1k.report.figures.figure1 import LIMITS, TEXT, choose, draw, draw_figure1, wrap
from r1k.report.figures.style import style
from r1k.report.figures.text_fit import fit

REAL = Path(__file__).parents[3] / "../shared/data/s1k_r1k_20.jsonl"


def example(problem, direction, question, reasoning="It is 4.", answer=r"\boxed{4}", kind="area"):
    return Example(
        id=f"{problem}-{direction}", problem=problem, direction=direction, question=question, reasoning=reasoning,
        answer=answer, kind=kind,
    )  # fmt: skip


def write(tmp_path, forward, reverse):
    paths = {"s1k": tmp_path / "s1k.jsonl", "r1k": tmp_path / "r1k.jsonl"}
    write_jsonl(paths["s1k"], forward)
    write_jsonl(paths["r1k"], reverse)
    return paths | {"png": tmp_path / "figure1.png", "pdf": tmp_path / "figure1.pdf"}


def chosen(forward, reverse):
    return choose({e.problem: e for e in forward}, {e.problem: e for e in reverse}, "here")[0].problem


def test_kinetic_energy_is_preferred_as_in_the_paper():
    forward = [example("a", "forward", "What area?"), example("b", "forward", "What is the kinetic energy?")]
    reverse = [example("a", "reverse", "What side?"), example("b", "reverse", "What temperature?")]
    assert chosen(forward, reverse) == "b"
    assert chosen([e.model_copy(update={"question": "?", "kind": "x"}) for e in forward], reverse) == "a"


def test_a_question_that_fits_is_preferred_and_any_is_drawn():
    long = "word " * 500
    forward = [example(p, "forward", text) for p, text in (("a", long), ("b", "Short?"))]
    reverse = [example(p, "reverse", "Short?") for p in "ab"]
    assert chosen(forward, reverse) == "b"
    assert chosen(forward[:1], reverse) == "a"


def test_files_without_a_common_problem_are_an_error(tmp_path):
    paths = write(tmp_path, [example("a", "forward", "?")], [example("b", "reverse", "?")])
    with pytest.raises(RecordError, match=r"s1k\.jsonl, .*r1k\.jsonl: no problem is in both"):
        draw_figure1(**paths)
    assert not paths["png"].exists()


NASTY = r"Cost $5 and $6, $\frac{1}{x^{2}$, \undefined{a}, 100% & #1_a ~ 中文 𓀀" + "\x07"


def test_tex_in_the_data_is_text(tmp_path):
    paths = write(tmp_path, [example("a", "forward", NASTY, NASTY, NASTY)], [example("a", "reverse", NASTY)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw_figure1(**paths)
    assert imread(paths["png"]).std() > 0.05
    lines = " ".join(wrap(example("a", "forward", NASTY), "question").lines)
    assert r"Cost $5 and $6, $\frac{1}{x^{2}$, \undefined{a}, 100% & #1_a" in lines
    assert "\ufffd" in lines


def overflow(figure):
    """Return the boxes of the data's texts that leave their card."""
    figure.draw_without_rendering()
    (axes,) = figure.axes
    cards = [patch.get_window_extent() for patch in axes.patches if isinstance(patch, FancyBboxPatch)][:2]
    data = [text.get_window_extent() for text in axes.texts if not text.get_parse_math()]
    assert data
    return [
        box
        for box in data
        if not any(c.x0 < box.x0 and box.x1 < c.x1 and c.y0 < box.y0 and box.y1 < c.y1 for c in cards)
    ]


@pytest.mark.parametrize("text", ["Short?", "word " * 400, "x" * 3000, "Wide WWWW MMMM " * 90])
def test_texts_stay_in_their_cards(text):
    with style():
        figure = draw(example("a", "forward", text, text, text), example("a", "reverse", "?", text, text))
        assert overflow(figure) == []


def test_the_same_bytes_each_time(tmp_path):
    paths = write(tmp_path, [example("a", "forward", "What?")], [example("a", "reverse", "Which?")])
    draw_figure1(**paths)
    first = (paths["png"].read_bytes(), paths["pdf"].read_bytes())
    draw_figure1(**paths)
    assert first == (paths["png"].read_bytes(), paths["pdf"].read_bytes())
    assert b"/FontFile2" in first[1]
    assert json.loads((tmp_path / "figure1.manifest.json").read_text())["facts"]["problem"] == "a"


@pytest.mark.slow
def test_real_examples(tmp_path):
    if not REAL.is_file():
        pytest.skip("the twenty real s1K problems are not on this machine")
    rows = [json.loads(line) for line in REAL.read_text(encoding="utf-8").splitlines()]
    forward = [
        example(str(k), "forward", r["question"], r["deepseek_thinking_trajectory"], r["deepseek_attempt"])
        for k, r in enumerate(rows)
    ]
    reverse = [
        example(str(k), "reverse", r["reverse_question"], r["reverse_thinking"], r["reverse_attempt"])
        for k, r in enumerate(rows)
    ]
    draw_figure1(**write(tmp_path, forward, reverse))
    for pair in list(zip(forward, reverse, strict=True))[:3]:
        with style():
            assert overflow(draw(*pair)) == []
    shown = wrap(forward[0], "answer").lines
    assert len(shown) <= LIMITS["answer"]
    assert shown[0].startswith("…")
    assert r"\boxed{651}" in shown[-1]


def test_fit_keeps_the_start_or_the_end_in_whole_words():
    text = " ".join(f"word{k}" for k in range(100))
    start, whole = fit(text, TEXT, 150, 2)
    assert (whole, len(start)) == (False, 2)
    assert start[0].startswith("word0 ")
    assert start[1].endswith(" …")
    end, _ = fit(text, TEXT, 150, 2, keep="end")
    assert end[0].startswith("… ")
    assert end[1].endswith(" word99")
    everything, whole = fit(text, TEXT, 150, 100)
    assert whole
    assert " ".join(everything) == text
    assert {word for line in (*start, *end) for word in line.split()} <= {*text.split(), "…"}


def test_fit_breaks_a_word_wider_than_a_line():
    lines, whole = fit("x" * 90, FontProperties(size=6.5), 100, 9)
    assert whole
    assert len(lines) > 2
    assert "".join(lines) == "x" * 90
