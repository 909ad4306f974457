import json
import threading
import time
from pathlib import Path

import pytest
from faulty_teacher import (
    KEY,
    KEY_VARIABLE,
    FaultyServer,
    Place,
    echo_key,
    forward,
    message,
)
from inversions import facts, start, written

from r1k.config import EmbeddedTeacher, ReplayTeacher
from r1k.data.s1k import read_examples
from r1k.errors import RecordError, TeacherError
from r1k.teacher.inversion import invert
from r1k.teacher.journal import Journal
from r1k.teacher.templates import REVERSE_QUESTION, SOLVE
from r1k.world import forward_examples, solve

RECORDED = Path(__file__).parents[2] / "../shared/data/s1k_r1k_20.jsonl"


def test_each_problem_gets_its_pair_in_order(server: FaultyServer, place: Place):
    place.write_problems(7)
    invert(teacher=server.teacher(), **place.paths)
    records = written(place)
    assert [record.problem for record in records] == [f"p{index:03d}" for index in range(7)]
    one = records[3]
    question = "What has the answer answer of p003, if not question of p003"
    assert (one.id, one.direction, one.kind, one.gold) == ("p003-reverse", "reverse", "riddle", None)
    assert (one.question, one.reasoning) == (question, f"Let me think of {question}")
    assert one.answer == f"It is {question.upper()}"
    assert one.teacher_metadata.model == "riddles"
    assert one.teacher_metadata.prompts == {"reverse_question": REVERSE_QUESTION.digest, "solve": SOLVE.digest}
    assert (one.teacher_metadata.finish_reason, len(one.teacher_metadata.requests)) == ("stop", 2)
    with Journal(place.journal) as journal:
        entries = [journal.get(key) for key in one.teacher_metadata.requests]
    assert [entry.answer for entry in entries] == [one.question, one.answer]
    assert one.teacher_metadata.tokens == entries[1].usage["completion_tokens"]


def test_the_second_request_contains_only_the_reverse_question(server: FaultyServer, place: Place):
    place.write_problems(1)
    invert(teacher=server.teacher(), **place.paths)
    assert list(server.requests) == [
        REVERSE_QUESTION.render(question="question of p000", answer="answer of p000"),
        "What has the answer answer of p000, if not question of p000",
    ]


def test_a_second_run_sends_nothing_and_needs_neither_server_nor_key(
    server: FaultyServer, place: Place, monkeypatch: pytest.MonkeyPatch
):
    place.write_problems(5)
    invert(teacher=server.teacher(), **place.paths)
    assert facts(place)["requests"] == {"sent": 10, "from_journal": 0}
    first, kept = place.output.read_bytes(), place.journal.read_bytes()
    place.output.unlink()
    monkeypatch.delenv(KEY_VARIABLE)
    elsewhere = server.teacher().model_copy(update={"base_url": "http://127.0.0.1:9/v1", "max_tokens": 100})
    invert(teacher=elsewhere, **place.paths)
    assert server.total == 10
    assert (place.output.read_bytes(), place.journal.read_bytes()) == (first, kept)
    assert facts(place)["requests"] == {"sent": 0, "from_journal": 10}
    assert facts(place)["tokens"]["completion"] > 0
    assert facts(place)["tokens"]["answers_without_count"] == 0


def test_only_a_new_problem_is_requested(server: FaultyServer, place: Place):
    place.write_problems(3)
    invert(teacher=server.teacher(), **place.paths)
    place.write(forward("new"), *(forward(f"p{index:03d}") for index in range(3)))
    invert(teacher=server.teacher(), **place.paths)
    assert server.total == 8
    assert facts(place)["requests"] == {"sent": 2, "from_journal": 6}
    assert written(place)[0].problem == "new"


def test_different_sampling_is_a_different_request(server: FaultyServer, place: Place):
    place.write_problems(2)
    invert(teacher=server.teacher(), **place.paths)
    invert(teacher=server.teacher(temperature=0.6), **place.paths)
    assert server.total == 8


def test_concurrency_is_limited_by_the_config(server: FaultyServer, place: Place):
    at_once, highest, lock = 0, 0, threading.Lock()
    answer = server.answerer.solve

    def watched(question):
        nonlocal at_once, highest
        with lock:
            at_once += 1
            highest = max(highest, at_once)
        time.sleep(0.05)
        with lock:
            at_once -= 1
        return answer(question)

    server.answerer.solve = watched
    place.write_problems(12)
    invert(teacher=server.teacher(concurrency=3), **place.paths)
    assert highest == 3


def test_inline_reasoning_is_separated_from_the_answer(server: FaultyServer, place: Place):
    place.write_problems(1)
    server.fail("question of p000\n", message(content="<think>hm</think>\n\nHow come?"))
    server.fail("How come?", message(content="<think>\nSo and so.\n</think>\n\nThat is how."))
    invert(teacher=server.teacher(), **place.paths)
    record = written(place)[0]
    assert (record.question, record.reasoning, record.answer) == ("How come?", "So and so.", "That is how.")


@pytest.mark.slow
@pytest.mark.parametrize("code", [401, 503])
def test_the_key_is_in_no_file_and_no_message(server: FaultyServer, place: Place, code: int):
    place.write_problems(6)
    server.fail("question of p000\n", message(content=f"Use {KEY} to ask", reasoning_content=KEY))
    server.fail("if not question of p004", echo_key(code))
    with start(server, place, concurrency=1) as process:
        stderr = process.communicate()[1]
    assert (process.returncode == 0) == (code == 503)
    if code != 503:
        assert "bad header Bearer [key]" in stderr
        assert "p004" in stderr
    files = [path for path in place.s1k.parent.rglob("*") if path.is_file()]
    assert place.journal in files
    assert "Use [key] to ask" in place.journal.read_text()
    assert KEY not in stderr
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, f"the environment variable {KEY_VARIABLE} is not set"),
        (" ", f"the environment variable {KEY_VARIABLE} is not set"),
        ("sk-secret-é", f"{KEY_VARIABLE}: contains characters"),
        ("sk-secret\nHost: x", f"{KEY_VARIABLE}: contains characters"),
    ],
)
def test_an_invalid_key_is_named_by_its_variable(
    server: FaultyServer, place: Place, monkeypatch: pytest.MonkeyPatch, value, expected
):
    place.write_problems(1)
    monkeypatch.delenv(KEY_VARIABLE)
    if value is not None:
        monkeypatch.setenv(KEY_VARIABLE, value)
    with pytest.raises(TeacherError, match=expected) as caught:
        invert(teacher=server.teacher(), **place.paths)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("api.deepseek.com", "is not a URL"),
        ("https://u:secret@h/v1", "contains a user name or password"),
        ("https://h/v1/chat/completions", "must end before /chat/completions"),
    ],
)
def test_an_invalid_base_url_is_named(server: FaultyServer, place: Place, url, expected):
    place.write_problems(1)
    with pytest.raises(TeacherError, match=rf"teacher\.base_url: .*{expected}") as caught:
        invert(teacher=server.teacher().model_copy(update={"base_url": url}), **place.paths)
    assert "secret" not in str(caught.value)


def test_requests_to_loopback_bypass_the_environments_proxy(place: Place, monkeypatch: pytest.MonkeyPatch):
    for variable in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    place.write(*forward_examples(2, 0))
    invert(teacher=EmbeddedTeacher(kind="embedded"), **place.paths)
    assert len(written(place)) == 2


def test_only_a_question_with_the_prompts_delimiter_fails(server: FaultyServer, place: Place):
    delimiter = REVERSE_QUESTION.text.partition("{{question}}")[2].partition("{{answer}}")[0]
    place.write(forward("p000"), forward("bad", f"a{delimiter}b"))
    with pytest.raises(TeacherError, match=r"1 of 2 problems[^\n]*\n  bad: prompt reverse_question: "):
        invert(teacher=server.teacher(), **place.paths)
    assert server.answered.total() == 2


def test_a_reverse_example_among_the_forward_ones_is_named(server: FaultyServer, place: Place):
    place.write(forward("p000").model_copy(update={"direction": "reverse"}))
    with pytest.raises(RecordError, match=r"s1k\.jsonl: record 'p000-forward': field 'direction' must be 'forward'"):
        invert(teacher=server.teacher(), **place.paths)
    assert server.total == 0


def test_the_embedded_teacher_inverts_the_worlds_problems(place: Place):
    examples = forward_examples(60, 1)
    place.write(*examples)
    invert(teacher=EmbeddedTeacher(kind="embedded"), **place.paths)
    records = written(place)
    assert [record.problem for record in records] == [example.problem for example in examples]
    assert all(solve(record.question) == record.response for record in records)
    assert all(record.question != example.question for record, example in zip(records, examples, strict=True))
    assert facts(place)["requests"]["sent"] == 120


def test_the_embedded_teacher_rejects_foreign_problems(place: Place):
    place.write(forward("odd"))
    with pytest.raises(TeacherError, match=r"odd: HTTP 404 from http://127\.0\.0\.1:\d+/v1: "):
        invert(teacher=EmbeddedTeacher(kind="embedded"), **place.paths)


def test_replay_returns_the_recorded_columns_of_real_rows(place: Place):
    if not RECORDED.is_file():
        pytest.skip(f"{RECORDED} is not here: the real rows are no part of the repository")
    rows = [json.loads(line) for line in RECORDED.read_text(encoding="utf-8").splitlines()]
    place.write(*read_examples((("a row", row) for row in rows), None, kind="s1k"))
    invert(teacher=ReplayTeacher(kind="replay", path=RECORDED), **place.paths)
    records = written(place)
    for column, name in (
        ("question", "reverse_question"),
        ("reasoning", "reverse_thinking"),
        ("answer", "reverse_attempt"),
        ("kind", "source_type"),
    ):
        assert [getattr(record, column) for record in records] == [row[name].strip() for row in rows]
    assert [record.problem for record in records] == [f"s1k-{index:04d}" for index in range(20)]


def test_replay_names_a_missing_question(place: Place, tmp_path: Path):
    recorded = tmp_path / "pairs.jsonl"
    row = {"question": "a?", "reverse_question": "b?", "reverse_thinking": "hm", "reverse_attempt": "c"}
    recorded.write_text(json.dumps(row) + "\n")
    place.write(forward("p000", "a?"), forward("p001", "What else?"))
    with pytest.raises(TeacherError, match=r"p001: HTTP 404 .*holds no row whose `question` is 'What else\?'"):
        invert(teacher=ReplayTeacher(kind="replay", path=recorded), **place.paths)
    assert not place.output.exists()
