"""The exported folder, opened by the libraries that its users have."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml
from faulty_teacher import KEY, Place
from huggingface_hub import DatasetCard
from markdown_it import MarkdownIt

from examples import lines
from r1k.config import Data, FileSource, HubSource, ReplayTeacher, Variant, WorldSource
from r1k.data.audit.audit import summarize_contamination
from r1k.data.audit.contamination import find_contamination
from r1k.data.audit.records import Audit
from r1k.data.s1k import get_s1k
from r1k.data.variants import make_variant
from r1k.errors import RecordError
from r1k.files import file_digest
from r1k.provenance import Stopwatch, write_manifest
from r1k.publish.card import DATA_FILE, ExportRow
from r1k.publish.export import export
from r1k.records import VERDICTS, Check, Example, Question, read_jsonl, write_jsonl
from r1k.teacher.inversion import invert
from r1k.teacher.templates import REVERSE_QUESTION, SOLVE

LOAD = """
import datasets, json, sys
found = datasets.load_dataset(sys.argv[1])
assert list(found) == ["train"]
types = {name: feature.dtype for name, feature in found["train"].features.items()}
json.dump({"features": types, "rows": found["train"].to_list()}, sys.stdout)
"""


def load(folder: Path, home: Path) -> dict:
    """Return what `datasets.load_dataset` loads in an offline process."""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(folder)], env=environment, capture_output=True, text=True, cwd=home
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_datasets_opens_the_folder(exported: Path, inverted: Place, tmp_path: Path):
    found = load(exported, tmp_path)
    texts = dict.fromkeys(ExportRow.model_fields, "string")
    assert found["features"] == texts | {"grade": "bool", "tokens": "int64"}
    forward, reverse = read_jsonl(inverted.s1k, Example), read_jsonl(inverted.output, Example)
    for row, one, other in zip(found["rows"], forward, reverse, strict=True):
        assert (row["problem"], row["kind"], row["gold"], row["grade"]) == (one.problem, one.kind, one.gold, one.grade)
        assert (row["question"], row["reasoning"], row["answer"]) == (one.question, one.reasoning, one.answer)
        reverse_row = (row["reverse_question"], row["reverse_reasoning"], row["reverse_answer"])
        assert reverse_row == (other.question, other.reasoning, other.answer)
        assert (row["teacher"], row["finish_reason"]) == ("riddles", "stop")
        assert row["tokens"] == other.teacher_metadata.tokens > 0


def test_the_card_states_licence_prompts_digests_and_sources(exported: Path, inverted: Place):
    page = DatasetCard.load(exported / "README.md")
    meta = page.data.to_dict()
    assert (meta["license"], meta["size_categories"], meta["source_datasets"]) == ("mit", ["n<1K"], ["original"])
    for prompt in (REVERSE_QUESTION, SOLVE):
        assert prompt.text in page.text and prompt.digest in page.text
    for path in (inverted.s1k, inverted.output, exported / DATA_FILE):
        assert file_digest(path) in page.text
    for name, field in ExportRow.model_fields.items():
        assert f"| `{name}` | {field.description} |" in page.text
    assert "written by the teacher riddles" in page.text
    assert "the world embedded in r1k" in page.text
    for kind, n in Counter(line["kind"] for line in lines(inverted.s1k)).items():
        assert f"| {kind} | {n} |" in page.text
    assert "When Inverse Data Outperforms" in page.text.partition("## Citation")[2]
    assert KEY not in page.content


def test_the_manifest_describes_the_files(exported: Path, inverted: Place):
    manifest = json.loads((exported / "manifest.json").read_text())
    assert manifest["facts"]["files"] == {name: file_digest(exported / name) for name in ("README.md", DATA_FILE)}
    assert manifest["inputs"]["r1k"]["sha256"] == file_digest(inverted.output)
    assert manifest["facts"]["n"] == 12


def test_exports_are_byte_identical(exported: Path, inverted: Place, tmp_path: Path):
    export(s1k=inverted.s1k, r1k=inverted.output, title="made", license="mit", output=tmp_path / "again")
    for name in ("README.md", DATA_FILE):
        assert (tmp_path / "again" / name).read_bytes() == (exported / name).read_bytes()


@pytest.fixture
def copied(inverted: Place, tmp_path: Path) -> Place:
    for path in inverted.s1k.parent.glob("*1k.*"):
        shutil.copy(path, tmp_path)
    return Place(tmp_path)


def sealed(path: Path) -> None:
    """Update the manifest to the file's digest."""
    manifest = path.with_suffix(".manifest.json")
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"sha256": file_digest(path)}))


def export_to(place: Place, **evidence) -> str:
    folder = place.s1k.parent / "out"
    export(s1k=place.s1k, r1k=place.output, title="made", license="mit", output=folder, **evidence)
    return (folder / "README.md").read_text()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"teacher_metadata": None}, "field 'teacher_metadata' is missing"),
        ("prompts", r"field 'teacher_metadata\.prompts': not the prompts of this version"),
    ],
)
def test_a_record_without_provenance_is_named(copied: Place, change, expected):
    records = read_jsonl(copied.output, Example)
    if change == "prompts":
        change = {"teacher_metadata": records[4].teacher_metadata.model_copy(update={"prompts": {"solve": "0123"}})}
    records[4] = records[4].model_copy(update=change)
    write_jsonl(copied.output, records)
    sealed(copied.output)
    with pytest.raises(RecordError, match=rf"r1k\.jsonl: record '{records[4].id}': {expected}"):
        export_to(copied)
    assert not (copied.s1k.parent / "out").exists()


def test_a_file_that_differs_from_its_manifest_is_named(copied: Place):
    export_to(copied)
    records = read_jsonl(copied.s1k, Example)
    write_jsonl(copied.s1k, [records[0].model_copy(update={"answer": "other"}), *records[1:]])
    with pytest.raises(RecordError, match=r"s1k\.jsonl: not the file that s1k\.manifest\.json describes"):
        export_to(copied)
    copied.s1k.with_suffix(".manifest.json").unlink()
    with pytest.raises(RecordError, match=r"s1k\.manifest\.json: no such file"):
        export_to(copied)


def test_a_data_set_of_the_hub_is_named_with_its_commit(copied: Place):
    manifest = copied.s1k.with_suffix(".manifest.json")
    whole = json.loads(manifest.read_text())
    source = HubSource(kind="hub", repo="simplescaling/s1K-1.1", revision="main", problems=12)
    whole["facts"] |= {"source": source.model_dump(mode="json"), "hub_commit": "c0ffee" * 6 + "c0ff"}
    manifest.write_text(json.dumps(whole))
    page = export_to(copied)
    assert yaml.safe_load(page.split("---\n")[1])["source_datasets"] == ["simplescaling/s1K-1.1"]
    assert f"data set simplescaling/s1K-1.1, split train, at commit `{'c0ffee' * 6}c0ff`" in page


@pytest.mark.parametrize(
    ("fields", "stated"),
    [
        (None, "columns `deepseek_thinking_trajectory` and `deepseek_attempt`, by DeepSeek-R1"),
        ({"question": "q", "reasoning": "own_r", "answer": "a"}, "the responses are those of its columns own_r, a."),
        ({"messages": "turns"}, "the responses are those of its columns turns."),
    ],
)
def test_the_columns_of_other_peoples_data_are_stated(copied: Place, fields, stated):
    manifest = copied.s1k.with_suffix(".manifest.json")
    whole = json.loads(manifest.read_text())
    source = HubSource(kind="hub", repo="a/b", config="flat", revision="main", problems=12, fields=fields)
    whole["facts"] |= {"source": source.model_dump(mode="json"), "hub_commit": "c0ffee" * 6 + "c0ff"}
    manifest.write_text(json.dumps(whole))
    page = export_to(copied)
    assert "data set a/b, configuration flat, split train" in page
    assert stated in page


@pytest.fixture
def evidence(copied: Place) -> dict:
    """Checks, an audit and two variants of the exported data: a copy of one forward question is in the benchmark."""
    folder = copied.s1k.parent
    forward, reverse = read_jsonl(copied.s1k, Example), read_jsonl(copied.output, Example)
    checks = [
        Check(
            problem=one.problem,
            kind=one.kind,
            reasons={},
            **dict.fromkeys(VERDICTS, True) | {"consistent": [True, False, None][k % 3]},
        )
        for k, one in enumerate(forward)
    ]
    write_jsonl(folder / "checks.jsonl", checks)
    write_manifest(folder / "checks.jsonl", "checks", {}, Stopwatch(), n=12)
    question = Question(id="b-0", benchmark="b", question=forward[5].question.upper(), gold="1", kind="k")
    write_jsonl(folder / "b.jsonl", [question])
    pairs = list(zip(forward, reverse, strict=True))
    found = find_contamination(pairs, {"b": [question]}, [])
    summary = {
        "base": "tiny",
        "problems": 12,
        "contamination": summarize_contamination(found, {"b": [question]}, 12),
        "formats": [],
        "separability": [],
    }
    (folder / "audit.json").write_text(Audit.model_validate(summary).model_dump_json())
    variants = {"clean": {"exclude_contaminated": {"question": "copy"}}, "whole": {"require": ["consistent"]}}
    for name, spec in variants.items():
        place = {"forward": folder / name / "s1k.jsonl", "reverse": folder / name / "r1k.jsonl"}
        files = {"checks": folder / "checks.jsonl", "questions": [folder / "b.jsonl"]}
        make_variant(s1k=copied.s1k, r1k=copied.output, variant=Variant(**spec), **files, **place)
    paths = [folder / name / "s1k.jsonl" for name in variants]
    return {"checks": folder / "checks.jsonl", "audit": folder / "audit.json", "variants": paths}


def test_the_card_reports_what_was_checked(copied: Place, evidence: dict):
    page = export_to(copied, **evidence)
    rows = {name: f"| `{name}` | {Check.model_fields[name].description} |" for name in VERDICTS}
    assert f"{rows['consistent']} 4 | 4 | 4 |" in page
    assert f"{rows['reached']} 12 | 0 | 0 |" in page
    assert "what they leave open stays undecided. 4 of 12 pass all checks. No example is left out" in page
    (line,) = (line for line in page.splitlines() if line.startswith("| b | forward questions |"))
    assert line.split(" | ")[4] == "1", "one copy"
    assert "| clean | as_is | 11 | 1 | exclude_contaminated 1 |" in page
    assert "| whole | as_is | 4 | 8 | require 8 |" in page
    manifest = json.loads((copied.s1k.parent / "out" / "manifest.json").read_text())
    assert {"checks", "audit", "variants"} <= set(manifest["inputs"])


def test_the_card_says_what_nobody_checked(copied: Place, evidence: dict):
    for page in (export_to(copied), export_to(copied, **evidence)):
        assert "Nobody has graded them, or checked that each reverse question has one answer.\n" in page


def test_the_card_names_the_judge(copied: Place, evidence: dict):
    write_manifest(evidence["checks"], "checks", {}, Stopwatch(), judge="a_judge")
    page = export_to(copied, **evidence)
    assert "the model a_judge decides the consistency that they leave open" in page


def test_a_card_without_checks_has_no_part_on_them(copied: Place):
    page = export_to(copied)
    assert "## Checks" not in page and "## Overlap" not in page and "## Variants" not in page


def test_checks_and_audits_of_other_data_are_named(copied: Place, evidence: dict):
    audit = json.loads(evidence["audit"].read_text())
    evidence["audit"].write_text(json.dumps(audit | {"problems": 11}))
    with pytest.raises(RecordError, match=r"audit\.json: an audit of 11 problems, and r1k has 12"):
        export_to(copied, **evidence)
    write_jsonl(evidence["checks"], read_jsonl(evidence["checks"], Check)[1:])
    with pytest.raises(RecordError, match=r"checks\.jsonl: verdicts on other problems than r1k's"):
        export_to(copied, **evidence)


@pytest.mark.parametrize(
    ("source", "license", "stated"),
    [
        (WorldSource(kind="world", problems=2), None, "mit"),
        (FileSource(kind="file", path="x.jsonl", problems=2), None, "unknown"),
        (FileSource(kind="file", path="x.jsonl", problems=2), "apache-2.0", "apache-2.0"),
    ],
)
def test_the_licence_comes_from_the_config(source, license, stated):
    data = Data(source=source, license=license)
    assert data.export_license == stated
    assert "license" not in data.model_dump(), "another licence must not rebuild the data"


def test_the_real_problems(tmp_path: Path, shared_data: Path):
    source, place = shared_data / "s1k_r1k_20.jsonl", Place(tmp_path)
    get_s1k(data=Data(source=FileSource(kind="file", path=source, problems=20)), output=place.s1k)
    invert(teacher=ReplayTeacher(kind="replay", path=source), **place.paths)
    page = export_to(place)
    rows = load(tmp_path / "out", tmp_path)["rows"]
    for row, recorded in zip(rows, lines(source), strict=True):
        assert row["question"] == recorded["question"]
        assert row["reverse_reasoning"] == recorded["reverse_thinking"].strip()
        assert row["grade"] is (recorded["deepseek_grade"] == "Yes")
    assert "the file s1k_r1k_20.jsonl" in page
    assert str(shared_data) not in page
    assert "<table>" in MarkdownIt("commonmark").enable("table").render(page)
