import csv
from pathlib import Path

from r1k.records import Graded, write_jsonl
from r1k.report.tables.disagreements import list_disagreements


def graded(identity: str, rules: bool, judge: bool | None, said: str | None = "so", sample: int = 0) -> Graded:
    return Graded(
        id=identity,
        benchmark="b",
        sample=sample,
        direction=None,
        gold="|x|",
        extracted="y",
        correct=bool(judge),
        rule="judge",
        rules=rules,
        judge=judge,
        judge_rationale=said,
        last_number=None,
        last_number_correct=None,
        truncated=False,
    )


def made(root: Path, redistributable: list[str]) -> tuple[str, list[dict[str, str]]]:
    """The Markdown, and the rows of the CSV, of one run's verdicts on two benchmarks."""
    math, gpqa = (root / "evaluate" / "one" / "3" / name / "graded.jsonl" for name in ("math", "gpqa"))
    write_jsonl(
        math,
        [
            graded("both", True, True),
            graded("neither", False, False),
            graded("rules", True, False, "No. " * 200),
            graded("judge", False, True, "it | is\nVerdict: yes", sample=2),
            graded("silent", True, None, "[empty]"),
            graded("unasked", True, None, None),
        ],
    )
    write_jsonl(gpqa, [graded("secret", False, True, "The mitochondrion.")])
    out = {"markdown": root / "d.md", "csv": root / "d.csv"}
    list_disagreements(graded=[math, gpqa], redistributable=redistributable, **out)
    assert out["markdown"].with_suffix(".manifest.json").is_file()
    return out["markdown"].read_text(), list(csv.DictReader(out["csv"].read_text().splitlines(keepends=True)))


def cells(markdown: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("| ").split(" | ")] for line in markdown.splitlines() if line[:1] == "|"
    ]


def test_the_counts_are_those_of_the_answers_that_the_judge_was_asked_about(tmp_path):
    markdown, _ = made(tmp_path, ["math", "gpqa"])
    header, _, everything, math, gpqa = cells(markdown)[:5]
    assert header[3:] == [
        "Answers",
        "Judged",
        "Both right",
        "Both wrong",
        "Rules alone right",
        "Judge alone right",
        "No verdict",
    ]
    assert everything[-7:] == ["7", "6", "1", "1", "1", "2", "1"]
    assert math == ["one", "3", "math", "6", "5", "1", "1", "1", "1", "1"]
    assert gpqa == ["one", "3", "gpqa", "1", "1", "0", "0", "0", "1", "0"]


def test_what_they_differ_on_is_listed_with_the_judges_words(tmp_path):
    markdown, rows = made(tmp_path, ["math", "gpqa"])
    assert [(row["question"], row["rules"], row["judge"]) for row in rows] == [
        ("rules", "right", "wrong"),
        ("judge", "wrong", "right"),
        ("silent", "right", "no verdict"),
        ("secret", "wrong", "right"),
    ]
    assert (rows[1]["sample"], rows[1]["gold"], rows[1]["extracted"]) == ("2", "|x|", "y")
    assert rows[0]["judge_rationale"] == "No. " * 200
    listed = cells(markdown)[7:]
    assert listed[1][5:] == ["\\|x\\|", "y", "wrong", "right", "it \\| is Verdict: yes"]
    assert listed[0][-1].endswith("…") and len(listed[0][-1]) < 320


def test_what_must_not_be_published_is_withheld(tmp_path):
    markdown, rows = made(tmp_path, ["math"])
    assert rows[-1]["question"] == "secret"
    assert [rows[-1][name] for name in ("gold", "extracted", "judge_rationale")] == ["(not shown)"] * 3
    assert "mitochondrion" not in markdown
    assert "mitochondrion" in made(tmp_path, ["gpqa"])[0]


def test_where_nothing_differs_nothing_is_listed(tmp_path):
    path = tmp_path / "one" / "0" / "math" / "graded.jsonl"
    write_jsonl(path, [graded("both", True, True)])
    list_disagreements(graded=[path], redistributable=[], markdown=tmp_path / "d.md", csv=tmp_path / "d.csv")
    assert len((tmp_path / "d.csv").read_text().splitlines()) == 1
    assert len(cells((tmp_path / "d.md").read_text())) == 4


def test_a_long_list_is_cut_in_the_markdown_and_said_to_be(tmp_path):
    path = tmp_path / "one" / "0" / "math" / "graded.jsonl"
    write_jsonl(path, [graded(f"q{k}", True, False) for k in range(230)])
    list_disagreements(graded=[path], redistributable=["math"], markdown=tmp_path / "d.md", csv=tmp_path / "d.csv")
    assert len((tmp_path / "d.csv").read_text().splitlines()) == 231
    assert len(cells((tmp_path / "d.md").read_text())) == 4 + 202
    assert "The first 200 of 230 answers; the CSV has all." in (tmp_path / "d.md").read_text()


def test_an_answer_that_is_a_whole_text_is_shown_from_its_end(tmp_path):
    path = tmp_path / "one" / "0" / "math" / "graded.jsonl"
    text = "so " * 200 + "it is 12"
    unread = {"extracted": text, "rules": None, "rules_rule": "unparsed_gold"}
    write_jsonl(path, [graded("q", True, True).model_copy(update=unread)])
    list_disagreements(graded=[path], redistributable=["math"], markdown=tmp_path / "d.md", csv=tmp_path / "d.csv")
    markdown = (tmp_path / "d.md").read_text()
    row = cells(markdown)[-1]
    assert row[6].startswith("…") and row[6].endswith("it is 12") and len(row[6]) == 301
    assert row[7:9] == ["no verdict", "right"]
    assert cells(markdown)[2][-4:] == ["0", "0", "1", "0"], "the judge alone is right"
    assert text in (tmp_path / "d.csv").read_text()
