import json

import pytest

import r1k.world
from r1k.config import EmbeddedTeacher, ReplayTeacher
from r1k.errors import R1kError, RecordError, TeacherError
from r1k.records import Response
from r1k.teacher.local import local_answerer

ROW = {"question": "a?", "reverse_question": "b?", "reverse_thinking": "hm", "reverse_attempt": "c", "other": 1}


def replay(tmp_path, *rows):
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows))
    return local_answerer(ReplayTeacher(kind="replay", path=path))


def test_replay_returns_recorded_answers(tmp_path):
    answerer = replay(tmp_path, ROW, ROW, ROW | {"question": " other?\n", "reverse_question": "d?"})
    assert answerer.reverse_question("a?", "whatever") == "b?"
    assert answerer.reverse_question("other?", "whatever") == "d?"
    assert answerer.solve("d? ") == Response(reasoning="hm", answer="c")


def test_a_recording_is_read_with_marks_and_blank_lines(tmp_path):
    answerer = replay(tmp_path, f"\ufeff{json.dumps(ROW)}\r\n\r\n", ROW | {"question": "e?"}, "\n\n")
    assert answerer.reverse_question("e?", "x") == answerer.reverse_question("a?", "x") == "b?"
    with pytest.raises(RecordError, match=r"pairs\.jsonl: a JSON array, not JSON lines"):
        replay(tmp_path, json.dumps([ROW]))


def test_replay_names_missing_rows(tmp_path):
    answerer = replay(tmp_path, ROW)
    with pytest.raises(TeacherError, match=r"pairs\.jsonl: holds no row whose `question` is 'b\?'"):
        answerer.reverse_question("b?", "x")
    with pytest.raises(TeacherError, match=r"pairs\.jsonl: holds no row whose `reverse_question` is 'a\?'"):
        answerer.solve("a?")


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        ("{broken\n", "pairs.jsonl:2: "),
        ({"question": "a?"}, "pairs.jsonl:2: field 'reverse_question': Field required"),
        (ROW | {"question": "e?", "reverse_attempt": " "}, "pairs.jsonl:2: field 'reverse_attempt'"),
        (ROW | {"reverse_question": "z?"}, "pairs.jsonl:2: field 'question': recorded twice"),
        (ROW | {"question": "e?", "reverse_attempt": "z"}, "pairs.jsonl:2: field 'reverse_question': recorded twice"),
    ],
)
def test_an_invalid_recording_is_named(tmp_path, second, expected):
    with pytest.raises(RecordError) as caught:
        replay(tmp_path, ROW, second)
    assert expected in str(caught.value)


def test_a_missing_recording_is_named(tmp_path):
    with pytest.raises(RecordError, match=r"no\.jsonl: no such file; correct teacher\.path"):
        local_answerer(ReplayTeacher(kind="replay", path=tmp_path / "no.jsonl"))


def test_a_different_recording_is_a_different_model(tmp_path):
    first = replay(tmp_path, ROW).model
    assert replay(tmp_path, ROW).model == first
    assert replay(tmp_path, ROW | {"reverse_attempt": "d"}).model != first


def test_the_world_answerer_uses_the_world():
    answerer = local_answerer(EmbeddedTeacher(kind="embedded"))
    example = next(iter(r1k.world.forward_examples(5, 0)))
    reverse = answerer.reverse_question(example.question, example.answer)
    assert reverse == r1k.world.invert(example.question, example.answer)
    assert answerer.solve(reverse) == r1k.world.solve(reverse)
    with pytest.raises(R1kError):
        answerer.solve("How much wood would a woodchuck chuck?")
