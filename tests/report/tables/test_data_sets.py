"""The table of the data and its variants."""

import csv
import json

import pytest

from examples import make_both
from r1k.config import Data, FileSource, Variant
from r1k.data.s1k import get_s1k
from r1k.data.variants import make_variant
from r1k.errors import RecordError
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import Example, Question, read_jsonl, write_jsonl
from r1k.report.tables.data_sets import make_data_sets_table


@pytest.fixture
def made(tmp_path):
    """Eight rows, of which one is graded wrong and one has no pair; two variants of the six problems."""
    forward, reverse = make_both(8)
    rows = [
        {
            "question": one.question,
            "deepseek_thinking_trajectory": one.reasoning,
            "deepseek_attempt": one.answer,
            "deepseek_grade": "No" if k == 3 else "Yes" if k > 4 else None,
            "source_type": "k",
        }
        for k, one in enumerate(forward)
    ]
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    s1k, r1k = tmp_path / "s1k.jsonl", tmp_path / "r1k.jsonl"
    data = Data(source=FileSource(kind="file", path=source, problems=7), filter_by_grade=True)
    get_s1k(data=data, output=s1k)
    names = [example.problem for example in read_jsonl(s1k, Example)]
    paired = [
        one.model_copy(update={"id": f"{name}-reverse", "problem": name})
        for name, one in zip(names, reverse, strict=False)
    ]
    write_jsonl(r1k, paired[1:])
    write_manifest(r1k, "invert", {"s1k": s1k}, Stopwatch(), skipped={names[0]: "refused"})
    questions = tmp_path / "b.jsonl"
    write_jsonl(questions, [Question(id="b", benchmark="b", question=forward[6].question, gold="1", kind="k")])
    variants = {
        "plain": Variant(format="normalised"),
        "clean": Variant(graded_correct=True, exclude_contaminated={"question": "copy"}),
    }
    for name, variant in variants.items():
        place = {"forward": tmp_path / name / "s1k.jsonl", "reverse": tmp_path / name / "r1k.jsonl"}
        make_variant(s1k=s1k, r1k=r1k, variant=variant, questions=[questions], **place)
    return {"s1k": s1k, "r1k": r1k, "variants": [tmp_path / name / "s1k.jsonl" for name in variants]}


def test_problems_are_counted_with_what_leaves_out_the_others(made, tmp_path):
    out = {"markdown": tmp_path / "t.md", "csv": tmp_path / "t.csv"}
    make_data_sets_table(**made, **out)
    table = [line for line in out["markdown"].read_text().splitlines() if line.startswith("|")][2:]
    rows = [[cell.strip().replace("\\", "") for cell in line.strip("| ").split(" | ")] for line in table]
    skipped = "teacher.on_truncation and on_refusal 1"
    assert rows == [
        ["all problems", "as_is", "6", "2", f"data.filter_by_grade 1, {skipped}"],
        ["plain", "normalised", "6", "0", "–"],
        # Three problems are graded correct, one of them is a copy.
        ["clean", "as_is", "2", "4", "graded_correct 3, exclude_contaminated 1"],
    ]
    found = list(csv.DictReader(out["csv"].read_text().splitlines()))
    assert [(row["data"], row["key"], row["left_out_by_key"]) for row in found] == [
        ("all problems", "data.filter_by_grade", "1"),
        ("all problems", "teacher.on_truncation and on_refusal", "1"),
        ("plain", "", "0"),
        ("clean", "graded_correct", "3"),
        ("clean", "exclude_contaminated", "1"),
    ]
    manifest = json.loads(out["markdown"].with_suffix(".manifest.json").read_text())
    assert len(manifest["inputs"]["variants"]) == 2


def test_data_without_variants_has_one_row(made, tmp_path):
    out = {"markdown": tmp_path / "t.md", "csv": tmp_path / "t.csv"}
    make_data_sets_table(s1k=made["s1k"], r1k=made["r1k"], **out)
    assert sum(line.startswith("|") for line in out["markdown"].read_text().splitlines()) == 3


def test_files_that_are_not_what_their_manifests_describe_are_named(made, tmp_path):
    out = {"markdown": tmp_path / "t.md", "csv": tmp_path / "t.csv"}
    clean = made["variants"][1]
    manifest = clean.with_suffix(".manifest.json")
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(content | {"facts": {"n": 2, "num_excluded": 4, "variant": {"format": "as_is"}}}))
    with pytest.raises(RecordError, match=r"clean/s1k\.jsonl: made by an earlier version"):
        make_data_sets_table(**made, **out)
    clean.write_text(clean.read_text() + "\n")
    with pytest.raises(RecordError, match=r"clean/s1k\.jsonl: not the file that s1k\.manifest\.json describes"):
        make_data_sets_table(**made, **out)
    manifest.unlink()
    with pytest.raises(RecordError, match=r"clean/s1k\.manifest\.json: no such file"):
        make_data_sets_table(**made, **out)
