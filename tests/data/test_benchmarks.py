"""Benchmarks from the world, from files, and from a hub."""

import json
import os
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from loopback_hub import COMMIT, loopback_hub

from r1k.config import Benchmark, FileQuestions, HubQuestions, QuestionFields, WorldQuestions
from r1k.data.benchmarks import get_benchmark
from r1k.errors import ConfigError, RecordError
from r1k.records import Question, read_jsonl

CHOICE = QuestionFields(
    question="Question", answer="Right", distractors=["Wrong 1", "Wrong 2", "Wrong 3"], subject="Field"
)


def file_benchmark(
    path: Path, n: int, fields: QuestionFields | None = None, answer_type="integer", seed=0
) -> Benchmark:
    source = FileQuestions(kind="file", path=path, n=n, fields=fields or QuestionFields())
    return Benchmark(title="T", answer_type=answer_type, source=source, shuffle_seed=seed)


def write(path: Path, rows: list) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def load(tmp_path: Path, benchmark: Benchmark, name="aime") -> list[Question]:
    get_benchmark(name=name, benchmark=benchmark, output=tmp_path / "out.jsonl")
    return read_jsonl(tmp_path / "out.jsonl", Question)


def choice_rows(n: int) -> list[dict[str, str]]:
    return [
        {"Question": f"Which is {k}?", "Right": f"{k}", "Field": "sums"}
        | {f"Wrong {j}": f"{k + 100 * j}" for j in (1, 2, 3)}
        for k in range(n)
    ]


def test_rows_of_a_file_become_questions(tmp_path):
    rows = [{"problem": " 1 + 1? ", "answer": 2, "level": 3}, {"problem": "{{x}}", "answer": "025"}]
    questions = load(tmp_path, file_benchmark(write(tmp_path / "f.jsonl", rows), 2))
    assert questions == [
        Question(id="aime-0000", benchmark="aime", question="1 + 1?", gold="2", kind="aime"),
        Question(id="aime-0001", benchmark="aime", question="{{x}}", gold="025", kind="aime"),
    ]
    manifest = json.loads((tmp_path / "out.manifest.json").read_text())
    assert manifest["facts"]["n"] == 2
    assert set(manifest["inputs"]) == {"source"}


@pytest.mark.parametrize(("name", "n", "answer_type"), [("aime24_30", 30, "integer"), ("math500_50", 50, "expression")])
def test_real_files(tmp_path, shared_data, name, n, answer_type):
    fields = QuestionFields(subject="subject")
    questions = load(tmp_path, file_benchmark(shared_data / f"{name}.jsonl", n, fields, answer_type))
    rows = [json.loads(line) for line in (shared_data / f"{name}.jsonl").read_text().splitlines()]
    assert [(q.question, q.gold, q.kind) for q in questions] == [
        (row["problem"].strip(), row["answer"], row["subject"]) for row in rows
    ]


@pytest.mark.parametrize("n", [29, 31])
def test_a_wrong_number_of_questions_is_an_error(tmp_path, n):
    path = write(tmp_path / "f.jsonl", [{"problem": "p", "answer": "1"}] * 30)
    with pytest.raises(RecordError, match=rf"f\.jsonl: 30 questions, but benchmarks\.aime\.source\.n is {n}"):
        load(tmp_path, file_benchmark(path, n))
    assert not (tmp_path / "out.jsonl").exists()


def test_shuffled_options_depend_only_on_seed_and_question(tmp_path):
    path = write(tmp_path / "f.jsonl", choice_rows(40))
    first = load(tmp_path, file_benchmark(path, 40, CHOICE, "choice"), "gpqa")
    assert first == load(tmp_path, file_benchmark(path, 40, CHOICE, "choice"), "gpqa")
    for k, question in enumerate(first):
        assert question.options["ABCD".index(question.gold)] == f"{k}"
        assert sorted(question.options, key=int) == [f"{k + 100 * j}" for j in range(4)]
        assert question.kind == "sums"
    places = Counter(question.gold for question in first)
    assert set(places) == set("ABCD")
    assert max(places.values()) < 20
    shorter = load(tmp_path, file_benchmark(write(tmp_path / "g.jsonl", choice_rows(10)), 10, CHOICE, "choice"), "gpqa")
    assert shorter == first[:10]
    assert [q.gold for q in load(tmp_path, file_benchmark(path, 40, CHOICE, "choice", seed=1), "gpqa")] != [
        q.gold for q in first
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('{"problem": "p", "answer": "1"', r"f\.jsonl:2: not a line of JSON"),
        ("[1]", r"f\.jsonl:2: not a JSON object"),
        ({"problem": "p"}, r"f\.jsonl:2: field 'answer' is missing"),
        ({"problem": "p", "answers": "1"}, r"f\.jsonl:2: field 'answer' is missing \(did you mean 'answers'\?\)"),
        ({"problem": " ", "answer": "1"}, r"f\.jsonl:2: field 'problem' is empty"),
        ({"problem": "p", "answer": ""}, r"f\.jsonl:2: field 'answer' is empty"),
        ({"problem": "p", "answer": None}, r"f\.jsonl:2: field 'answer' is neither text nor a number \(got None\)"),
        ({"problem": ["p"], "answer": "1"}, r"f\.jsonl:2: field 'problem' is neither text nor a number"),
        ({"problem": "p", "answer": True}, r"f\.jsonl:2: field 'answer' is neither text nor a number"),
    ],
)
def test_a_bad_row_is_named_by_file_line_and_field(tmp_path, row, message):
    path = write(tmp_path / "f.jsonl", [{"problem": "p", "answer": "1"}, row])
    with pytest.raises(RecordError, match=message):
        load(tmp_path, file_benchmark(path, 2))
    assert not (tmp_path / "out.jsonl").exists()


def test_a_wrong_option_that_equals_the_right_one_is_an_error(tmp_path):
    rows = choice_rows(2)
    rows[1]["Wrong 2"] = " " + rows[1]["Right"]
    path = write(tmp_path / "f.jsonl", rows)
    with pytest.raises(RecordError, match=r"f\.jsonl:2: a wrong option equals the right one; correct the row"):
        load(tmp_path, file_benchmark(path, 2, CHOICE, "choice"))


@pytest.mark.parametrize(("answer_type", "fields"), [("choice", None), ("integer", CHOICE)])
def test_columns_that_do_not_fit_the_answer_type_are_a_config_error(tmp_path, answer_type, fields):
    path = write(tmp_path / "f.jsonl", choice_rows(1))
    with pytest.raises(ConfigError, match=r"benchmarks\.aime\.source\.fields\.distractors"):
        load(tmp_path, file_benchmark(path, 1, fields, answer_type))


def test_a_missing_file_is_named_with_its_key(tmp_path):
    with pytest.raises(RecordError, match=r"none\.jsonl: no such file; correct benchmarks\.aime\.source\.path"):
        load(tmp_path, file_benchmark(tmp_path / "none.jsonl", 1))


@pytest.mark.parametrize("answer_type", ["integer", "expression", "choice"])
def test_the_world_asks_in_both_directions(tmp_path, answer_type):
    source = WorldQuestions(kind="world", per_direction=12, seed=5)
    questions = load(tmp_path, Benchmark(title="T", answer_type=answer_type, source=source), "gpqa")
    assert Counter(question.direction for question in questions) == {"forward": 12, "reverse": 12}
    assert {question.benchmark for question in questions} == {"gpqa"}
    assert all((question.options is not None) == (answer_type == "choice") for question in questions)


CARD = b"""---
configs:
- config_name: diamond
  data_files: [{split: train, path: diamond.jsonl}]
- config_name: main
  data_files: [{split: train, path: main.jsonl}]
---
"""
CLIENT = """
import sys
from pathlib import Path
from r1k.config import Benchmark
from r1k.data.benchmarks import get_benchmark
from r1k.errors import R1kError
for source, output in zip(sys.argv[1::2], sys.argv[2::2]):
    try:
        get_benchmark(name="gpqa", benchmark=Benchmark.model_validate_json(source), output=Path(output))
    except R1kError as error:
        print(f"{output}: {error}")
"""


def fetch(endpoint: str, home: Path, *wanted: tuple[Benchmark, Path], token: str | None = None) -> str:
    """Return the errors of the real client in a subprocess, because it reads its endpoint only once."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    environment |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_TOKEN": token or ""}
    arguments = [part for benchmark, path in wanted for part in (benchmark.model_dump_json(), str(path))]
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def hub_benchmark(repo: str, revision: str = COMMIT, n: int = 6) -> Benchmark:
    source = HubQuestions(kind="hub", repo=repo, config="diamond", revision=revision, split="train", fields=CHOICE, n=n)
    return Benchmark(title="GPQA", answer_type="choice", source=source)


@pytest.mark.slow
def test_a_data_set_of_the_hub(tmp_path):
    """A gated repository without and with a token, at `main` and at a commit; a missing one; a wrong size."""
    rows = {"diamond.jsonl": choice_rows(6), "main.jsonl": choice_rows(9)}
    content = {name: "".join(json.dumps(row) + "\n" for row in found).encode() for name, found in rows.items()}
    files = {"a/gpqa": {"README.md": CARD, **content}}
    with loopback_hub(files, gated={"a/gpqa": "s3cret"}) as endpoint:
        refused = fetch(endpoint, tmp_path / "home", (hub_benchmark("a/gpqa"), tmp_path / "refused.jsonl"))
        problems = fetch(
            endpoint,
            tmp_path / "home",
            (hub_benchmark("a/gpqa"), tmp_path / "commit.jsonl"),
            (hub_benchmark("a/gpqa", "main"), tmp_path / "main.jsonl"),
            (hub_benchmark("a/none"), tmp_path / "none.jsonl"),
            (hub_benchmark("a/gpqa", n=9), tmp_path / "nine.jsonl"),
            token="s3cret",
        )
    assert "gated" in refused
    assert "HF_TOKEN" in refused
    none, nine = problems.splitlines()[0], problems.splitlines()[-1]
    assert "none.jsonl: dataset a/none" in none
    assert "not found" in none
    assert "a/gpqa: 6 questions, but benchmarks.gpqa.source.n is 9" in nine
    local = load(tmp_path, file_benchmark(write(tmp_path / "f.jsonl", choice_rows(6)), 6, CHOICE, "choice"), "gpqa")
    for name in ("commit", "main"):
        assert read_jsonl(tmp_path / f"{name}.jsonl", Question) == local
        manifest = (tmp_path / f"{name}.manifest.json").read_text()
        assert json.loads(manifest)["facts"]["hub_commit"] == COMMIT
        assert "s3cret" not in manifest
    assert {path.name for path in tmp_path.glob("*.jsonl")} == {"commit.jsonl", "main.jsonl", "f.jsonl", "out.jsonl"}


def test_a_missing_network_is_reported(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
    message = fetch(endpoint, tmp_path / "home", (hub_benchmark("a/gpqa"), tmp_path / "out.jsonl"))
    assert "dataset a/gpqa" in message
    assert "cannot be fetched" in message
    assert "on a machine with network access" in message
