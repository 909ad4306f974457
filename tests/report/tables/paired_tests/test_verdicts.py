import json
import typing

import numpy as np
import pytest
from made_up import verdict

from r1k.errors import RecordError
from r1k.records import Graded, write_jsonl
from r1k.report.statistics.samples import NO_VOTE
from r1k.report.tables.paired_tests.verdicts import SCHEMA, GradedKey, over_seeds, read_file, read_verdicts


@pytest.fixture
def path(tmp_path):
    return tmp_path / "7b-r1k" / "3" / "aime" / "graded.jsonl"


def test_the_schema_is_that_of_the_records():
    arrow = {str: "string", bool: "bool", int: "int64"}
    for name, field in Graded.model_fields.items():
        kinds = [kind for kind in (typing.get_args(field.annotation) or [field.annotation]) if kind is not type(None)]
        kind = str if kinds[0] in ("forward", "reverse") or typing.get_origin(kinds[0]) else kinds[0]
        assert str(SCHEMA.field(name).type) == arrow[kind], name
    assert SCHEMA.names == list(Graded.model_fields)


def test_verdicts_are_arrays_by_question_and_sample_whatever_their_order(path):
    records = [
        verdict("b", True, sample=1, direction="reverse"),
        verdict("a", True, sample=0, direction="forward", extracted="025"),
        verdict("b", False, sample=0, direction="reverse", extracted=None, rule="unparsed", truncated=True),
        verdict("a", True, sample=1, direction="forward", extracted="25"),
    ]
    write_jsonl(path, records)
    (key,) = (found := read_verdicts([path]))
    assert key == GradedKey("7b-r1k", 3, "aime")
    read = found[key]
    assert read.questions.tolist() == ["a", "b"]
    assert read.directions.tolist() == ["forward", "reverse"]
    assert read.correct.tolist() == [[[True, True], [False, True]]]
    assert read.unparsed.tolist() == read.truncated.tolist() == [[[False, False], [True, False]]]
    assert read.votes[0, 0, 0] == read.votes[0, 0, 1] != NO_VOTE
    assert read.votes[0, 1, 0] == NO_VOTE
    assert read.answers == 2


def test_files_without_sample_have_one_answer_a_question(path):
    write_jsonl(path, [verdict("a", True), verdict("b", False)])
    old = [{k: v for k, v in json.loads(line).items() if k != "sample"} for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(record) + "\n" for record in old))
    assert read_file(path).correct.tolist() == [[[True], [False]]]


@pytest.mark.parametrize(
    "samples", [[("a", 0), ("a", 1), ("b", 0)], [("a", 0), ("b", 0), ("b", 0)], [("a", 1), ("b", 1)]]
)
def test_a_question_with_other_samples_than_the_rest_is_named(path, samples):
    write_jsonl(path, [verdict(question, True, sample=number) for question, number in samples])
    with pytest.raises(RecordError, match=r"graded\.jsonl: field 'sample': question '[ab]' does not have each"):
        read_file(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"correct": None}, r"graded\.jsonl:2: field 'correct'"),
        ({"correct": "maybe"}, r"graded\.jsonl:2: field 'correct'"),
        ({"corect": True}, r"graded\.jsonl:2: field 'corect' is not one of Graded's \(did you mean 'correct'"),
        ({"rule": None}, r"graded\.jsonl:2: field 'rule'"),
    ],
)
def test_a_wrong_field_is_named_with_its_line(path, change, message):
    good = json.loads(verdict("a", True).model_dump_json())
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(good) + "\n" + json.dumps(good | {"id": "b"} | change) + "\n")
    with pytest.raises(RecordError, match=message):
        read_file(path)


def test_a_missing_or_empty_file_is_named(path):
    with pytest.raises(RecordError, match="no such file"):
        read_file(path)
    path.parent.mkdir(parents=True)
    path.touch()
    with pytest.raises(RecordError, match="holds no records"):
        read_file(path)


def test_verdicts_whose_run_the_path_does_not_say_are_refused(tmp_path):
    with pytest.raises(RecordError, match="whose verdicts are these"):
        read_verdicts([tmp_path / "graded.jsonl"])


def test_a_file_given_twice_is_named(path):
    write_jsonl(path, [verdict("a", True)])
    with pytest.raises(RecordError, match="run '7b-r1k', seed 3, 'aime' comes twice"):
        read_verdicts([path, path])


def test_seeds_are_stacked_and_must_be_asked_alike(tmp_path):
    paths = [tmp_path / "r" / str(seed) / "aime" / "graded.jsonl" for seed in (0, 1, 2)]
    for path, ids in zip(paths, ("ab", "ab", "ac"), strict=True):
        write_jsonl(path, [verdict(question, question == "a") for question in ids])
    found = read_verdicts(paths)
    assert np.array_equal(over_seeds(found, "r", [0, 1], "aime").correct[:, :, 0], [[True, False]] * 2)
    with pytest.raises(RecordError, match="run 'r' was not asked the same questions of 'aime' with seed 2"):
        over_seeds(found, "r", [0, 2], "aime")
    with pytest.raises(RecordError, match="no verdicts of run 'r', seed 7"):
        over_seeds(found, "r", [0, 7], "aime")
