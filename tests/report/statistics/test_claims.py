import csv

import pytest
from made_tracked import write_tracked

from r1k.config import DynamicsSpec
from r1k.intervals import Interval
from r1k.report.statistics.changes import Measured
from r1k.report.statistics.claim_tests import ClaimPart, ClaimResult
from r1k.report.statistics.claims import claims
from r1k.report.tables.claims import make_claims

IRRELEVANT = ("other_problem_chosen", "other_problem_rejected", "shuffled_sentences", "shuffled_tokens")


def as_the_paper_says(run: str, direction: str, kind: str) -> float:
    """Changes that would make every claim true."""
    arm = run.split("-")[1]
    if run.endswith("dpo"):
        return {"chosen": 0.05, "rejected": -0.3}.get(kind, 0.2)
    if kind not in ("chosen", "rejected"):
        return 0.0
    if arm == "mixed":
        return {"chosen": 0.6, "rejected": 0.55}[kind]
    inside = arm == direction
    if kind == "chosen":
        return 0.8 if inside else {"reverse": 0.6, "forward": 0.4}[arm]
    return 0.3 if inside else {"reverse": 0.1, "forward": 0.2}[arm]


def opposite(run: str, direction: str, kind: str) -> float:
    return -as_the_paper_says(run, direction, kind)


def verdicts(folder, spec, change, problems=8, split="held_out") -> dict[str, str]:
    measured = Measured(spec, write_tracked(folder, spec, problems, change))
    return {claim.key: claim.verdict for claim in claims(measured, split)}


def part(low: float, high: float, claimed: str = "above 0") -> ClaimPart:
    return ClaimPart("x", claimed, Interval((low + high) / 2, low, high), 5)


@pytest.mark.parametrize(
    ("low", "high", "claimed", "verdict"),
    [
        (0.1, 0.2, "above 0", "supported"),
        (0.1, 0.2, "below 0", "not supported"),
        (-0.2, -0.1, "above 0", "not supported"),
        (-0.2, -0.1, "below 0", "supported"),
        (-0.1, 0.1, "above 0", "undecided"),
        (0.0, 0.0, "below 0", "undecided"),
        (float("nan"), float("nan"), "above 0", "undecided"),
    ],
)
def test_a_verdict_is_where_the_whole_interval_is(low, high, claimed, verdict):
    assert part(low, high, claimed).verdict == verdict


def test_a_claim_needs_all_of_its_parts():
    good, bad, open_ = part(0.1, 0.2), part(-0.2, -0.1), part(-0.1, 0.1)
    for parts, verdict in (((good, good), "supported"), ((good, open_), "undecided"), ((open_, bad), "not supported")):
        assert ClaimResult("k", "w", "t", "train", parts).verdict == verdict


def test_numbers_as_the_paper_says_support_every_claim(tmp_path, dynamics):
    found = verdicts(tmp_path, dynamics, as_the_paper_says)
    assert len(found) == 2 + 3 + 4 + 2 + 3 * 5
    supported = {key for key, verdict in found.items() if verdict == "supported"}
    # The made-up argmax gains wherever y- loses.
    assert supported == set(found)


def test_opposite_numbers_support_none(tmp_path, dynamics):
    found = verdicts(tmp_path, dynamics, opposite)
    assert "supported" not in found.values()


def test_one_problem_decides_nothing(tmp_path, dynamics):
    assert set(verdicts(tmp_path, dynamics, as_the_paper_says, problems=1).values()) == {"undecided"}


@pytest.mark.parametrize("gained", IRRELEVANT)
def test_y_minus_that_falls_is_not_enough_for_irrelevant_outputs_to_have_gained(tmp_path, dynamics, gained):
    def falls(run: str, direction: str, kind: str) -> float:
        return {"rejected": -0.3, gained: 0.4}.get(kind, -0.1) if run.endswith("dpo") else 0.3

    found = verdicts(tmp_path, dynamics, falls)
    assert found["dpo-suppresses"] == "supported"
    where, elsewhere = ("problems", "disorder") if "problem" in gained else ("disorder", "problems")
    assert found[f"to-{where}-mixed"] == "supported"
    assert found[f"to-{elsewhere}-mixed"] == "not supported"


def test_claims_about_runs_that_are_not_there_are_left_out(tmp_path, dynamics):
    alone = DynamicsSpec(arms={"reverse": dynamics.arms["reverse"]}, seeds=[0], epochs=dynamics.epochs)
    assert set(verdicts(tmp_path, alone, as_the_paper_says)) == {
        "together-reverse",
        "to-problems-reverse",
        "to-disorder-reverse",
        "to-answers-reverse",
        "to-rewordings-reverse",
        "to-argmax-reverse",
    }


@pytest.mark.slow
def test_the_table_has_a_sentence_a_claim_and_the_csv_a_row_a_part(tmp_path, dynamics):
    markdown, table = tmp_path / "claims.md", tmp_path / "claims.csv"
    tracked = write_tracked(tmp_path, dynamics, 8, as_the_paper_says)
    make_claims(dynamics=dynamics, tracked=tracked, markdown=markdown, csv=table)
    measured = Measured(dynamics, tracked)
    text = markdown.read_text()
    rows = list(csv.DictReader(table.read_text().splitlines()))
    for split in ("held_out", "train"):
        found = claims(measured, split)
        assert all(text.count(f"| {claim.text} ") == 1 for claim in found)
        here = [row for row in rows if row["split"] == split]
        assert [(row["claim"], row["part"]) for row in here] == [(c.key, p.what) for c in found for p in c.parts]
    assert "(n = 8)" in text and "**supported**" in text
