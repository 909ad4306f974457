"""kill -9 at each step of a batch: no answer is lost, and none is bought twice."""

import multiprocessing
import os
import random
import signal
import threading
from collections.abc import Iterator
from multiprocessing.process import BaseProcess

import pytest
from batch_server import BatchServer, batch_server, left_out, message, status, unanswered
from faulty_teacher import KEY, KEY_VARIABLE, Place
from inversions import written

from r1k.teacher.batch import collect, run
from r1k.teacher.batch.open_batches import OpenBatches
from r1k.teacher.batch.provider import Polling
from r1k.teacher.inversion import invert
from r1k.teacher.journal import Journal

QUICK = Polling(first_wait=0.005, max_wait=0.02, listing_lag=0.1)
FORK = multiprocessing.get_context("fork")

Point = tuple[type, str, str, int]
"""A method, when in it (before, after), and the number of the call."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[BatchServer]:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(run, "DEFAULT_POLLING", QUICK)
    monkeypatch.setattr(collect, "JOURNALLED_AT_ONCE", 2)
    with batch_server() as one:
        yield one


def die_at(point: Point) -> None:
    """Kill this process at a call."""
    owner, name, when, number = point
    method, calls = getattr(owner, name), iter(range(1000))

    def dying(*args):
        last = next(calls) == number
        if last and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = method(*args)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, dying)


def start(server: BatchServer, place: Place, point: Point | None = None, **changes) -> BaseProcess:
    """Start an inversion in a process of its own, which dies at the point."""

    def job():
        if point is not None:
            die_at(point)
        invert(teacher=server.teacher(**changes), **place.paths)

    process = FORK.Process(target=job)
    process.start()
    return process


def check(server: BatchServer, place: Place, problems: int) -> None:
    assert [record.problem for record in written(place)] == [f"p{index:03d}" for index in range(problems)]
    assert server.bought.total() == 2 * problems and set(server.bought.values()) == {1}
    with Journal(place.journal) as journal:
        assert len(journal) == len(place.journal.read_text().splitlines()) == 2 * problems
        # The files of a batch that was killed just before their removal stay until the next run that sends something.
        for batch in OpenBatches(place.journal):
            assert {journal.get(key).batch for key in batch.keys} == {batch.id}


OWN_POINTS = [
    *(
        (OpenBatches, name, when, number)
        for name in ("add", "set_ids", "remove")
        for when in ("before", "after")
        for number in (0, 1)
    ),
    *((Journal, "append_all", when, number) for when in ("before", "after") for number in (0, 1, 3)),
]


@pytest.mark.parametrize("point", OWN_POINTS, ids=lambda point: f"{point[2]} {point[1]} {point[3]}")
def test_a_kill_between_two_steps_costs_nothing(server: BatchServer, place: Place, point: Point):
    place.write_problems(5)
    killed = start(server, place, point)
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    invert(teacher=server.teacher(), **place.paths)
    check(server, place, 5)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", ["upload", "create", "retrieve", "content"])
def test_a_kill_during_a_call_costs_nothing(server: BatchServer, place: Place, step: str, when: str):
    place.write_problems(5)
    killed: list[BaseProcess] = []
    started = threading.Event()

    def kill():
        started.wait(10)
        os.kill(killed[0].pid or 0, signal.SIGKILL)

    server.steps[step, when] = kill
    killed.append(start(server, place))
    started.set()
    killed[0].join()
    assert killed[0].exitcode == -signal.SIGKILL
    server.steps.clear()
    invert(teacher=server.teacher(), **place.paths)
    check(server, place, 5)
    assert len(server.batches) == 2


def test_a_kill_while_the_batch_is_looked_for_costs_nothing(server: BatchServer, place: Place):
    place.write_problems(5)
    for point in ((OpenBatches, "set_ids", "before", 1), (OpenBatches, "set_ids", "before", 0)):
        killed = start(server, place, point)
        killed.join()
        assert killed.exitcode == -signal.SIGKILL
    for number in range(150):
        server.batches[f"other{number}"] = {"id": f"other{number}", "status": "completed", "created_at": 1e10}
    server.page = 20
    invert(teacher=server.teacher(), **place.paths)
    assert server.calls["list"] > 8
    for number in range(150):
        del server.batches[f"other{number}"]
    check(server, place, 5)


CHAOS = [
    status(429),
    status(500),
    unanswered("batch_expired"),
    left_out,
    message("insufficient_system_resource", content="half"),
    lambda line: line | {"response": {"status_code": 200, "body": None}},
]


@pytest.mark.slow
def test_after_faults_and_kills_every_problem_has_its_pair_and_nothing_is_bought_twice(
    server: BatchServer, place: Place
):
    """Each request fails first with a probability of 0.6, and the run is killed at a random moment again and again."""
    place.write_problems(40)
    rng = random.Random(0)
    server.fault = lambda prompt, attempt: rng.choice([*CHAOS, None, None, None, None]) if attempt == 1 else None
    server.reorder = lambda lines: rng.sample(lines, len(lines))
    kills = 0
    while not place.output.exists():
        point = rng.choice(OWN_POINTS)
        running = start(server, place, point)
        running.join(rng.uniform(0.05, 0.5))
        if running.exitcode is None:
            running.kill()
            running.join()
        kills += running.exitcode == -signal.SIGKILL
        assert kills < 300
    assert kills >= 5
    assert [record.problem for record in written(place)] == [f"p{index:03d}" for index in range(40)]
    assert len(server.bought) == 80 and set(server.bought.values()) == {1}
    with Journal(place.journal) as journal:
        assert len(journal) == len(place.journal.read_text().splitlines()) == 80
