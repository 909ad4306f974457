import csv

import pytest

from r1k.intervals import Interval
from r1k.report.document import (
    Cell,
    DataSymbol,
    Document,
    DocumentSection,
    Grid,
    number_cell,
    percent_cell,
    points_cell,
)
from r1k.report.numbers import csv_interval, csv_number, format_interval, percent
from r1k.report.writers import to_csv, to_latex, to_markdown, write_document

HEADER, ROW = ("Run", "A_1 & B"), ("r|1", "< 5 %")
DOCUMENT = Document(
    "t-paired-tests", "what is certain", (DocumentSection((Grid(HEADER, (ROW,), "Correct"),), "All | some"),), ("50 %",)
)


def page(*cells):
    """A document whose only row has these cells."""
    return Document("t", "x", (DocumentSection((Grid(tuple("abcdef"[: len(cells)]), (cells,)),)),), ())


def markdown_cells(*cells):
    return to_markdown(page(*cells)).splitlines()[-1].strip("| ").split(" | ")


def latex_cells(*cells):
    (line,) = (line for line in to_latex(page(*cells)).splitlines()[10:] if line.endswith(r"\\"))
    return line.removesuffix(r" \\").split(" & ")


def test_texts_are_escaped_in_both_formats():
    markdown, latex = to_markdown(DOCUMENT), to_latex(DOCUMENT)
    assert "| r\\|1 | \\< 5 %" in markdown and "### All \\| some" in markdown and "Correct:\n" in markdown
    assert r"r\textbar{}1 & \textless{} 5 \% \\" in latex and r"Run & A\_1 \& B \\" in latex
    assert latex.count(r"\begin{") == latex.count(r"\end{")


def test_headings_captions_and_notes_are_optional():
    text = to_markdown(page("only"))
    assert "###" not in text and ":\n" not in text.split("\n", 1)[1] and "\n- " not in text
    assert "minipage" not in to_latex(page("only"))


def test_a_cell_has_value_mark_and_interval():
    cell = Cell("20.0%", "↑", "[9.5, 37.3]", "bold")
    assert markdown_cells(cell) == ["**20.0%** ↑ [9.5, 37.3]"]
    assert latex_cells(cell) == [r"\textbf{20.0\%} $\uparrow$ {\scriptsize [9.5, 37.3]}"]


def test_several_cells_in_one_place_are_separated():
    cells = (Cell("supported", emphasis="bold"), Cell("a_b", "(n = 3)"), Cell("c", interval="[1, 2]"))
    assert markdown_cells(cells) == ["**supported**; a_b (n = 3); c [1, 2]"]


def test_data_sets_have_the_papers_symbols():
    label = Cell(("DPO on", DataSymbol("s1k"), "", "(7B)"))
    assert markdown_cells(label, Cell((DataSymbol(""),))) == ["DPO on D_s1k (7B)", "D"]
    assert latex_cells(label, Cell((DataSymbol(""),))) == [r"DPO on $\mathcal{D}_{s1k}$ (7B)", r"$\mathcal{D}$"]


def test_minus_signs_are_latex_and_the_page_is_ascii():
    text = to_latex(page(number_cell(Interval(-0.25, -0.5, 0.0), "+.2f")))
    assert r"$-$0.25 {\scriptsize [$-$0.50, +0.00]}" in text and text.isascii()


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (Interval(0.04, -0.003, 0.0825), "+4.0 [-0.3, +8.3]"),
        (Interval(-0.0001, -0.2, -0.0004), "+0.0 [-20.0, +0.0]"),
        (Interval(-0.5), "-50.0"),
    ],
)
def test_differences_have_signs_and_zero_is_not_negative(found, text):
    assert markdown_cells(points_cell(found)) == [text]


def test_shares_have_no_signs():
    assert markdown_cells(percent_cell(Interval(0.466, 0.4213, 0.51))) == ["46.6% [42.1, 51.0]"]
    assert markdown_cells(percent_cell(Interval(0.466))) == ["46.6%"]


def test_halves_round_up_and_decimals_can_be_chosen():
    assert [str(percent(share)) for share in (0.0825, 0.0005, 1)] == ["8.3", "0.1", "100.0"]
    assert [str(percent(share, 0)) for share in (0.005, 0.655)] == ["1", "66"]


def test_intervals_in_texts_and_csvs_are_left_out_if_unknown():
    assert format_interval(Interval(-0.32, -0.4, 0.5), ".1f") == "−0.3 [−0.4, 0.5]"
    assert format_interval(Interval(0.32), ".2f") == "0.32"
    assert csv_interval(Interval(1 / 3), "value", "low", "high") == {"value": 0.333333, "low": "", "high": ""}
    assert csv_interval(None, "change") == {"change": ""} and csv_number(None) == ""


def test_records_are_the_csv_under_their_first_columns(tmp_path):
    document = Document("t", "x", (), (), ({"b": 1}, {"a": 2, "c": "x,y"}), ("a",))
    assert list(csv.DictReader(to_csv(document).splitlines())) == [
        {"a": "", "b": "1", "c": ""},
        {"a": "2", "b": "", "c": "x,y"},
    ]
    files = write_document(document, markdown=tmp_path / "t.md", csv=tmp_path / "t.csv")
    assert set(files) == {"t.md", "t.csv"} == {path.name for path in tmp_path.iterdir()}
