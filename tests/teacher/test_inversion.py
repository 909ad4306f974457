import json
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from faulty_teacher import (
    KEY,
    KEY_VARIABLE,
    FaultyServer,
    Place,
    dropped,
    echo_key,
    forward,
    half_sent,
    message,
    raw,
    status,
)

from r1k.config import EmbeddedTeacher, ReplayTeacher
from r1k.data.s1k import S1kRow
from r1k.data.sets import read_both
from r1k.errors import RecordError, TeacherError
from r1k.records import Example, read_jsonl
from r1k.teacher.inversion import invert
from r1k.teacher.journal import Journal
from r1k.teacher.server import ChatHandler
from r1k.teacher.templates import REVERSE_QUESTION, SOLVE
from r1k.world import forward_examples, solve

RECORDED = Path(__file__).parents[2] / "../shared/data/s1k_r1k_20.jsonl"

RUN = """
import json, sys
from pathlib import Path
from r1k.config import OpenAITeacher
from r1k.teacher.inversion import invert
teacher, asking, *paths = json.loads(sys.argv[1])
invert(teacher=OpenAITeacher(**teacher, asking=asking), **dict(zip(("s1k", "output", "journal"), map(Path, paths))))
"""


def written(place: Place) -> list[Example]:
    return read_jsonl(place.output, Example)


def facts(place: Place):
    return json.loads(place.output.with_suffix(".manifest.json").read_text())["facts"]


def start(server: FaultyServer, place: Place, **changes) -> subprocess.Popen[str]:
    """A run in a process of its own."""
    teacher = server.teacher(**changes)
    job = json.dumps(
        [teacher.model_dump(), teacher.asking.model_dump(), *map(str, (place.s1k, place.output, place.journal))]
    )
    return subprocess.Popen([sys.executable, "-c", RUN, job], stderr=subprocess.PIPE, text=True)


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
    assert one.teaching.model == "riddles"
    assert one.teaching.prompts == {"reverse_question": REVERSE_QUESTION.digest, "solve": SOLVE.digest}
    assert (one.teaching.finish_reason, len(one.teaching.requests)) == ("stop", 2)
    with Journal(place.journal) as journal:
        entries = [journal.get(key) for key in one.teaching.requests]
    assert [entry.answer for entry in entries] == [one.question, one.answer]
    assert one.teaching.tokens == entries[1].usage["completion_tokens"]


def test_the_second_call_sees_the_reverse_question_alone(server: FaultyServer, place: Place):
    place.write_problems(1)
    invert(teacher=server.teacher(), **place.paths)
    assert list(server.requests) == [
        REVERSE_QUESTION.render(question="question of p000", answer="answer of p000"),
        "What has the answer answer of p000, if not question of p000",
    ]


def test_a_second_run_asks_for_nothing_and_needs_no_server_and_no_key(
    server: FaultyServer, place: Place, monkeypatch: pytest.MonkeyPatch
):
    place.write_problems(5)
    invert(teacher=server.teacher(), **place.paths)
    assert facts(place)["requests"] == {"asked": 10, "found_in_journal": 0}
    first, kept = place.output.read_bytes(), place.journal.read_bytes()
    place.output.unlink()
    monkeypatch.delenv(KEY_VARIABLE)
    elsewhere = server.teacher().model_copy(update={"base_url": "http://127.0.0.1:9/v1", "max_tokens": 100})
    invert(teacher=elsewhere, **place.paths)
    assert server.total == 10
    assert (place.output.read_bytes(), place.journal.read_bytes()) == (first, kept)
    assert facts(place)["requests"] == {"asked": 0, "found_in_journal": 10}
    assert facts(place)["tokens"]["completion"] > 0
    assert facts(place)["tokens"]["answers_without_count"] == 0


def test_a_new_problem_is_all_that_is_asked_for(server: FaultyServer, place: Place):
    place.write_problems(3)
    invert(teacher=server.teacher(), **place.paths)
    place.write(forward("new"), *(forward(f"p{index:03d}") for index in range(3)))
    invert(teacher=server.teacher(), **place.paths)
    assert server.total == 8
    assert facts(place)["requests"] == {"asked": 2, "found_in_journal": 6}
    assert written(place)[0].problem == "new"


def test_another_sampling_is_another_request(server: FaultyServer, place: Place):
    place.write_problems(2)
    invert(teacher=server.teacher(), **place.paths)
    invert(teacher=server.teacher(temperature=0.6), **place.paths)
    assert server.total == 8


def test_no_more_requests_at_once_than_the_config_says(server: FaultyServer, place: Place):
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


def test_inline_reasoning_is_taken_out_of_the_answer(server: FaultyServer, place: Place):
    place.write_problems(1)
    server.fail("question of p000\n", message(content="<think>hm</think>\n\nHow come?"))
    server.fail("How come?", message(content="<think>\nSo and so.\n</think>\n\nThat is how."))
    invert(teacher=server.teacher(), **place.paths)
    record = written(place)[0]
    assert (record.question, record.reasoning, record.answer) == ("How come?", "So and so.", "That is how.")


def test_a_failed_problem_costs_no_other_and_is_all_that_a_rerun_asks_for(server: FaultyServer, place: Place):
    place.write_problems(8)
    solved = "if not question of "
    server.fail(f"{solved}p001", message(content="It is", reasoning_content=None))
    server.fail("question of p002\n", message("content_filter", content=""))
    server.fail(f"{solved}p003", message(content=None, refusal="I will not", reasoning_content="hm"))
    server.fail(f"{solved}p004", message("stop", content="", reasoning_content="hm"))
    with pytest.raises(TeacherError) as caught:
        invert(teacher=server.teacher(concurrency=2), **place.paths)
    said = str(caught.value).splitlines()
    assert said[0] == "4 of 8 problems have no reverse pair, and no output was written:"
    assert said[1].startswith("  p001: solve: the answer has no reasoning")
    assert said[2].startswith("  p002: reverse_question: the teacher refused")
    assert said[3].startswith("  p003: solve: the teacher refused: 'I will not'")
    assert said[4].startswith("  p004: solve: the answer is empty")
    assert "a rerun asks for these problems alone" in said[5]
    assert not place.output.exists()
    assert server.total == 15
    invert(teacher=server.teacher(), **place.paths)
    assert server.total == 15 + 5
    assert len(written(place)) == 8


def test_a_cut_answer_is_kept_and_not_used_and_bought_again_under_a_higher_limit(server: FaultyServer, place: Place):
    place.write(forward("p000"), forward("p001", "word " * 30))
    for _ in range(2):
        with pytest.raises(
            TeacherError, match=r"1 of 2 .*\n  p001: solve: the answer was cut after 40 tokens"
        ) as caught:
            invert(teacher=server.teacher(max_tokens=40), **place.paths)
        assert "raise teacher.max_tokens above 40" in str(caught.value)
        assert server.total == 4, "a limit that cut once is not paid for again"
    assert not place.output.exists()
    assert '"finish_reason":"length"' in place.journal.read_text()
    invert(teacher=server.teacher(max_tokens=400), **place.paths)
    assert server.total == 5, "answers that were whole under the lower limit are not bought again"
    assert len(written(place)) == 2


def test_a_cut_answer_is_asked_again_with_a_higher_limit_where_the_config_says_so(server: FaultyServer, place: Place):
    place.write(forward("p000"), forward("p001", "word " * 30))
    higher = {"when_cut": "ask_again", "highest_max_tokens": 300}
    invert(teacher=server.teacher(max_tokens=20, **higher), **place.paths)
    kept = [json.loads(line) for line in place.journal.read_text().splitlines()]
    limits = [entry["max_tokens"] for entry in kept if "word word" in entry["request"]["messages"][0]["content"]]
    assert sorted(limits) == [20, 20, 40, 40, 80, 160], "38 words were asked for with 40, 84 with 160"
    assert len(written(place)) == 2
    total = server.total
    invert(teacher=server.teacher(max_tokens=20, **higher), **place.paths)
    assert server.total == total


def test_what_the_config_leaves_out_is_named_and_bought_once(
    server: FaultyServer, place: Place, capsys: pytest.CaptureFixture[str]
):
    place.write(*(forward(f"p{index:03d}") for index in range(8)), forward("p008", "word " * 30))
    server.fail("question of p002\n", message("content_filter", content=""))
    leaving = {"when_cut": "leave_out", "when_refused": "leave_out", "max_tokens": 60}
    with pytest.raises(TeacherError, match=r"7 of 9 problems have a pair, fewer than teacher\.least_share of 0\.8"):
        invert(teacher=server.teacher(**leaving, least_share=0.8), **place.paths)
    assert not place.output.exists()
    total = server.total
    invert(teacher=server.teacher(**leaving, least_share=0.7), **place.paths)
    assert server.total == total
    assert "2 of 9 problems are left out:\n  p002: reverse_question: the teacher refused" in capsys.readouterr().err
    assert facts(place)["n"] == len(written(place)) == 7
    assert set(facts(place)["left_out"]) == {"p002", "p008"}
    assert len(read_both(place.s1k, place.output)) == 7
    place.output.with_suffix(".manifest.json").unlink()
    with pytest.raises(RecordError, match="2 problems have no pair here"):
        read_both(place.s1k, place.output)


def test_a_ceiling_stops_the_run_before_it_is_passed_and_counts_what_was_bought_before(
    server: FaultyServer, place: Place
):
    place.write_problems(20)
    ceiling = {"max_tokens": 100, "max_total_tokens": 2500, "input_price": 1.0, "output_price": 2.0}
    for _ in range(2):
        with pytest.raises(TeacherError, match=r"the ceiling of 2,500 tokens leaves no room .*teacher\.asking"):
            invert(teacher=server.teacher(**ceiling), **place.paths)
    with Journal(place.journal) as journal:
        n = len(journal)
    assert 5 < n == server.total < 40
    spent = sum(json.loads(line)["usage"]["total_tokens"] for line in place.journal.read_text().splitlines())
    assert spent <= 2500
    invert(teacher=server.teacher(max_tokens=100, input_price=1.0, output_price=2.0), **place.paths)
    assert len(written(place)) == 20
    assert facts(place)["dollars"] > 0


def test_the_cost_is_estimated_before_the_first_call(
    server: FaultyServer, place: Place, capsys: pytest.CaptureFixture[str]
):
    place.write_problems(4)
    priced = {"max_tokens": 1000, "input_price": 1.0, "output_price": 1000.0, "max_dollars": 50}
    invert(teacher=server.teacher(**priced), **place.paths)
    place.write_problems(6)
    invert(teacher=server.teacher(**priced), **place.paths)
    first, second = capsys.readouterr().err.split("inversion: up to ")[1:]
    assert first.startswith("8 calls to the teacher; $0.00 and 0 tokens spent")
    assert "if every answer reached its limit: 8,000 tokens, $8.00" in first and "ceiling: $50" in first
    assert second.startswith("4 calls") and "as long as the 8 answers that are here" in second


CHAOS = {
    "429 with Retry-After": status(429, headers={"Retry-After": "0.05"}),
    "429": status(429),
    "500": status(500),
    "dropped": dropped,
    "half sent": half_sent,
    "slow": lambda handler, asked: (time.sleep(0.3), ChatHandler.answer(handler, asked)),
    "HTML": raw(200, b"<html>Bad gateway</html>", "text/html"),
    "cut": message("length", content="half", reasoning_content="hm"),
    "empty": message("stop", content="", reasoning_content="hm"),
    "wrong key": status(401, "invalid key"),
}


@pytest.mark.slow
def test_in_the_end_every_problem_has_its_pair_and_nothing_was_bought_twice(server: FaultyServer, place: Place):
    """Ten kinds of faults, each met by a tenth of the first requests, and kill -9 all along."""
    place.write_problems(60)
    rng, faults = random.Random(0), list(CHAOS.values())
    server.fault = lambda prompt: rng.choice(faults) if server.requests[prompt] == 1 else None
    server.delay = 0.02
    kills, runs, at_once = 0, 0, 6
    while not place.output.exists():
        runs += 1
        assert runs < 200
        highest = {"when_cut": "ask_again", "highest_max_tokens": 4000}
        with start(server, place, concurrency=at_once, timeout=5, **highest) as process:
            alive = server.requests.total()
            life = rng.uniform(0.2, 0.6)
            while process.poll() is None and server.requests.total() == alive:
                time.sleep(0.005)
            try:
                process.wait(life)
            except subprocess.TimeoutExpired:
                process.kill()
                kills += 1
            process.stderr.read()
    assert kills >= 3
    assert [record.problem for record in written(place)] == [f"p{index:03d}" for index in range(60)]
    assert sum(server.faults.values()) >= 60
    # An answer may be lost with those in flight at a kill, and only with them.
    assert sum(number - 1 for number in server.answered.values()) <= at_once * kills
    assert all(number <= 1 + kills for number in server.answered.values())


def test_what_stops_the_run_keeps_what_was_bought(server: FaultyServer, place: Place):
    place.write_problems(30)
    server.delay = 0.02
    server.fail("if not question of p003", status(402, "Insufficient Balance"))
    with pytest.raises(
        TeacherError, match=r"p003: HTTP 402 .*Insufficient Balance; the account of the key in"
    ) as caught:
        invert(teacher=server.teacher(concurrency=3), **place.paths)
    assert "a rerun asks for the rest alone" in str(caught.value)
    assert server.total < 20
    bought = set(server.answered)
    with Journal(place.journal) as journal:
        assert len(journal) == len(bought)
    invert(teacher=server.teacher(), **place.paths)
    assert all(server.answered[prompt] == 1 for prompt in server.answered)
    assert len(written(place)) == 30


def test_a_server_error_is_waited_out(server: FaultyServer, place: Place):
    place.write_problems(3)
    server.fail("p001", status(500), status(429, headers={"Retry-After": "1"}))
    invert(teacher=server.teacher(), **place.paths)
    assert len(written(place)) == 3
    assert server.total == 8


def test_a_kill_costs_no_more_than_what_was_in_flight(server: FaultyServer, place: Place):
    place.write_problems(40)
    server.delay = 0.03
    kills = 0
    while not place.output.exists():
        before = server.answered.total()
        with start(server, place, concurrency=4) as process:
            while process.poll() is None and (kills == 2 or server.answered.total() < before + 25):
                time.sleep(0.005)
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                kills += 1
            elif process.returncode != 0:
                pytest.fail(process.stderr.read())
        with Journal(place.journal) as journal:
            assert len(journal) >= 25 * kills - 4 * kills
    assert kills == 2
    assert server.answered.total() <= 80 + 4 * kills
    assert [record.problem for record in written(place)] == [f"p{index:03d}" for index in range(40)]


def test_what_was_journalled_before_a_kill_is_not_asked_again(server: FaultyServer, place: Place):
    place.write_problems(20)
    server.delay = 0.05
    with start(server, place) as process:
        while server.answered.total() < 15:
            time.sleep(0.005)
        process.kill()
    server.delay = 0.0
    whole = [line for line in place.journal.read_text().splitlines(keepends=True) if line.endswith("\n")]
    kept = {json.loads(line)["request"]["messages"][0]["content"] for line in whole}
    place.journal.write_text("".join(whole) + whole[0][:100])
    time.sleep(0.1)
    server.requests.clear()
    invert(teacher=server.teacher(), **place.paths)
    assert len(kept) >= 10
    assert kept.isdisjoint(server.requests)
    assert server.total == 40 - len(kept)
    assert len(written(place)) == 20


def test_two_runs_at_once_buy_nothing_twice(server: FaultyServer, place: Place):
    gate = threading.Event()
    server.fail("question of p000\n", lambda handler, asked: gate.wait(60) and ChatHandler.answer(handler, asked))
    place.write_problems(10)
    with start(server, place) as first:
        while server.total == 0:
            time.sleep(0.005)
        with start(server, place) as second:
            assert "another process is at it" in second.stderr.readline()
            gate.set()
            first.communicate()
            second.communicate()
    assert (first.returncode, second.returncode) == (0, 0)
    assert server.total == 20


@pytest.mark.parametrize("code", [401, 503])
def test_the_key_is_nowhere(server: FaultyServer, place: Place, code: int):
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
    ("value", "said"),
    [
        (None, f"the environment variable {KEY_VARIABLE} is not set"),
        (" ", f"the environment variable {KEY_VARIABLE} is not set"),
        ("sk-secret-é", f"{KEY_VARIABLE}: holds characters"),
        ("sk-secret\nHost: x", f"{KEY_VARIABLE}: holds characters"),
    ],
)
def test_a_key_that_is_none_is_named_by_its_variable(
    server: FaultyServer, place: Place, monkeypatch: pytest.MonkeyPatch, value, said
):
    place.write_problems(1)
    monkeypatch.delenv(KEY_VARIABLE)
    if value is not None:
        monkeypatch.setenv(KEY_VARIABLE, value)
    with pytest.raises(TeacherError, match=said) as caught:
        invert(teacher=server.teacher(), **place.paths)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("api.deepseek.com", "is no URL"),
        ("https://u:secret@h/v1", "holds a user or a password"),
        ("https://h/v1/chat/completions", "goes too far"),
    ],
)
def test_a_base_url_that_cannot_be_asked_is_named(server: FaultyServer, place: Place, url, said):
    place.write_problems(1)
    with pytest.raises(TeacherError, match=rf"teacher\.base_url: .*{said}") as caught:
        invert(teacher=server.teacher().model_copy(update={"base_url": url}), **place.paths)
    assert "secret" not in str(caught.value)


def test_a_proxy_of_the_environment_is_not_asked_for_a_local_server(place: Place, monkeypatch: pytest.MonkeyPatch):
    for variable in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    place.write(*forward_examples(2, 0))
    invert(teacher=EmbeddedTeacher(kind="embedded"), **place.paths)
    assert len(written(place)) == 2


def test_a_question_that_would_break_the_prompt_fails_alone(server: FaultyServer, place: Place):
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


def test_the_embedded_teacher_turns_the_world_round(place: Place):
    examples = forward_examples(60, 1)
    place.write(*examples)
    invert(teacher=EmbeddedTeacher(kind="embedded"), **place.paths)
    records = written(place)
    assert [record.problem for record in records] == [example.problem for example in examples]
    assert all(solve(record.question) == record.response for record in records)
    assert all(record.question != example.question for record, example in zip(records, examples, strict=True))
    assert facts(place)["requests"]["asked"] == 120


def test_the_embedded_teacher_refuses_what_is_not_of_its_world(place: Place):
    place.write(forward("odd"))
    with pytest.raises(TeacherError, match=r"odd: HTTP 404 from http://127\.0\.0\.1:\d+/v1: "):
        invert(teacher=EmbeddedTeacher(kind="embedded"), **place.paths)


def test_replay_gives_the_recorded_columns_of_real_rows(place: Place):
    if not RECORDED.is_file():
        pytest.skip(f"{RECORDED} is not here: the real rows are no part of the repository")
    rows = [json.loads(line) for line in RECORDED.read_text(encoding="utf-8").splitlines()]
    place.write(*(S1kRow.model_validate(row).example(index) for index, row in enumerate(rows)))
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


def test_replay_says_which_question_it_does_not_hold(place: Place, tmp_path: Path):
    recorded = tmp_path / "pairs.jsonl"
    row = {"question": "a?", "reverse_question": "b?", "reverse_thinking": "hm", "reverse_attempt": "c"}
    recorded.write_text(json.dumps(row) + "\n")
    place.write(forward("p000", "a?"), forward("p001", "What else?"))
    with pytest.raises(TeacherError, match=r"p001: HTTP 404 .*holds no row whose `question` is 'What else\?'"):
        invert(teacher=ReplayTeacher(kind="replay", path=recorded), **place.paths)
    assert not place.output.exists()
