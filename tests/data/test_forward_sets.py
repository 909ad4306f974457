"""Distilled reasoning sets of other people as forward sets, by the names of their columns."""

import json
import os
import subprocess
import sys

import pytest
from loopback_hub import COMMIT, loopback_hub
from pydantic import ValidationError
from test_benchmarks import CLIENT

from r1k.config import Data, ExampleFields, FileSource, HubSource
from r1k.data.s1k import get_s1k
from r1k.errors import RecordError
from r1k.records import Example, read_jsonl

COLUMNS = {"question": "problem", "reasoning": "thoughts", "answer": "reply"}
ROW = {"problem": "What is 2 + 2?", "thoughts": "two and two", "reply": "It is 4.", "name": "sum-1", "right": "No"}


def load(tmp_path, rows, fields, **more):
    path = tmp_path / "own set.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = FileSource(kind="file", path=path, problems=max(2, len(rows)), fields=ExampleFields(**fields))
    get_s1k(data=Data(source=source, **more), output=tmp_path / "s1k.jsonl")
    return read_jsonl(tmp_path / "s1k.jsonl", Example)


def test_columns_are_mapped_by_name(tmp_path):
    rows = [ROW, ROW | {"name": 7, "right": True, "gold": 4, "topic": "sums"}]
    first, second = load(tmp_path, rows, COLUMNS | {"id": "name", "grade": "right"})
    assert (first.id, first.problem, first.direction) == ("sum-1-forward", "sum-1", "forward")
    assert (first.question, first.reasoning, first.answer) == ("What is 2 + 2?", "two and two", "It is 4.")
    assert (first.gold, first.kind, first.grade) == (None, "own set", False)
    assert (second.problem, second.grade, second.gold) == ("7", True, None)


def test_optional_columns_are_read_where_they_are_named(tmp_path):
    rows = [ROW | {"gold": 4, "topic": "sums"}, ROW | {"gold": None, "topic": "products"}]
    first, second = load(tmp_path, rows, COLUMNS | {"gold": "gold", "kind": "topic"})
    assert [(e.problem, e.gold, e.kind, e.grade) for e in (first, second)] == [
        ("s1k-0000", "4", "sums", None),
        ("s1k-0001", None, "products", None),
    ]


def test_grades_filter(tmp_path):
    rows = [ROW | {"right": right} for right in (True, "yes", False, " NO ", "n/a", None)]
    path = tmp_path / "s.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = FileSource(kind="file", path=path, problems=4, fields=ExampleFields(**COLUMNS, grade="right"))
    get_s1k(data=Data(source=source, filter_by_grade=True), output=tmp_path / "s1k.jsonl")
    assert [e.grade for e in read_jsonl(tmp_path / "s1k.jsonl", Example)] == [True, True, None, None]


@pytest.mark.parametrize(
    ("row", "fields", "expected"),
    [
        # s1K-1.0 has one trajectory in a list; LIMO's `solution` holds the reasoning.
        (
            {"question": "q", "thinking_trajectories": ["t"], "attempt": "4", "cot_type": "math"},
            {"question": "question", "reasoning": "thinking_trajectories", "answer": "attempt"},
            ("q", "t", "4"),
        ),
        (
            {"question": "q", "solution": "So it is.\nBox it.", "answer": "204"},
            {"question": "question", "reasoning": "solution", "answer": "answer"},
            ("q", "So it is.\nBox it.", "204"),
        ),
        # One column of reasoning and answer: DeepSeek-R1's tags, with and without the opening one.
        (
            {"q": "q", "r": "<think>\nhm\n</think>\n\nIt is 4."},
            {"question": "q", "response": "r"},
            ("q", "hm", "It is 4."),
        ),
        ({"q": "q", "r": "hm\n</think>4"}, {"question": "q", "response": "r"}, ("q", "hm", "4")),
        ({"q": "q", "r": ["<think>hm</think>4"]}, {"question": "q", "response": "r"}, ("q", "hm", "4")),
        # Chats: OpenThoughts-114k, OpenThoughts3 and the `messages` of many others.
        (
            {
                "system": "s",
                "conversations": [
                    {"from": "user", "value": "q"},
                    {
                        "from": "assistant",
                        "value": "<|begin_of_thought|>\n\nhm\n\n<|end_of_thought|>\n\n<|begin_of_solution|>\n\n4\n\n"
                        "<|end_of_solution|>",
                    },
                ],
            },
            {"messages": "conversations"},
            ("q", "hm", "4"),
        ),
        (
            {"c": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "<think>hm</think>4"}]},
            {"messages": "c"},
            ("q", "hm", "4"),
        ),
        (
            {
                "m": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": "q"},
                    {"role": "assistant", "content": "<think>hm</think>4", "tool_calls": None},
                ]
            },
            {"messages": "m"},
            ("q", "hm", "4"),
        ),
    ],
)
def test_forms_of_known_sets(tmp_path, row, fields, expected):
    for example in load(tmp_path, [row, row], fields):
        assert (example.question, example.reasoning, example.answer) == expected


def chat(*turns):
    return {"m": [{"role": role, "content": content} for role, content in turns]}


THOUGHT = "<think>hm</think>4"


@pytest.mark.parametrize(
    ("row", "fields", "message"),
    [
        (
            {"problem": "q", "thought": "t", "reply": "4"},
            COLUMNS,
            r"'thoughts' is missing \(did you mean 'thought'\?\)",
        ),
        (ROW | {"thoughts": None}, COLUMNS, "'thoughts' is neither text nor a number"),
        (ROW | {"thoughts": []}, COLUMNS, "'thoughts' is a list of 0 texts"),
        (ROW | {"thoughts": ["a", "b"]}, COLUMNS, "'thoughts' is a list of 2 texts"),
        (ROW | {"thoughts": [None]}, COLUMNS, "'thoughts' is neither text nor a number"),
        (ROW | {"reply": ["4"]}, COLUMNS, "'reply' is neither text nor a number"),
        (
            ROW | {"reply": " "},
            COLUMNS,
            "'reply' is empty; correct the row, or remove it and correct the count in data.s",
        ),
        (ROW | {"problem": True}, COLUMNS, "'problem' is neither text nor a number"),
        (ROW, COLUMNS | {"gold": "solution"}, "'solution' is missing"),
        (ROW, COLUMNS | {"kind": "topic"}, "'topic' is missing"),
        (ROW, COLUMNS | {"grade": "wright"}, r"'wright' is missing \(did you mean 'right'\?\)"),
        ({"q": "q", "r": "It is 4."}, {"question": "q", "response": "r"}, "no reasoning in <think>"),
        ({"q": "q", "r": "<think>hm"}, {"question": "q", "response": "r"}, "1 <think> and 0 </think>"),
        ({"q": "q", "r": "<think>a</think>b</think>4"}, {"question": "q", "response": "r"}, "1 <think> and 2 </think>"),
        ({"q": "q", "r": "So: <think>a</think>4"}, {"question": "q", "response": "r"}, "1 <think> and 1 </think>"),
        ({"q": "q", "r": "a</think><think>4"}, {"question": "q", "response": "r"}, "1 <think> and 1 </think>"),
        ({"q": "q", "r": "<think>a</think> "}, {"question": "q", "response": "r"}, "an empty answer"),
        ({"q": "q", "r": "<think> </think>4"}, {"question": "q", "response": "r"}, "an empty reasoning"),
        ({"m": "q"}, {"messages": "m"}, "'m' is no list of turns"),
        ({"m": ["q"]}, {"messages": "m"}, "'m' is no list of turns"),
        (chat(), {"messages": "m"}, "'m' has turns of nobody"),
        (chat(("user", "q")), {"messages": "m"}, "'m' has turns of user;"),
        (chat(("assistant", THOUGHT), ("user", "q")), {"messages": "m"}, "'m' has turns of assistant, user;"),
        (
            chat(("user", "q"), ("assistant", THOUGHT), ("user", "q"), ("assistant", THOUGHT)),
            {"messages": "m"},
            "'m' has turns of user, assistant, user, assistant;",
        ),
        (chat(("user", [{"type": "text"}]), ("assistant", THOUGHT)), {"messages": "m"}, "'m.user' is neither text"),
        (chat(("user", "q"), ("assistant", "4")), {"messages": "m"}, "'m' has no reasoning in <think>"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(tmp_path, row, fields, message):
    with pytest.raises(RecordError, match=rf"own set\.jsonl:1: field .*{message}"):
        load(tmp_path, [row, row], fields)
    assert not (tmp_path / "s1k.jsonl").exists()


def test_an_id_that_occurs_twice_is_named_with_both_rows(tmp_path):
    with pytest.raises(RecordError, match=r"set\.jsonl:3: field 'name': 'sum-1' is already the id of .*set\.jsonl:1;"):
        load(tmp_path, [ROW, ROW | {"name": "b"}, ROW], COLUMNS | {"id": "name"})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "names no column"),
        ({"id": "name"}, "names no column"),
        ({"question": "q"}, "names question; name question, reasoning and answer, or"),
        ({"question": "q", "answer": "a"}, "names answer, question;"),
        (
            {"question": "q", "reasoning": "r", "answer": "a", "response": "x"},
            "names answer, question, reasoning, resp",
        ),
        ({"question": "q", "messages": "m"}, "names messages, question;"),
        ({"problem": "q"}, "Extra inputs"),
    ],
)
def test_columns_that_make_no_example_are_a_config_error(fields, message):
    with pytest.raises(ValidationError, match=message):
        ExampleFields(**fields)


@pytest.mark.parametrize(
    ("key", "more"),
    [
        ("filter_by_grade", {"filter_by_grade": True}),
        ("variants.right.graded_correct", {"variants": {"right": {"graded_correct": True}}}),
    ],
)
def test_grades_that_are_asked_for_must_be_named(key, more):
    source = {"kind": "file", "path": "x.jsonl", "problems": 2, "fields": COLUMNS}
    with pytest.raises(ValidationError, match=rf"{key}: source\.fields names no column of grades"):
        Data(source=source, **more)
    assert Data(source=source | {"fields": COLUMNS | {"grade": "right"}}, **more)
    assert Data(source={key: value for key, value in source.items() if key != "fields"}, **more)
    assert Data(source=source)


CARD = b"""---
configs:
- config_name: default
  data_files: [{split: train, path: chat.jsonl}]
- config_name: metadata
  data_files: [{split: train, path: flat.jsonl}]
---
"""


@pytest.mark.slow
def test_a_configuration_of_a_data_set_of_the_hub(tmp_path):
    flat = "".join(json.dumps(ROW | {"name": str(k)}) + "\n" for k in range(3))
    files = {"a/thoughts": {"README.md": CARD, "chat.jsonl": b'{"x": 1}\n', "flat.jsonl": flat.encode()}}
    found = HubSource(
        kind="hub", repo="a/thoughts", config="metadata", revision=COMMIT, problems=3, fields=ExampleFields(**COLUMNS)
    )
    sources = [found, *(found.model_copy(update=wrong) for wrong in ({"config": "none"}, {"split": "test"}))]
    client = CLIENT.replace("benchmarks import get_benchmark", "s1k import get_s1k").replace("Benchmark\n", "Data\n")
    client = client.replace('get_benchmark(name="gpqa", benchmark=Benchmark.', "get_s1k(data=Data.")
    with loopback_hub(files, gated={}) as endpoint:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
        environment |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "home")}
        arguments = [
            part
            for k, source in enumerate(sources)
            for part in (Data(source=source).model_dump_json(), str(tmp_path / f"{k}.jsonl"))
        ]
        done = subprocess.run(
            [sys.executable, "-c", client, *arguments], env=environment, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    assert "split train of config none: cannot be loaded (BuilderConfig 'none' not found" in done.stdout
    assert "split test of config metadata: cannot be loaded" in done.stdout
    examples = read_jsonl(tmp_path / "0.jsonl", Example)
    assert [(e.question, e.kind) for e in examples] == [("What is 2 + 2?", "a/thoughts")] * 3
