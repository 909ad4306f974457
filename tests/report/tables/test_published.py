from dataclasses import replace
from decimal import Decimal

import pytest

from r1k.report.tables import published
from r1k.report.tables.accuracy.page import accuracy_document
from r1k.report.tables.published import contradictions, published_table, published_value, resolution
from r1k.report.writers import to_latex, to_markdown

PRINTED_1 = """
D_s1k  | 7B  | 16.7%     | 77.0%     | 34.0%     | 42.6%
D_r1k  | 7B  | **20.0%** | **77.4%** | **42.4%** | **46.6%**
D_0.5k | 7B  | 13.3%     | 71.8%     | 35.8%     | 40.3%
D      | 7B  | 6.7%      | 56.0%     | 31.8%     | 31.5%
D_s1k  | 14B | 20.0%     | 83.2%     | 48.4%     | 50.6%
D_r1k  | 14B | **33.3%** | **86.0%** | **53.0%** | **57.4%**
D      | 14B | 30.0%     | 81.6%     | 49.1%     | 53.6%
"""
PRINTED_2 = """
D_s1k (7B) | 13.3% ↓ | 71.8% ↓ | 35.9% ↓ | 40.3% (↓ 2.3%)
D_r1k (7B) | 16.7% ↓ | 75.4% ↓ | 39.4% ↓ | 43.8% (↓ 2.8%)
D (7B)     | 16.7% ↑ | 64.2% ↑ | 34.8% ↑ | 38.6% (↑ 7.1%)
D (14B)    | 40.0% ↑ | 81.2% ↓ | 46.4% ↓ | 55.9% (↑ 2.3%)
"""


def grid(text):
    return [[word.strip() for word in line.strip("| ").split("|")] for line in text.strip().splitlines()]


def rendered(name):
    lines = [
        line for line in to_markdown(accuracy_document(published_table(name))).splitlines() if line.startswith("| D")
    ]
    return grid("\n".join(line for line in lines if not line.startswith("| Data")))


def test_published_numbers_print_the_published_table_1():
    assert rendered("table1") == grid(PRINTED_1)


def test_published_numbers_print_the_published_table_2_but_for_one_arrow():
    ours, printed = rendered("table2"), grid(PRINTED_2)
    different = [(i, k) for i, row in enumerate(printed) for k, word in enumerate(row) if ours[i][k] != word]
    assert different == [(0, 3)]
    assert (ours[0][3], printed[0][3]) == ("35.9% ↑", "35.9% ↓")
    arrows = [finding for finding in contradictions() if finding.kind == "arrow"]
    assert [finding.where for finding in arrows] == ["s1k 7B GPQA"]
    assert "34.0 to 35.9" in arrows[0].message
    assert not arrows[0].within_rounding


def test_published_tables_print_in_latex():
    first, second = (to_latex(accuracy_document(published_table(name))) for name in ("table1", "table2"))
    assert (
        r"$\mathcal{D}_{r1k}$ & 7B & \textbf{20.0\%} & \textbf{77.4\%} & \textbf{42.4\%} & \textbf{46.6\%} \\" in first
    )
    assert r"$\mathcal{D}_{0.5k}$ & 7B & 13.3\%" in first
    assert r"$\mathcal{D}$ (14B) & 40.0\% $\uparrow$ & 81.2\% $\downarrow$" in second
    assert r"55.9\% ($\uparrow$ 2.3\%) \\" in second


def test_all_that_does_not_agree_with_itself_is_reported():
    found = {(finding.table, finding.kind, finding.where): finding for finding in contradictions()}
    assert set(found) == {
        ("table2", "arrow", "s1k 7B GPQA"),
        ("table1", "average", "s1k 14B Average"),
        ("table2", "change", "s1k 7B Average"),
        ("text", "claim", "r1k over s1k"),
        ("table1", "unreachable", "s1k 7B GPQA"),
        ("table1", "unreachable", "mix 14B GPQA"),
        ("table1", "truncated", "half 7B GPQA"),
        ("table1", "truncated", "s1k 14B GPQA"),
        ("table2", "truncated", "mix 14B GPQA"),
    }
    assert "50.5" in found["table1", "average", "s1k 14B Average"].message
    assert "71 of 198" in found["table1", "truncated", "half 7B GPQA"].message
    hard = [finding.where for finding in found.values() if not finding.within_rounding]
    assert sorted(hard) == ["mix 14B GPQA", "s1k 7B GPQA", "s1k 7B GPQA"]


def test_a_changed_print_is_noticed(monkeypatch):
    changed = replace(published.TABLE_1[1], values=(Decimal("20.0"), Decimal("70.4"), Decimal("42.4")))
    monkeypatch.setattr(published, "TABLE_1", (published.TABLE_1[0], changed, *published.TABLE_1[2:]))
    found = {(finding.kind, finding.where) for finding in contradictions()}
    assert {("bold", "r1k 7B Math"), ("bold", "s1k 7B Math"), ("average", "r1k 7B Average")} <= found


def test_one_question_is_told_apart_from_several():
    assert [finding.where for finding in resolution()] == ["7B AIME"]
    assert "one question of 30" in resolution()[0].message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (("sft", "half", "7B", "GPQA"), "35.8"),
        (("dpo", "mix", "14B", "AIME"), "40.0"),
        (("dpo", "s1k", "7B", "Average"), "40.3"),
        (("sft", "half", "14B", "GPQA"), None),
        (("none", None, "7B", "AIME"), None),
        (("sft", "s1k", "7B", "LiveBench"), None),
    ],
)
def test_published_value(key, value):
    assert published_value(*key) == (None if value is None else Decimal(value))
