"""Field reports give what is wanted, where the reports are; the replay's own rules of matching."""

import json

import pytest
from replay import matches, read_rows, replay, report

from examples import SHARED

REPORTS = SHARED.parent / "field" / "reports-data.jsonl"


@pytest.mark.parametrize(
    ("want", "got", "right"),
    [
        ({"answer": "4", "defect": None}, {"answer": "4", "defect": None, "requests": 1}, True),
        ({"answer": "4", "defect": None}, {"answer": "4", "defect": "empty"}, False),
        ({"defect": None}, {"answer": "4"}, False),
        ({"any": [{"answer": "4"}, {"usable": False}]}, {"answer": "5", "usable": False}, True),
        ({"any": [{"answer": "4"}, {"usable": False}]}, {"answer": "5", "usable": True}, False),
        ({"error_says": "of 3"}, {"error": "line 2 of 3"}, True),
        ({"error_says": "of 4"}, {"error": "line 2 of 3"}, False),
        ({"defect_says": "cut"}, {"defect": "the answer was truncated"}, True),
        ({"share_below": 70}, {"share": 69}, True),
        ({"share_below": 70}, {"share": 70}, False),
        ({"pad": "int"}, {"pad": 3}, True),
        ({"pad": "int"}, {"pad": None}, False),
    ],
)
def test_what_is_wanted_is_compared_with_what_came_out(want, got, right):
    assert matches(want, got) is right


def test_an_area_without_a_handler_is_a_failing_case(capsys):
    row = {"area": "weather", "kind": "rain", "reported": "it rains", "input": {}, "want": {"error_type": "X"}}
    assert report([row]) == {"n": 1, "pass": {}, "fail": {"rain": 1}}
    assert "no handler for area 'weather'" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.skipif(not REPORTS.is_file(), reason=f"{REPORTS} is absent")
def test_every_field_report_gives_what_is_wanted():
    wrong = []
    for number, row in enumerate(read_rows(REPORTS), start=1):
        got = replay(row)
        if row["verdict"] != "unclear" and not matches(row["want"], got):
            wrong.append(f"{number}: {row['kind']}: {json.dumps({'want': row['want'], 'got': got})}")
    assert wrong == []
