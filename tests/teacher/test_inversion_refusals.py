"""Refused prompts, answers with marks of the model, absent token counts and unknown ends, in whole inversions."""

import asyncio
import json

import pytest
from faulty_teacher import FaultyServer, Place, counted, ended, forward, marked, message, refused
from inversions import facts, written
from test_client import HASTY, endpoint, request
from tqdm import tqdm

from r1k.errors import TeacherError
from r1k.teacher.client import ChatClient
from r1k.teacher.inversion import invert
from r1k.teacher.journal import Journal
from r1k.teacher.requests import run_workers

RISK = refused(400, {"error": {"message": "Content Exists Risk", "code": "invalid_request_error"}})
TOO_LONG = refused(400, {"error": {"message": "maximum context length", "code": "context_length_exceeded"}})
ODD = refused(400, {"error": {"message": "computer says no"}})


def journalled(place: Place, finish_reason: str) -> list[dict]:
    lines = map(json.loads, place.journal.read_text().splitlines())
    return [line for line in lines if line["finish_reason"] == finish_reason]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fault", "finish_reason", "sent_again"),
    [(RISK, "content_filter", 0), (TOO_LONG, "context_length", 0), (ODD, "rejected", 1)],
    ids=["content", "context", "unknown"],
)
def test_a_refused_prompt_is_skipped_journalled_and_named_once(
    server: FaultyServer, place: Place, capsys, fault, finish_reason, sent_again, stream
):
    place.write_problems(6)
    server.fault = lambda prompt: fault if "question of p002\n" in prompt else None
    leaving = {"on_refusal": "skip", "min_success_rate": 0.5, "stream": stream, "input_price": 1.0, "output_price": 2.0}
    invert(teacher=server.teacher(**leaving), **place.paths)
    assert [record.problem for record in written(place)] == ["p000", "p001", "p003", "p004", "p005"]
    assert server.total == 11
    (entry,) = journalled(place, finish_reason)
    assert (entry["answer"], entry["usage"], entry["cost"], entry["billed"]) == ("", None, 0.0, False)
    assert entry["refusal"].startswith(f"HTTP 400 from {server.url}: ")
    assert capsys.readouterr().err.count("p002: reverse_question: the prompt was refused") == 1
    assert list(facts(place)["skipped"]) == ["p002"]
    invert(teacher=server.teacher(**leaving), **place.paths)
    assert server.total == 11 + sent_again
    assert len(written(place)) == 5


def test_on_refusal_fail_names_the_problem_after_all_others_are_answered(server: FaultyServer, place: Place):
    place.write_problems(6)
    server.fault = lambda prompt: RISK if "question of p000\n" in prompt else None
    with pytest.raises(
        TeacherError, match=r"1 of 6 .*\n  p000: reverse_question: the prompt was refused: .*set teacher\.on_refusal"
    ):
        invert(teacher=server.teacher(concurrency=1), **place.paths)
    assert server.total == 11
    server.fault = lambda prompt: None
    invert(teacher=server.teacher(), **place.paths)
    assert server.total == 13 and len(written(place)) == 6


def test_a_prompt_that_is_too_long_is_sent_again_only_with_a_lower_limit(server: FaultyServer, place: Place):
    place.write_problems(3)
    server.fail("question of p001\n", TOO_LONG)
    for _ in range(2):
        with pytest.raises(TeacherError, match=r"p001: .*; lower teacher\.max_tokens below 500"):
            invert(teacher=server.teacher(), **place.paths)
        assert server.total == 5
    invert(teacher=server.teacher(max_tokens=400), **place.paths)
    assert server.total == 7 and len(written(place)) == 3


def test_max_tokens_that_is_too_high_for_every_prompt_stops_the_run(server: FaultyServer, place: Place):
    place.write_problems(40)
    server.fault = lambda prompt: TOO_LONG
    with pytest.raises(TeacherError, match=r"the first 8 requests were all refused; lower teacher\.max_tokens"):
        invert(teacher=server.teacher(concurrency=2, on_refusal="skip"), **place.paths)
    assert server.total <= 9
    server.fault = lambda prompt: None
    invert(teacher=server.teacher(max_tokens=400, on_refusal="skip"), **place.paths)
    assert len(written(place)) == 40


def test_a_setting_that_no_request_passes_stops_the_run(server: FaultyServer, place: Place):
    place.write_problems(40)
    server.fault = lambda prompt: ODD
    with pytest.raises(TeacherError, match=r"computer says no; the first 8 requests were all refused; correct teacher"):
        invert(teacher=server.teacher(concurrency=2, on_refusal="skip"), **place.paths)
    assert server.total <= 9
    server.fault = lambda prompt: None
    invert(teacher=server.teacher(on_refusal="skip"), **place.paths)
    assert len(written(place)) == 40


@pytest.mark.parametrize("fault", [TOO_LONG, ODD], ids=["context", "unknown"])
def test_a_limit_that_the_server_refuses_keeps_the_truncated_answer(server: FaultyServer, place: Place, fault):
    place.write_problems(2)
    server.fail("question of p001\n", message("length", content="half"), *[fault] * 2)
    raising = {"on_truncation": "retry", "max_tokens_cap": 900}
    for total in (4, 5):
        with pytest.raises(TeacherError, match=r"p001: .*truncated .*refuses a limit of 900: HTTP 400"):
            invert(teacher=server.teacher(**raising), **place.paths)
        assert server.total == total
    assert len(journalled(place, "length")) == 1 and len(place.journal.read_text().splitlines()) == 3


def test_a_key_that_has_worked_is_not_to_blame_for_one_prompt(server: FaultyServer, place: Place):
    place.write_problems(3)
    server.fail("question of p001\n", refused(403, {"error": {"message": "forbidden"}}))
    invert(teacher=server.teacher(concurrency=1, on_refusal="skip", min_success_rate=0.5), **place.paths)
    assert [record.problem for record in written(place)] == ["p000", "p002"]


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": 0, "completion_tokens": 0}, {"prompt_tokens": "many"}])
def test_a_ceiling_holds_without_token_counts(server: FaultyServer, place: Place, usage):
    place.write_problems(20)
    server.fault = lambda prompt: counted(usage)
    ceiling = {"max_tokens": 100, "max_total_tokens": 9000, "input_price": 1.0, "output_price": 2.0}
    for _ in range(2):
        with pytest.raises(TeacherError, match=r"the ceiling of 9,000 tokens .* of \d+ answers estimated\) spent"):
            invert(teacher=server.teacher(**ceiling), **place.paths)
    entries = [json.loads(line) for line in place.journal.read_text().splitlines()]
    assert 2 <= len(entries) == server.total <= 14
    with Journal(place.journal) as journal:
        counts = [journal.get(entry["key"]).tokens for entry in entries]
    assert sum(each.prompt + each.completion for each in counts) <= 9000
    assert all(entry["estimated"] and entry["cost"] > 0 for entry in entries)


def test_estimated_tokens_are_at_least_those_of_the_texts_and_said_once(server: FaultyServer, place: Place, capsys):
    place.write_problems(4)
    server.fail("question of p001\n", counted(None))
    server.fail("if not question of p002", counted({"prompt_tokens": "7", "completion_tokens": 9.0}))
    invert(teacher=server.teacher(input_price=1.0, output_price=2.0), **place.paths)
    assert capsys.readouterr().err.count("no usable token counts for 1 of 8 answers") == 1
    assert facts(place)["tokens"]["answers_without_count"] == 1
    (entry,) = [line for line in map(json.loads, place.journal.read_text().splitlines()) if line["estimated"]]
    prompt, answer = entry["request"]["messages"][0]["content"], entry["answer"]
    assert entry["cost"] == pytest.approx((len(prompt) + 64 + 2 * len(answer)) / 1e6)


def test_an_unknown_finish_reason_is_kept_said_once_and_not_bought_again(server: FaultyServer, place: Place, capsys):
    place.write_problems(3)
    server.fail("if not question of p001", ended("weather"))
    for _ in range(2):
        invert(teacher=server.teacher(stream=False), **place.paths)
        assert capsys.readouterr().err.count("1 of 6 answers end with the unknown finish_reason 'weather'") == 1
    assert server.total == 6
    assert [record.teacher_metadata.finish_reason for record in written(place)] == ["stop", "weather", "stop"]


def test_marks_within_an_answer_fail_its_problem_or_skip_it(server: FaultyServer, place: Place):
    place.write_problems(4)
    server.fault = lambda prompt: (
        marked("", "<|im_end|>\n<|im_start|>user") if "if not question of p001" in prompt else None
    )
    server.fail("question of p002\n", message(content="<think>a</think>What<think>b</think>is it"))
    with pytest.raises(TeacherError) as caught:
        invert(teacher=server.teacher(), **place.paths)
    lines = str(caught.value).splitlines()
    assert lines[1].startswith(
        "  p001: solve: the answer contains the model's own marks <|im_end|>, <|im_start|> as text; run again"
    )
    assert lines[2].startswith(
        "  p002: reverse_question: the reasoning contains the model's own marks </think>, <think>"
    )
    assert server.total == 7
    invert(teacher=server.teacher(on_malformed="skip", min_success_rate=0.5), **place.paths)
    assert [record.problem for record in written(place)] == ["p000", "p003"]
    assert set(facts(place)["skipped"]) == {"p001", "p002"}
    assert server.total == 7


def test_an_error_of_one_item_takes_no_other_down(server: FaultyServer, capsys):
    failures, done = {}, []

    async def do(client: ChatClient, item: int) -> None:
        if item == 1:
            raise KeyError("surprise")
        done.append(await client.complete(request(f"q{item}")))

    async def run():
        async with ChatClient(endpoint(server), HASTY) as client:
            with tqdm(total=6) as progress:
                items = [(f"p{i}", i) for i in range(6)]
                return await run_workers(items, do, failures.__setitem__, client, progress)

    assert asyncio.run(run()) is None
    assert len(done) == 5
    assert list(failures) == ["p1"]
    assert failures["p1"].startswith("unexpected KeyError: 'surprise' (at test_inversion_refusals.py:")


def test_a_journal_of_an_earlier_version_is_read(server: FaultyServer, place: Place):
    place.write(forward("p000"))
    invert(teacher=server.teacher(), **place.paths)
    lines = [json.loads(line) for line in place.journal.read_text().splitlines()]
    for line in lines:
        del line["estimated"], line["billed"]
    place.journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    place.output.unlink()
    invert(teacher=server.teacher(), **place.paths)
    assert server.total == 2 and len(written(place)) == 1
