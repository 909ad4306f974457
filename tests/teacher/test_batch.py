"""The Batch API: inversions, judges and paraphrases through files and batches, with what providers do to them."""

import json
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from batch_server import BatchServer, batch_server, half_sent, http, left_out, message, status, unanswered, web_page
from faulty_teacher import KEY, KEY_VARIABLE, Place
from inversions import facts, written

from examples import make_both
from r1k.config import Client, Judge
from r1k.errors import TeacherError
from r1k.teacher.batch import run
from r1k.teacher.batch.provider import Polling
from r1k.teacher.client import RetryPolicy
from r1k.teacher.inversion import invert
from r1k.teacher.journal import Journal
from r1k.teacher.judge import judge_pairs

QUICK = Polling(first_wait=0.01, max_wait=0.02, max_silence=2.0, listing_lag=0.1)
HASTY = RetryPolicy(max_attempts=3, initial_wait=0.01, max_wait=0.05, max_consecutive_failures=2)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[BatchServer]:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(run, "DEFAULT_POLLING", QUICK)
    monkeypatch.setattr(run, "DEFAULT_RETRIES", HASTY)
    with batch_server() as one:
        yield one


def open_files(place: Place) -> list[Path]:
    return sorted(place.journal.with_name("journal.batches").glob("*"))


def bought_once(server: BatchServer) -> bool:
    return set(server.bought.values()) == {1}


def test_two_batches_make_all_pairs(server: BatchServer, place: Place):
    place.write_problems(7)
    invert(teacher=server.teacher(), **place.paths)
    records = written(place)
    assert [record.problem for record in records] == [f"p{index:03d}" for index in range(7)]
    question = "What has the answer answer of p003, if not question of p003"
    assert (records[3].question, records[3].reasoning) == (question, f"Let me think of {question}")
    assert records[3].answer == f"It is {question.upper()}"
    assert server.calls["upload"] == server.calls["create"] == len(server.batches) == 2
    assert bought_once(server) and server.bought.total() == 14
    assert facts(place)["requests"] == {"sent": 14, "from_journal": 0}
    assert open_files(place) == []
    with Journal(place.journal) as journal:
        entries = [journal.get(key) for record in records for key in record.teacher_metadata.requests]
    assert {entry.batch for entry in entries} == set(server.batches)
    assert {entry.max_tokens for entry in entries} == {500}


def test_the_requests_are_those_of_the_chat_client(server: BatchServer, place: Place):
    place.write_problems(1)
    invert(teacher=server.teacher(temperature=0.5), **place.paths)
    first = json.loads(server.files[next(iter(server.batches.values()))["input_file_id"]])
    assert first["body"]["temperature"] == 0.5 and first["body"]["max_tokens"] == 500
    assert first["body"]["messages"][0]["role"] == "user" and set(first["body"]) == {
        "model",
        "messages",
        "temperature",
        "max_tokens",
    }
    invert(teacher=server.teacher(temperature=0.5, batch=None), **place.paths)
    assert server.bought.total() == 2


def test_a_second_run_sends_nothing_and_needs_neither_server_nor_key(
    server: BatchServer, place: Place, monkeypatch: pytest.MonkeyPatch
):
    place.write_problems(3)
    invert(teacher=server.teacher(), **place.paths)
    first = place.output.read_bytes()
    place.output.unlink()
    monkeypatch.delenv(KEY_VARIABLE)
    invert(teacher=server.teacher().model_copy(update={"base_url": "http://127.0.0.1:9/v1"}), **place.paths)
    assert place.output.read_bytes() == first
    assert facts(place)["requests"] == {"sent": 0, "from_journal": 6}


def test_results_in_any_order_and_with_any_characters_are_read(server: BatchServer, place: Place):
    place.write_problems(20)
    server.reorder = lambda lines: random.Random(0).sample(lines, len(lines))
    server.ensure_ascii = False
    text = "So \u2028 what \x85 is ½ of 𝟚\u0085?"
    server.fail("question of p004\n", message(content=text))
    invert(teacher=server.teacher(), **place.paths)
    assert len(written(place)) == 20
    assert written(place)[4].question == text
    assert bought_once(server)


def test_an_invalid_byte_costs_no_answer(server: BatchServer, place: Place):
    place.write_problems(4)
    server.fail("question of p002\n", message(content="Why \ud83d is it?"))
    server.fail("question of p001\n", message(content="Why §?"))
    server.ensure_ascii = False
    server.spoil = lambda content: content.replace("§".encode(), b"\xff")
    invert(teacher=server.teacher(), **place.paths)
    assert [record.question for record in written(place)][1:3] == ["Why \ufffd?", "Why \ufffd\ufffd\ufffd is it?"]
    assert bought_once(server)


def test_duplicate_and_foreign_lines_do_no_harm(server: BatchServer, place: Place, capsys):
    place.write_problems(3)
    foreign = {"id": "x", "custom_id": "another", "response": {"status_code": 200, "body": {}}, "error": None}
    server.reorder = lambda lines: [*lines, *lines, foreign]
    invert(teacher=server.teacher(), **place.paths)
    assert len(written(place)) == 3
    assert len(place.journal.read_text().splitlines()) == 6
    assert 'line 7 is no result of one of its requests: \'{"id": "x"' in capsys.readouterr().err


@pytest.mark.parametrize(
    "fault",
    [
        status(429),
        status(500),
        status(503, "overloaded"),
        unanswered("batch_expired"),
        lambda line: line | {"response": None, "error": "shard lost"},
        lambda line: line | {"response": None, "error": None},
        unanswered("batch_cancelled"),
        left_out,
        message("insufficient_system_resource", content=""),
        lambda line: line | {"response": {"status_code": 200, "body": {"choices": None}}},
        lambda line: line | {"response": {"status_code": 200, "body": "<html>"}},
    ],
)
def test_partial_failures_are_sent_again_and_nothing_else_is(server: BatchServer, place: Place, fault):
    place.write_problems(5)
    server.fail("question of p001\n", fault, fault)
    server.fail("if not question of p003", fault)
    invert(teacher=server.teacher(), **place.paths)
    assert len(written(place)) == 5
    sent_again = {prompt for prompt, number in server.attempts.items() if number > 1}
    assert len(sent_again) == 2
    with Journal(place.journal) as journal:
        assert len(journal) == 10


@pytest.mark.parametrize("end", ["expired", "cancelled"])
def test_a_batch_that_ends_early_keeps_its_answers(server: BatchServer, place: Place, end: str):
    place.write_problems(6)
    server.statuses = ("in_progress", end)
    server.fault = lambda prompt, attempt: (
        unanswered(f"batch_{end}") if attempt == 1 and hash(prompt) % 2 == 0 else None
    )
    invert(teacher=server.teacher(), **place.paths)
    assert len(written(place)) == 6
    assert bought_once(server)


def test_attempts_are_bounded_and_the_others_are_kept(server: BatchServer, place: Place):
    place.write_problems(4)
    server.fault = lambda prompt, attempt: status(500, "shard lost") if "question of p002\n" in prompt else None
    with pytest.raises(TeacherError, match=r"(?s)1 of 4 problems .*p002: .*shard lost \(3 attempts\); run again later"):
        invert(teacher=server.teacher(), **place.paths)
    assert server.bought.total() == 6 and bought_once(server)
    assert max(server.attempts.values()) == 3
    server.fault = lambda prompt, attempt: None
    invert(teacher=server.teacher(), **place.paths)
    assert len(written(place)) == 4 and bought_once(server)


def test_a_refused_prompt_is_journalled_and_blocks_nothing(server: BatchServer, place: Place):
    place.write_problems(4)
    server.fail("question of p001\n", status(400, "Content Exists Risk", "invalid_request_error"))
    server.fail("question of p002\n", message("content_filter", content=""))
    invert(teacher=server.teacher(on_refusal="skip", min_success_rate=0.5), **place.paths)
    assert [record.problem for record in written(place)] == ["p000", "p003"]
    assert set(facts(place)["skipped"]) == {"p001", "p002"}
    invert(teacher=server.teacher(on_refusal="skip", min_success_rate=0.5), **place.paths)
    assert max(server.attempts.values()) == 1


def test_truncated_answers_are_asked_again_with_twice_the_limit(server: BatchServer, place: Place):
    place.write_problems(3)
    server.fail("if not question of p001", message("length", content="half"), message("length", content="half"))
    invert(teacher=server.teacher(on_truncation="retry", max_tokens_cap=4000), **place.paths)
    assert len(written(place)) == 3
    limits = [
        json.loads(line)["body"]["max_tokens"]
        for batch in server.batches.values()
        for line in server.files[batch["input_file_id"]].splitlines()
    ]
    assert sorted(limits) == [500] * 6 + [1000, 2000]
    assert facts(place)["requests"]["sent"] == 8


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (
            status(401, "Incorrect API key", "invalid_api_key"),
            f"put a valid key in the environment variable {KEY_VARIABLE}",
        ),
        (status(402, "Insufficient Balance"), "no credit left"),
        (status(400, "Unknown parameter: 'temperature'", "unknown_parameter"), "correct teacher.temperature"),
    ],
)
def test_what_is_true_of_every_request_stops_the_run_after_the_answers_are_kept(
    server: BatchServer, place: Place, fault, expected
):
    place.write_problems(4)
    server.fail("question of p002\n", fault)
    with pytest.raises(TeacherError, match=rf"(?s)p002: .*{expected}.*Its 3 answers are in .*journal\.jsonl"):
        invert(teacher=server.teacher(), **place.paths)
    assert server.calls["create"] == 1
    assert open_files(place) == []
    invert(teacher=server.teacher(), **place.paths)
    assert len(written(place)) == 4 and bought_once(server)


def test_a_failed_batch_names_line_and_message(server: BatchServer, place: Place):
    place.write_problems(2)
    expected = (
        r"batch batch_\w+ failed: line 1 \(p000\): The provided model 'wrong' is not supported by the Batch API\.; "
        r"correct teacher\.base_url or teacher\.model"
    )
    with pytest.raises(TeacherError, match=expected):
        invert(teacher=server.teacher(model="wrong"), **place.paths)
    assert server.bought.total() == 0 and open_files(place) == []


def test_a_full_queue_gets_smaller_batches(server: BatchServer, place: Place, capsys):
    place.write_problems(10)
    server.queue_limit = 3
    invert(teacher=server.teacher(), **place.paths)
    assert len(written(place)) == 10 and bought_once(server)
    assert "Enqueued token limit reached" in capsys.readouterr().err
    server.queue_limit = 0
    place.write_problems(11)
    with pytest.raises(TeacherError, match="Enqueued token limit reached"):
        invert(teacher=server.teacher(), **place.paths)


def test_batches_are_split_at_the_providers_limits(server: BatchServer, place: Place, monkeypatch: pytest.MonkeyPatch):
    place.write_problems(10)
    monkeypatch.setattr(run, "MAX_REQUESTS", 4)
    invert(teacher=server.teacher(), **place.paths)
    sizes = [len(server.files[batch["input_file_id"]].splitlines()) for batch in server.batches.values()]
    assert max(sizes) == 4 and sum(sizes) == 20
    monkeypatch.setattr(run, "MAX_BYTES", 1200)
    place.write_problems(15)
    invert(teacher=server.teacher(), **place.paths)
    assert max(len(content) for content in list(server.files.values())[-12:]) <= 1200 or bought_once(server)
    assert len(written(place)) == 15 and bought_once(server)


def test_a_ceiling_holds_requests_back_until_the_answers_before_them_are_paid(
    server: BatchServer, place: Place, capsys
):
    place.write_problems(12)
    priced = {"max_tokens": 500, "input_price": 1.0, "output_price": 10.0}
    invert(teacher=server.teacher(**priced, max_dollars=0.03), **place.paths)
    assert len(written(place)) == 12 and bought_once(server)
    assert "requests wait for the answers before them: the ceiling of $0.03" in capsys.readouterr().err
    assert len(server.batches) > 2
    assert facts(place)["dollars"] <= 0.03
    for batch in server.batches.values():
        assert len(server.files[batch["input_file_id"]].splitlines()) * 0.005 <= 0.03


def test_a_ceiling_stops_before_an_upload_that_it_has_no_room_for(server: BatchServer, place: Place):
    place.write_problems(3)
    with pytest.raises(TeacherError, match=r"the ceiling of 400 tokens leaves no room .*teacher\.client\.max_dollars"):
        invert(teacher=server.teacher(max_total_tokens=400), **place.paths)
    assert server.calls.total() == 0
    with pytest.raises(TeacherError, match=r"the ceiling of 1,800 tokens leaves no room"):
        invert(teacher=server.teacher(max_total_tokens=1800), **place.paths)
    used = sum(json.loads(line)["usage"]["total_tokens"] for line in place.journal.read_text().splitlines())
    assert 0 < used <= 1800


@pytest.mark.parametrize("code", [404, 405])
@pytest.mark.parametrize("step", ["upload", "create"])
def test_a_provider_without_a_batch_api_is_named(server: BatchServer, place: Place, code: int, step: str):
    place.write_problems(1)
    server.http_faults[step].append(http(code, "Not Found"))
    with pytest.raises(
        TeacherError, match=rf"HTTP {code} from {server.url}: .*no Batch API.*remove teacher\.client\.batch"
    ):
        invert(teacher=server.teacher(), **place.paths)
    assert server.bought.total() == 0


@pytest.mark.parametrize("step", ["upload", "create", "retrieve", "content"])
@pytest.mark.parametrize("fault", [http(500), http(429, headers={"Retry-After": "0.01"}), web_page, half_sent, "lost"])
def test_calls_that_fail_for_a_passing_reason_are_repeated_and_buy_nothing_twice(
    server: BatchServer, place: Place, step: str, fault
):
    place.write_problems(3)
    server.http_faults[step].extend([fault, fault])
    invert(teacher=server.teacher(), **place.paths)
    assert len(written(place)) == 3
    assert bought_once(server) and len(server.batches) == 2


def test_a_page_in_place_of_the_results_is_not_taken_for_them(server: BatchServer, place: Place):
    place.write_problems(3)
    server.http_faults["content"].extend([web_page] * 3)
    with pytest.raises(TeacherError, match=r"line 1 is no result of one of its requests: '<html>"):
        invert(teacher=server.teacher(), **place.paths)
    invert(teacher=server.teacher(), **place.paths)
    assert len(written(place)) == 3 and bought_once(server)


def test_results_that_are_named_after_the_end_are_awaited(server: BatchServer, place: Place):
    place.write_problems(3)
    create = server.create

    def late(wanted):
        shown = create(wanted)
        batch = server.batches[shown["id"]]
        files = {key: batch["_result"].pop(key) for key in ("output_file_id", "error_file_id")}
        threading.Timer(0.1, batch["_result"].update, [files]).start()
        return shown

    server.create = late
    invert(teacher=server.teacher(), **place.paths)
    assert len(written(place)) == 3 and bought_once(server)


def test_a_silent_provider_ends_the_run_and_the_next_run_collects(server: BatchServer, place: Place):
    place.write_problems(3)
    server.statuses = ("in_progress",)
    server.http_faults["retrieve"].extend([http(502)] * 500)
    with pytest.raises(TeacherError, match=r"(?s)sent no status of a batch for 2 s.*In flight.*batch_\w+: 3 requests"):
        invert(teacher=server.teacher(), **place.paths)
    server.http_faults["retrieve"].clear()
    server.statuses = ("completed",)
    for batch in server.batches.values():
        batch["_statuses"] = ["completed"]
    invert(teacher=server.teacher(), **place.paths)
    assert len(written(place)) == 3 and bought_once(server)


def test_an_unknown_batch_is_not_sent_again_by_itself(server: BatchServer, place: Place):
    place.write_problems(2)
    server.http_faults["content"].extend([http(400, "unknown file")] * 9)
    with pytest.raises(TeacherError):
        invert(teacher=server.teacher(), **place.paths)
    server.batches.clear()
    server.http_faults["content"].clear()
    with pytest.raises(TeacherError, match=r"HTTP 404 .*remove .*requests\.jsonl to send and pay its 2 requests again"):
        invert(teacher=server.teacher(), **place.paths)
    assert server.calls["create"] == 1
    next(path for path in open_files(place) if path.name.endswith(".requests.jsonl")).unlink()
    invert(teacher=server.teacher(), **place.paths)
    assert len(written(place)) == 2


def test_without_batch_what_is_in_flight_is_not_bought(server: BatchServer, place: Place):
    place.write_problems(2)
    server.http_faults["content"].extend([http(400, "unknown file")] * 9)
    with pytest.raises(TeacherError):
        invert(teacher=server.teacher(), **place.paths)
    with pytest.raises(TeacherError, match=r"batch batch_\w+ .* holds 2 of these requests; set teacher\.client\.batch"):
        invert(teacher=server.teacher(batch=None), **place.paths)
    with pytest.raises(TeacherError, match=r"use that base_url and api_key_env to collect"):
        invert(teacher=server.teacher(base_url=server.url.replace("127.0.0.1", "localhost")), **place.paths)
    server.http_faults["content"].clear()
    invert(teacher=server.teacher(), **place.paths)
    assert len(written(place)) == 2 and bought_once(server)


def test_an_interrupt_leaves_the_batch_and_says_so(server: BatchServer, place: Place, monkeypatch):
    place.write_problems(3)
    server.statuses = ("in_progress",)
    wait = time.sleep

    def interrupted(seconds):
        if server.calls["retrieve"] > 3:
            raise KeyboardInterrupt
        wait(seconds)

    monkeypatch.setattr(run.time, "sleep", interrupted)
    expected = r"(?s)interrupted.*a rerun collects the answers:\n  batch batch_\w+: 3 requests"
    with pytest.raises(TeacherError, match=expected):
        invert(teacher=server.teacher(), **place.paths)
    monkeypatch.undo()


def test_the_key_is_in_no_file_and_no_message(server: BatchServer, place: Place, capsys):
    place.write_problems(3)
    server.fail("question of p000\n", message(content=f"Use {KEY} to ask"))
    server.fail("question of p001\n", status(400, f"Content Exists Risk {KEY}"))
    server.http_faults["retrieve"].extend([http(500, echo=True)] * 4)
    invert(teacher=server.teacher(on_refusal="skip", min_success_rate=0.1), **place.paths)
    server.http_faults["upload"].append(http(401, "bad header", echo=True))
    place.write_problems(4)
    with pytest.raises(TeacherError, match=r"bad header Bearer \[key\]") as caught:
        invert(teacher=server.teacher(on_refusal="skip", min_success_rate=0.1), **place.paths)
    assert KEY not in str(caught.value) + capsys.readouterr().err
    assert "Use [key] to ask" in place.journal.read_text()
    files = [path for path in place.s1k.parent.rglob("*") if path.is_file()]
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []


def test_two_runs_wait_at_once_and_share_what_is_in_flight(server: BatchServer, tmp_path: Path):
    """Each judges three pairs, of which the other judges two."""
    both = list(zip(*make_both(4), strict=True))
    server.statuses = (*["in_progress"] * 20, "completed")
    server.fault = lambda prompt, attempt: message(content="Verdict: yes")
    judge = Judge(base_url=server.url, model="riddles", api_key_env=KEY_VARIABLE, client=Client(batch="openai"))
    found = {}

    def judged(number):
        found[number] = judge_pairs(judge, both[number : number + 3], tmp_path / "judge.jsonl")

    jobs = [threading.Thread(target=judged, args=(number,)) for number in (0, 1)]
    for job in jobs:
        job.start()
        time.sleep(0.05)
    for job in jobs:
        job.join()
    assert all(opinion.consistent for opinions in found.values() for opinion in opinions.values())
    assert [len(opinions) for opinions in found.values()] == [3, 3]
    assert server.bought.total() == 4 and bought_once(server)
    assert len(server.batches) == 2
