import csv

import pytest
from made_tracked import write_tracked

from r1k.config import DynamicsRow, DynamicsTableSpec
from r1k.errors import RecordError
from r1k.records import Tracked, read_jsonl, write_jsonl
from r1k.report.tables.dynamics import dynamics_document, dynamics_entries, make_dynamics_table

RUNS = ("probe-mixed", "probe-mixed-dpo", "probe-forward")
SPEC = DynamicsTableSpec(
    name="table4",
    rows=[DynamicsRow(run=run, recipe=f"how {run} was made") for run in RUNS],
    reference="probe-mixed",
    seeds=[0],
)


def change(run: str, direction: str, kind: str) -> float:
    """DPO gives up some of y+ to give up more of y-; SFT on forward data helps forward responses alone."""
    if run == "probe-mixed-dpo":
        return {"chosen": -0.1, "rejected": -0.4}.get(kind, 0.0)
    if run == "probe-forward":
        return 0.2 if (direction == "forward") == (kind == "chosen") else 0.0
    return 0.0


@pytest.fixture
def tracked(tmp_path, dynamics):
    return write_tracked(tmp_path / "tracked", dynamics, 8, change)


def found(tracked, spec=SPEC):
    return {(e.run, e.split, e.test, e.quantity): e for e in dynamics_entries(spec, tracked)}


def test_margin_displacement_and_what_is_off_both_are_those_of_the_last_step(tracked):
    known = found(tracked)
    margin = known["probe-mixed-dpo", "held_out", "mixed", "margin"]
    assert margin.level.value == pytest.approx(0.3) and margin.against.value == pytest.approx(0.3)
    alp = known["probe-mixed-dpo", "held_out", "mixed", "alp"]
    assert alp.against.value == pytest.approx(-0.1, abs=0.02) and alp.against.high < 0
    # p is made 0.2 and a twentieth of the change: y+ at 0.195, y- at 0.18.
    off = known["probe-mixed-dpo", "held_out", "mixed", "off_both"]
    assert off.level.value == pytest.approx(1 - (0.195 + 0.18) / 2, abs=0.002) and off.n == 8


def test_a_direction_is_told_apart_from_both(tracked):
    known = found(tracked)
    margins = {t: known["probe-forward", "held_out", t, "margin"].level.value for t in ("forward", "reverse", "mixed")}
    assert margins == pytest.approx({"forward": 0.2, "reverse": -0.2, "mixed": 0.0})


def test_the_reference_is_compared_with_nothing(tracked):
    assert {e.run for e in dynamics_entries(SPEC, tracked) if e.against is None} == {"probe-mixed"}


@pytest.mark.slow
def test_runs_of_other_problems_are_compared_on_those_that_both_have(tracked):
    path = next(path for path in tracked if path.name == "probe-forward-0.jsonl")
    kept = [record for record in read_jsonl(path, Tracked) if record.problem not in ("p3", "p4")]
    write_jsonl(path, [r.model_copy(update={"problem": r.problem.replace("p7", "p9")}) for r in kept])
    entry = found(tracked)["probe-forward", "train", "forward", "margin"]
    assert (entry.n, entry.shared) == (6, 5) and entry.against.value == pytest.approx(0.2)
    document = dynamics_document(SPEC, dynamics_entries(SPEC, tracked))
    assert any("6 (5 shared)" in row for section in document.sections for row in section.grids[0].rows)


def test_runs_without_a_problem_in_common_are_not_compared(tracked):
    path = next(path for path in tracked if path.name == "probe-forward-0.jsonl")
    moved = [r.model_copy(update={"problem": f"other {r.problem}"}) for r in read_jsonl(path, Tracked)]
    write_jsonl(path, moved)
    entry = found(tracked)["probe-forward", "train", "forward", "margin"]
    assert entry.against is None and entry.n == 8


def test_a_run_that_was_not_tracked_is_named(tracked):
    with pytest.raises(RecordError, match="no tracked responses of run 'probe-mixed-dpo', seed 0"):
        dynamics_entries(SPEC, [path for path in tracked if path.name != "probe-mixed-dpo-0.jsonl"])


@pytest.mark.slow
def test_the_files_hold_every_row_with_its_interval(tracked, tmp_path):
    paths = {name: tmp_path / f"table4.{name}" for name in ("markdown", "csv", "latex")}
    make_dynamics_table(table=SPEC, tracked=tracked, **paths)
    text = paths["markdown"].read_text(encoding="utf-8")
    assert text.count("| probe-mixed-dpo | how probe-mixed-dpo was made |") == 6
    assert "minus probe-mixed" in text and "shared)" not in text and "not over training runs" in text
    assert "probe-mixed-dpo & how probe-mixed-dpo was made" in paths["latex"].read_text(encoding="utf-8")
    rows = list(csv.DictReader(paths["csv"].read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 3 * 2 * 3 * 3
    row = next(
        r for r in rows if (r["run"], r["split"], r["prompts"], r["quantity"]) == (RUNS[1], "train", "mixed", "margin")
    )
    assert float(row["difference_low"]) <= float(row["difference_value"]) == pytest.approx(0.3, abs=1e-6)
    assert row["against"] == "probe-mixed" and row["n"] == "8"
