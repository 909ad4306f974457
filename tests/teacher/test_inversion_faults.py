"""Faulty servers, killed processes and concurrent runs lose no answer and pay for none twice."""

import json
import random
import signal
import subprocess
import threading
import time

import pytest
from faulty_teacher import (
    FaultyServer,
    Place,
    dropped,
    half_sent,
    message,
    raw,
    status,
)
from inversions import start, written

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
