"""Faulty servers, killed processes and concurrent runs lose no answer and pay for none twice."""

import json
import random
import signal
import subprocess
import threading
import time

import pytest
from faulty_teacher import (
    Fault,
    FaultyServer,
    Place,
    altered,
    counted,
    dropped,
    ended,
    half_sent,
    marked,
    message,
    null_chunks,
    raw,
    refused,
    split_characters,
    status,
)
from inversions import facts, start, written

from r1k.errors import TeacherError
from r1k.teacher.inversion import invert
from r1k.teacher.journal import Journal
from r1k.teacher.server import ChatHandler

CHAOS = {
    "429 with Retry-After": status(429, headers={"Retry-After": "0.05"}),
    "429": status(429),
    "500": status(500),
    "dropped": dropped,
    "half sent": half_sent,
    "slow": lambda handler, chat_request: (time.sleep(0.3), ChatHandler.answer(handler, chat_request)),
    "HTML": raw(200, b"<html>Bad gateway</html>", "text/html"),
    "truncated": message("length", content="half", reasoning_content="hm"),
    "empty": message("stop", content="", reasoning_content="hm"),
    "wrong key": status(401, "invalid key"),
}


@pytest.mark.slow
def test_after_faults_and_kills_every_problem_has_its_pair_and_nothing_is_paid_twice(
    server: FaultyServer, place: Place
):
    """Ten kinds of faults, each in a tenth of the first requests, and repeated SIGKILL."""
    place.write_problems(60)
    rng, faults = random.Random(0), list(CHAOS.values())
    server.fault = lambda prompt: rng.choice(faults) if server.requests[prompt] == 1 else None
    server.delay = 0.02
    kills, runs, concurrency = 0, 0, 6
    while not place.output.exists():
        runs += 1
        assert runs < 200
        highest = {"on_truncation": "retry", "max_tokens_cap": 4000}
        with start(server, place, concurrency=concurrency, timeout=5, **highest) as process:
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
    # A kill loses only the answers in flight.
    assert sum(number - 1 for number in server.answered.values()) <= concurrency * kills
    assert all(number <= 1 + kills for number in server.answered.values())


REFUSALS = (
    refused(400, {"error": {"message": "Content Exists Risk", "type": "invalid_request_error", "code": "x"}}),
    refused(400, {"error": {"message": "no", "code": "content_filter", "param": "prompt"}}),
    refused(403, {"error": {"code": 403, "message": "no", "metadata": {"reasons": ["violence"]}}}),
    refused(400, {"error": {"message": "too long", "code": "context_length_exceeded"}}),
    refused(400, {"error": {"message": "computer says no"}}),
    message("content_filter", content=""),
)
WORLD = {
    "null chunks": altered(null_chunks),
    "split characters": altered(split_characters),
    "no usage": counted(None),
    "usage in texts": counted({"prompt_tokens": "12", "completion_tokens": "9"}),
    "usage of zero": counted({"prompt_tokens": 0, "completion_tokens": 0}),
    "end_turn": ended("end_turn"),
    "unknown end": ended("weather"),
    "marks around": marked("<think></think>", "<｜end▁of▁sentence｜>"),
    "marks within": message(content="It is<|im_end|>\n<|im_start|>user", reasoning_content="hm"),
    "two blocks": message(content="<think>a</think>b<think>c</think>d"),
}


@pytest.mark.slow
def test_what_providers_send_and_kills_cost_no_pair_and_nothing_twice(server: FaultyServer, place: Place):
    """A tenth of the problems is refused for good; of the other requests, the first gets one of ten faults."""
    place.write_problems(60)
    rng = random.Random(1)
    gone = {f"p{10 * tenth + tenth % 7:03d}": REFUSALS[tenth % len(REFUSALS)] for tenth in range(6)}
    faults: dict[str, Fault] = {}

    def fault(prompt: str) -> Fault | None:
        name = next((name for name in gone if f"question of {name}\n" in prompt and "final_answer" in prompt), None)
        if name is not None:
            return gone[name]
        if server.requests[prompt] > 1:
            return None
        return faults.setdefault(prompt, rng.choice(list(WORLD.values())))

    server.fault, server.delay = fault, 0.02
    kills, runs, concurrency = 0, 0, 6
    said = ""
    while not place.output.exists():
        runs += 1
        assert runs < 200
        rules = {"on_refusal": "skip", "min_success_rate": 0.9}
        with start(server, place, concurrency=concurrency, timeout=5, **rules) as process:
            alive = server.requests.total()
            life = rng.uniform(0.2, 0.6)
            while process.poll() is None and server.requests.total() == alive:
                time.sleep(0.005)
            try:
                process.wait(life)
            except subprocess.TimeoutExpired:
                process.kill()
                kills += 1
            said = process.stderr.read()
    assert kills >= 3
    assert [record.problem for record in written(place)] == [f"p{i:03d}" for i in range(60) if f"p{i:03d}" not in gone]
    assert set(facts(place)["skipped"]) == set(gone)
    assert {name: said.count(f"  {name}: reverse_question:") for name in gone} == dict.fromkeys(gone, 1)
    assert said.count("unknown finish_reason 'weather'") == said.count("no usable token counts") == 1
    assert not any(mark in place.output.read_text() for mark in ("think>", "<|im", "▁", "\\ud83d", "\\udcaf"))
    assert "😀" in place.output.read_text()
    # A kill loses only the answers in flight.
    assert sum(number - 1 for number in server.answered.values()) <= concurrency * kills
    assert all(number <= 1 + kills for number in server.answered.values())
    before = server.total
    place.output.unlink()
    invert(teacher=server.teacher(**rules), **place.paths)
    assert server.total - before <= 1, "only the request that was refused for an unknown reason is sent again"


def test_a_stopped_run_keeps_its_answers(server: FaultyServer, place: Place):
    place.write_problems(30)
    server.delay = 0.02
    server.fail("if not question of p003", status(402, "Insufficient Balance"))
    with pytest.raises(
        TeacherError, match=r"p003: HTTP 402 .*Insufficient Balance; the account of the key in"
    ) as caught:
        invert(teacher=server.teacher(concurrency=3), **place.paths)
    assert "a rerun sends only the remaining requests" in str(caught.value)
    assert server.total < 20
    bought = set(server.answered)
    with Journal(place.journal) as journal:
        assert len(journal) == len(bought)
    invert(teacher=server.teacher(), **place.paths)
    assert all(server.answered[prompt] == 1 for prompt in server.answered)
    assert len(written(place)) == 30


@pytest.mark.slow
def test_server_errors_are_retried(server: FaultyServer, place: Place):
    place.write_problems(3)
    server.fail("p001", status(500), status(429, headers={"Retry-After": "1"}))
    invert(teacher=server.teacher(), **place.paths)
    assert len(written(place)) == 3
    assert server.total == 8


@pytest.mark.slow
def test_a_kill_loses_at_most_the_requests_in_flight(server: FaultyServer, place: Place):
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


def test_answers_journalled_before_a_kill_are_not_requested_again(server: FaultyServer, place: Place):
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


@pytest.mark.slow
def test_concurrent_runs_send_no_request_twice(server: FaultyServer, place: Place):
    gate = threading.Event()
    server.fail(
        "question of p000\n", lambda handler, chat_request: gate.wait(60) and ChatHandler.answer(handler, chat_request)
    )
    place.write_problems(10)
    with start(server, place) as first:
        while server.total == 0:
            time.sleep(0.005)
        with start(server, place) as second:
            assert "another process holds the lock" in second.stderr.readline()
            gate.set()
            first.communicate()
            second.communicate()
    assert (first.returncode, second.returncode) == (0, 0)
    assert server.total == 20
