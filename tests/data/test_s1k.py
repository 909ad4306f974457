import json

import pytest

from examples import lines
from r1k.config import Data, FileSource
from r1k.data.s1k import get_s1k
from r1k.errors import RecordError
from r1k.records import Example, read_jsonl


def row(k: int, **changes: object) -> dict:
    return {
        "question": f"What is {k} + {k}?",
        "solution": str(2 * k),
        "source_type": "made/up",
        "metadata": "{}",
        "deepseek_thinking_trajectory": f"Twice {k}.",
        "deepseek_attempt": f"It is {2 * k}.",
        "deepseek_grade": "Yes" if k % 2 else "No",
    } | changes


def data(path, problems, **more) -> Data:
    return Data(source=FileSource(kind="file", path=path, problems=problems), **more)


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_file_in_s1ks_schema_becomes_examples(tmp_path):
    source = write(tmp_path / "in.jsonl", [row(1), row(2)])
    get_s1k(data=data(source, 2), output=tmp_path / "s1k.jsonl")
    first, second = read_jsonl(tmp_path / "s1k.jsonl", Example)
    assert (first.id, first.problem, first.direction) == ("s1k-0000-forward", "s1k-0000", "forward")
    assert (first.question, first.reasoning, first.answer) == ("What is 1 + 1?", "Twice 1.", "It is 2.")
    assert (first.gold, first.kind, first.grade, second.grade) == ("2", "made/up", True, False)


def test_the_grade_filter_excludes_wrong_answers(tmp_path):
    source = write(tmp_path / "in.jsonl", [row(k) for k in range(1, 7)])
    get_s1k(data=data(source, 3, filter_by_grade=True), output=tmp_path / "s1k.jsonl")
    assert [example.gold for example in read_jsonl(tmp_path / "s1k.jsonl", Example)] == ["2", "6", "10"]
    assert json.loads((tmp_path / "s1k.manifest.json").read_text())["facts"]["excluded_by_grade"] == 3


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (row(2, deepseek_thinking_trajectory=" "), r"in\.jsonl:2: field 'deepseek_thinking_trajectory' is empty"),
        ({k: v for k, v in row(2).items() if k != "question"}, r"in\.jsonl:2: field 'question' is missing"),
    ],
)
def test_a_bad_row_is_named(tmp_path, bad, message):
    source = write(tmp_path / "in.jsonl", [row(1), bad])
    with pytest.raises(RecordError, match=message):
        get_s1k(data=data(source, 2), output=tmp_path / "s1k.jsonl")
    assert not (tmp_path / "s1k.jsonl").exists()


def test_a_wrong_number_of_problems_is_an_error(tmp_path):
    source = write(tmp_path / "in.jsonl", [row(1), row(2)])
    with pytest.raises(RecordError, match=r"in\.jsonl: 2 problems, but data\.source\.problems is 3"):
        get_s1k(data=data(source, 3), output=tmp_path / "s1k.jsonl")


def test_an_invalid_line_and_a_missing_file_are_named(tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_text(json.dumps(row(1)) + "\n{half\n")
    with pytest.raises(RecordError, match=r"in\.jsonl:2: not a line of JSON"):
        get_s1k(data=data(source, 2), output=tmp_path / "s1k.jsonl")
    with pytest.raises(RecordError, match="no such file"):
        get_s1k(data=data(tmp_path / "none.jsonl", 2), output=tmp_path / "s1k.jsonl")


def test_the_real_rows_are_read_unchanged(tmp_path, shared_data):
    source = shared_data / "s1k_r1k_20.jsonl"
    get_s1k(data=data(source, 20), output=tmp_path / "s1k.jsonl")
    for example, original in zip(read_jsonl(tmp_path / "s1k.jsonl", Example), lines(source), strict=True):
        assert example.question == original["question"]
        assert example.reasoning == original["deepseek_thinking_trajectory"]
        assert example.answer == original["deepseek_attempt"]
        assert example.grade is (original["deepseek_grade"] == "Yes")
