from pathlib import Path

import pytest
from figure_checks import assert_words_stay_apart_and_inside, made_twice
from matplotlib.image import imread
from matplotlib.text import Text

from r1k.report.figures.stages import STAGES, draw, draw_stages
from r1k.report.figures.style import style

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def drawn():
    with style():
        figure = draw()
        figure.draw_without_rendering()
    return figure


def test_no_words_overlap_or_leave_the_picture(drawn):
    assert_words_stay_apart_and_inside(drawn)


def test_words_are_at_least_ten_pixels_high_where_the_picture_is_900_wide(drawn):
    pixels_per_point = 900 / drawn.get_figwidth() / 72
    assert min(text.get_fontsize() for text in drawn.findobj(Text) if text.get_text()) * pixels_per_point >= 10


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.verb)
def test_the_rules_of_a_stage_exist_and_write_its_artefacts(stage):
    rules = "".join(path.read_text() for path in (ROOT / "workflow" / "rules").glob("*.smk"))
    assert (ROOT / "workflow" / "rules" / stage.rules).is_file()
    made_by_wildcard = ("mix.jsonl", "half.jsonl", "pairs.jsonl", "table1.md", "table2.md")
    for artefact in stage.artefacts:
        assert artefact in made_by_wildcard or artefact.partition("*")[0].rstrip("/") in rules


def test_the_files_are_the_same_each_time(tmp_path):
    outputs = {name: tmp_path / f"stages.{name}" for name in ("png", "pdf")}
    made_twice(lambda: draw_stages(**outputs), outputs)


def test_the_picture_in_the_readme_is_up_to_date(tmp_path):
    draw_stages(png=tmp_path / "stages.png")
    kept = ROOT / "workflow" / "report" / "images" / "stages.png"
    now, before = imread(tmp_path / "stages.png"), imread(kept)
    assert now.shape == before.shape and abs(now - before).mean() < 0.005, f"run `r1k draw-stages --png {kept}`"
