import csv

from r1k.records import VERDICTS, Check, write_jsonl
from r1k.report.tables.checks import make_checks_table


def checked(index: int, kind: str, **verdicts: bool | None) -> Check:
    return Check(problem=f"p{index}", kind=kind, reasons={}, **(dict.fromkeys(VERDICTS, True) | verdicts))


def test_the_table_counts_by_kind_and_verdict(tmp_path):
    checks = [
        checked(0, "rare|kind", reached=False),
        checked(1, "common"),
        checked(2, "common", consistent=None, distinct_question=False),
    ]
    write_jsonl(tmp_path / "checks.jsonl", checks)
    out = {"markdown": tmp_path / "t.md", "csv": tmp_path / "t.csv"}
    make_checks_table(checks=tmp_path / "checks.jsonl", **out)
    table = [line for line in out["markdown"].read_text().splitlines() if line.startswith("|")]
    rows = {cells[0]: cells[1:] for cells in ([c.strip() for c in line.strip("| ").split(" | ")] for line in table)}
    assert list(rows)[2:] == ["all", "common", "rare\\|kind"]
    assert rows["Kind"][4] == "Consistent"
    assert rows["all"] == ["3", "3/0/0", "3/0/0", "3/0/0", "2/0/1", "2/1/0", "2/1/0", "1"]
    assert rows["common"][0::7] == ["2", "1"]
    found = list(csv.DictReader(out["csv"].read_text().splitlines()))
    assert len(found) == 3 * 6 * 3
    numbers = {(row["kind"], row["verdict"], row["outcome"]): row["problems"] for row in found}
    assert numbers["rare|kind", "reached", "failed"] == "1"
    assert numbers["all", "consistent", "undecided"] == "1"
    assert out["markdown"].with_suffix(".manifest.json").is_file()
