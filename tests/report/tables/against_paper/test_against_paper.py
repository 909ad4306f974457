import csv
import re
from dataclasses import replace
from decimal import Decimal

import pytest
from made_up import row, spec, write_counts

from r1k.errors import ConfigError
from r1k.evaluate.score import score
from r1k.intervals import Interval
from r1k.report.tables.against_paper.make import compare_with_paper
from r1k.report.tables.against_paper.results import MatchedCell, MatchedDifference
from r1k.report.tables.published import BENCHMARKS, TABLE_1, TABLE_2

SFT = [row(f"{r.model}-{r.data}", r.data, r.model) for r in TABLE_1]
DPO = [row(f"{r.model}-{r.data}-dpo", "pairs", r.model, "dpo", f"{r.model}-{r.data}", r.data) for r in TABLE_2]
PRINTED = {run.run: printed for run, printed in zip([*SFT, *DPO], [*TABLE_1, *TABLE_2], strict=True)}
SPECS = [spec(SFT, published=True), spec(DPO, name="table2", kind="dpo", published=True)]


@pytest.fixture
def against(tmp_path):
    """A function that compares runs with so many right answers with the paper, and returns Markdown and CSV rows."""

    def make(counts, specs=SPECS):
        scores = []
        for path in write_counts(tmp_path / "evaluate", counts, list(BENCHMARKS.values())):
            output = path.with_name("score.json")
            run, seed, benchmark = path.parts[-4:-1]
            score(run=run, seed=int(seed), benchmark=benchmark, graded=path, output=output)
            scores.append(output)
        compare_with_paper(tables=specs, scores=scores, markdown=tmp_path / "a.md", csv=tmp_path / "a.csv")
        return (tmp_path / "a.md").read_text(), list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))

    return make


def nearest_counts():
    return {
        run: [round(float(value) * n / 100) for value, n in zip(printed.values, BENCHMARKS.values(), strict=True)]
        for run, printed in PRINTED.items()
    }


def test_the_papers_own_counts_are_the_same_but_where_no_count_gives_the_print(against):
    _, rows = against(nearest_counts())
    cells = [line for line in rows if line["part"] == "cell"]
    assert len(cells) == 11 * 4
    other = {(line["row"], line["on"]) for line in cells if line["verdict"] != "same"}
    assert other == {
        ("s1k 7B", "GPQA"), ("half 7B", "GPQA"), ("s1k 14B", "GPQA"), ("mix 14B", "GPQA"), ("DPO on mix 14B", "GPQA"),
        # Averages of the exact shares round otherwise than those of the printed ones: r1k 14B's is 57.454, not 57.433.
        ("s1k 7B", "Average"), ("r1k 14B", "Average"), ("mix 14B", "Average"),
    }  # fmt: skip
    assert {line["verdict"] for line in cells} == {"same", "compatible"}


def test_grim_finds_the_cells_that_no_count_gives(against):
    text, rows = against(nearest_counts())
    none = {
        (line["row"], line["on"]) for line in rows if line["part"] == "print" and line["n"] and not line["counts"]
        and not line["cut_counts"]
    }  # fmt: skip
    assert none == {("table1 sft s1k 7B", "GPQA"), ("table1 sft mix 14B", "GPQA")}
    assert "34.0%: none" in text and "35.8%: 71, truncated" in text
    assert "s1k 7B GPQA: goes from 34.0 to 35.9 and is printed with an arrow down." in text
    (anew,) = [line for line in rows if line["row"] == "table1 sft s1k 14B" and line["on"] == "Average"]
    assert (anew["published"], float(anew["by_cells"])) == ("0.506", pytest.approx(0.5053, abs=1e-4))


def test_claims_have_the_printed_number_what_its_cells_give_and_ours(against):
    _, rows = against(nearest_counts())
    claims = {line["row"]: line for line in rows if line["part"] == "claim"}
    assert len(claims) == 3 + 4 * 4
    both = claims["r1k over s1k, both models"]
    assert (both["printed"], float(both["by_cells"])) == ("+5.4", pytest.approx(0.0547, abs=1e-4))
    assert claims["DPO on s1k 7B, GPQA"]["printed"] == "down" and float(claims["DPO on s1k 7B, GPQA"]["by_cells"]) > 0
    assert claims["r1k over s1k, 7B"]["verdict"] == "undecided", "though it is the paper's own numbers"


def test_runs_that_went_the_other_way_contradict(against):
    counts = nearest_counts() | {"7B-s1k": [25, 450, 150], "7B-mix": [20, 400, 100], "7B-mix-dpo": [2, 200, 40]}
    _, rows = against(counts)
    verdicts = {(line["row"], line["on"]): line["verdict"] for line in rows}
    assert verdicts["s1k 7B", "GPQA"] == "above" and verdicts["DPO on mix 7B", "Math"] == "below"
    assert verdicts["r1k over s1k, 7B", ""] == verdicts["DPO on mix 7B, Math", ""] == "contradicted"
    assert verdicts["DPO on mix 7B, Average", ""] == "contradicted"


def test_an_average_over_other_benchmarks_is_not_the_papers(against):
    two = spec(SFT, published=True, benchmarks={"aime": "AIME", "math": "Math"})
    _, rows = against(nearest_counts(), [two])
    assert {line["on"] for line in rows if line["part"] == "cell"} == {"AIME", "Math"}
    assert not [line for line in rows if line["part"] == "claim"]


def test_a_table_that_is_not_published_is_refused(against):
    with pytest.raises(ConfigError, match=r"tables\.table1\.published: not set"):
        against(nearest_counts(), [spec(SFT)])


@pytest.mark.parametrize(
    ("value", "gap", "verdict"),
    [
        (0.1671, (-0.1, 0.1), "same"),
        (0.2, (-0.1, 0.2), "compatible"),
        (0.4, (0.1, 0.3), "above"),
        (0.0, (-0.3, -0.1), "below"),
    ],
)
def test_verdicts_on_cells(value, gap, verdict):
    match = MatchedCell("r", "s1k 7B", "AIME", 30, Decimal("16.7"), Interval(value), Interval(0, *gap))
    assert match.verdict == verdict


def test_verdicts_on_claims():
    claim = MatchedDifference("DPO", "up", Decimal("-1.0"), Interval(-0.1, -0.2, -0.05))
    assert claim.verdict == "holds", "by the printed numbers, not by the printed arrow"
    assert replace(claim, ours=Interval(-0.1, -0.2, 0.05)).verdict == "undecided"
    assert replace(claim, ours=Interval(0.1, 0.05, 0.2)).verdict == "contradicted"


def test_the_page_is_well_formed(against):
    text, _ = against(nearest_counts())
    for grid in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in grid.splitlines()}) == 1
