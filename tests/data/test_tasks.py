"""Benchmarks from lm-eval tasks: a custom task file, loaded by the real task manager."""

import json
from pathlib import Path

import pytest

from r1k.config import Benchmark, validate
from r1k.data.benchmarks import get_benchmark
from r1k.errors import ConfigError, RecordError
from r1k.records import Question, read_jsonl


@pytest.fixture
def tasks(tmp_path) -> Path:
    folder = tmp_path / "tasks"
    folder.mkdir()
    (folder / "sums.jsonl").write_text("".join(json.dumps({"a": a, "b": 2}) + "\n" for a in range(1, 4)))
    task = {
        "task": "sums",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(folder / "sums.jsonl")}},
        "test_split": "test",
        "output_type": "generate_until",
        "description": "Add.\n",
        "doc_to_text": "{{a}} + {{b}} =",
        "doc_to_target": "{{a + b}}",
        "generation_kwargs": {"until": ["\n"]},
    }
    (folder / "sums.yaml").write_text(json.dumps(task))
    choice = {"task": "choose", "output_type": "multiple_choice", "doc_to_choice": ["1", "2"], "doc_to_target": 0}
    (folder / "choose.yaml").write_text(json.dumps(task | choice | {"generation_kwargs": None}))
    return folder


def make(folder: Path, output: Path, answer_type: str = "integer", **changes) -> Path:
    source = {"kind": "lm_eval", "task": "sums", "folder": str(folder), "n": 3} | changes
    benchmark = validate(Benchmark, {"title": "Sums", "answer_type": answer_type, "source": source})
    get_benchmark(name="sums", benchmark=benchmark, output=output)
    return output


def test_a_tasks_prompts_and_targets_are_questions(tasks, tmp_path):
    found = read_jsonl(make(tasks, tmp_path / "sums.jsonl"), Question)
    assert [(q.id, q.question, q.gold) for q in found] == [
        ("sums-0000", "Add.\n1 + 2 =", "3"),
        ("sums-0001", "Add.\n2 + 2 =", "4"),
        ("sums-0002", "Add.\n3 + 2 =", "5"),
    ]
    manifest = json.loads((tmp_path / "sums.manifest.json").read_text())
    assert manifest["facts"]["source"]["task"] == "sums"


def test_a_wrong_number_of_questions_is_named(tasks, tmp_path):
    with pytest.raises(RecordError, match=r"task sums: 3 questions, but benchmarks\.sums\.source\.n is 4"):
        make(tasks, tmp_path / "sums.jsonl", n=4)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"task": "sum"}, r"source\.task: no task 'sum' in .*\(did you mean 'sums'\?\)"),
        ({"task": "choose"}, r"source\.task: 'choose' scores log-likelihoods"),
        ({"folder": "nowhere"}, r"source\.folder: no directory nowhere"),
        ({"answer_type": "choice"}, r"answer_type: an lm-eval task cannot be a choice"),
    ],
)
def test_a_task_that_does_not_fit_is_named(tasks, tmp_path, overrides, message):
    with pytest.raises(ConfigError, match=message):
        make(
            tasks if "folder" not in overrides else Path(overrides.pop("folder")), tmp_path / "sums.jsonl", **overrides
        )
