import pytest

from r1k.report.document import Grid, Part, Sheet, percents, points, to_latex, to_markdown
from r1k.report.statistics.estimates import Estimate

GRID = Grid("Right", ("Run", "A_1 & B"), (("r|1", "< 5 %"),))
SHEET = Sheet("t-robust", "what is certain", (Part("All | some", (GRID,)),), ("50 %",))


def test_words_are_text_in_both_formats():
    markdown, latex = to_markdown(SHEET), to_latex(SHEET)
    assert "| r\\|1 | \\< 5 %" in markdown and "### All \\| some" in markdown
    assert r"r\textbar{}1 & \textless{} 5 \% \\" in latex and r"Run & A\_1 \& B \\" in latex
    assert latex.count(r"\begin{") == latex.count(r"\end{")


def test_a_part_without_heading_has_none():
    assert "###" not in to_markdown(Sheet("t", "x", (Part("", ()),), ()))


@pytest.mark.parametrize(
    ("estimate", "words"),
    [
        (Estimate(0.04, -0.003, 0.0825), "+4.0 [-0.3, +8.3]"),
        (Estimate(-0.0001, -0.2, -0.0004), "+0.0 [-20.0, +0.0]"),
        (Estimate(-0.5), "-50.0"),
    ],
)
def test_differences_have_signs_and_zero_is_not_negative(estimate, words):
    assert points(estimate) == words


def test_shares_have_no_signs():
    assert percents(Estimate(0.466, 0.4213, 0.51)) == "46.6% [42.1, 51.0]"
    assert percents(Estimate(0.466)) == "46.6%"
