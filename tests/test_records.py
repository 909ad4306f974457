"""Reading and writing of JSONL records, with errors that name file, line and field."""

import pytest

from examples import make_both
from r1k.errors import RecordError
from r1k.records import Example, Sample, by_problem, read_jsonl, write_jsonl


def test_records_survive_a_round_trip(tmp_path):
    forward, _ = make_both(3)
    path = tmp_path / "s1k.jsonl"
    write_jsonl(path, forward)
    assert read_jsonl(path, Example) == forward


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": "a"', "not a line of JSON"),
        ('{"id": "a"}', "field 'problem' is missing"),
        ("[1]", "field ''"),
    ],
)
def test_a_broken_line_is_reported_with_its_number(tmp_path, line, message):
    forward, _ = make_both(1)
    path = tmp_path / "s1k.jsonl"
    path.write_text(forward[0].model_dump_json() + "\n" + line + "\n")
    with pytest.raises(RecordError, match=r"s1k\.jsonl:2: .*" + message):
        read_jsonl(path, Example)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reasoning": "  "}, "field 'reasoning' is empty"),
        ({"direction": "sideways"}, "field 'direction'"),
        ({"qestion": "x"}, r"field 'qestion' is not one of Example's \(did you mean 'question'\?\)"),
    ],
)
def test_an_invalid_field_is_reported(tmp_path, change, message):
    import json

    forward, _ = make_both(1)
    path = tmp_path / "s1k.jsonl"
    path.write_text(json.dumps(forward[0].model_dump() | change) + "\n")
    with pytest.raises(RecordError, match=message):
        read_jsonl(path, Example)


def test_a_repeated_id_is_reported_with_both_lines(tmp_path):
    forward, _ = make_both(2)
    path = tmp_path / "s1k.jsonl"
    write_jsonl(path, [*forward, forward[0]])
    with pytest.raises(RecordError, match=r"s1k\.jsonl:3: field 'id': 'p000-forward' is already on line 1"):
        read_jsonl(path, Example)


def test_samples_of_a_question_differ_in_their_index(tmp_path):
    path = tmp_path / "samples.jsonl"
    samples = [
        Sample(id="q1", benchmark="b", sample=number, prompt="?", completion="", tokens=0, truncated=False)
        for number in (0, 1, 1)
    ]
    write_jsonl(path, samples[:2])
    assert [sample.sample for sample in read_jsonl(path, Sample)] == [0, 1]
    write_jsonl(path, samples)
    with pytest.raises(RecordError, match=r"samples\.jsonl:3: field 'id': 'q1' \(sample 1\) is already on line 2"):
        read_jsonl(path, Sample)


def test_missing_and_empty_files_are_errors(tmp_path):
    with pytest.raises(RecordError, match="no such file"):
        read_jsonl(tmp_path / "none.jsonl", Example)
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(RecordError, match="holds no records"):
        read_jsonl(tmp_path / "empty.jsonl", Example)


def test_a_problem_that_occurs_twice_is_an_error(tmp_path):
    forward, _ = make_both(1)
    twice = [forward[0], forward[0].model_copy(update={"id": "other"})]
    with pytest.raises(RecordError, match="'p000' occurs twice"):
        by_problem(tmp_path / "s1k.jsonl", twice)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    forward, _ = make_both(2)
    path = tmp_path / "s1k.jsonl"
    write_jsonl(path, forward)

    def interrupted():
        yield forward[0]
        raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError, match="interrupted"):
        write_jsonl(path, interrupted())
    assert read_jsonl(path, Example) == forward
    assert [file.name for file in tmp_path.iterdir()] == ["s1k.jsonl"]
