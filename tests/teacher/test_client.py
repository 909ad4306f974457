import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from faulty_teacher import KEY, KEY_VARIABLE, FaultyServer, Riddles, dropped, half_sent, message, raw, refused, status

from r1k.errors import TeacherError
from r1k.teacher.budget import Budget, Prices
from r1k.teacher.client import ChatClient, Endpoint, RetryPolicy
from r1k.teacher.journal import ChatMessage, Request, RunStoppedError

HASTY = RetryPolicy(max_attempts=3, initial_wait=0.01, max_wait=0.05, max_consecutive_failures=2)
HTML = raw(200, b"<html>Bad gateway</html>", "text/html")


def request(question="q"):
    return Request(
        prompt_name="solve", prompt_digest="p", model=Riddles.model, messages=[ChatMessage(content=question)]
    )


def endpoint(server, **changes):
    settings = {"base_url": server.url, "timeout": 10, "max_tokens": 50, "api_key_env": KEY_VARIABLE}
    settings |= {"concurrency": 2} | changes
    return Endpoint(model=Riddles.model, key=KEY, **settings)


@pytest.fixture(params=[False, True], ids=["at once", "streamed"])
def stream(request) -> bool:
    return request.param


def complete(server, *questions, retry_policy=HASTY, budget=None, **changes):
    """Send requests one after another; return the last answer."""

    async def run():
        async with ChatClient(endpoint(server, **changes), retry_policy, budget) as client:
            for question in questions[:-1]:
                with pytest.raises(TeacherError):
                    await client.complete(request(question))
            return await client.complete(request(questions[-1]))

    return asyncio.run(run())


def test_an_answer_is_returned_unchanged(server: FaultyServer, stream):
    entry = complete(server, "q", stream=stream)
    assert (entry.answer, entry.reasoning) == ("It is Q", "Let me think of q")
    assert (entry.finish_reason, entry.max_tokens, entry.key) == ("stop", 50, request().key)
    assert entry.token_count("completion_tokens") == 8
    assert 0 <= entry.seconds < 10


@pytest.mark.parametrize(
    "fault",
    [
        status(408),
        status(409),
        status(429),
        status(500),
        status(503),
        dropped,
        half_sent,
        HTML,
        raw(200, b'{"choices": [', "application/json"),
        raw(200, b'{"error": {"message": "upstream"}}', "application/json"),
        message("insufficient_system_resource", content=""),
    ],
)
def test_transient_errors_are_retried(server: FaultyServer, fault, stream):
    server.fail("q", fault, fault)
    assert complete(server, "q", stream=stream).answer == "It is Q"
    assert server.total == 3


@pytest.mark.parametrize("code", [401, 402, 403, 404])
def test_errors_of_every_request_stop_the_run_at_once(server: FaultyServer, code):
    server.fail("q", status(code, "because"))
    with pytest.raises(RunStoppedError, match=f"HTTP {code} from {server.url}: because; ") as caught:
        complete(server, "q")
    assert server.total == 1
    assert (KEY_VARIABLE in str(caught.value)) == (code in (401, 402, 403))


@pytest.mark.parametrize(
    ("code", "body", "expected"),
    [
        (400, {"error": {"message": "Content Exists Risk"}}, "content_filter"),
        (403, {"error": {"code": 403, "message": "no", "metadata": {"flagged_input": "q"}}}, "content_filter"),
        (400, {"error": {"message": "no", "code": "string_above_max_length"}}, "context_length"),
        (400, {"error": {"message": "because", "code": "x"}}, "rejected"),
        (200, {"choices": None, "error": {"code": 400, "message": "Content Exists Risk"}}, "content_filter"),
    ],
)
def test_a_refused_prompt_is_an_answer_that_costs_nothing(server: FaultyServer, stream, code, body, expected):
    server.fail("q", refused(code, body))
    budget = Budget(Prices(1.0, 10.0))
    entry = complete(server, "q", stream=stream, budget=budget)
    assert (entry.finish_reason, entry.answer, entry.cost, entry.billed) == (expected, "", 0.0, False)
    assert entry.tokens == (0, 0, False)
    assert (budget.tokens, budget.answers, server.total) == (0, 0, 1)


def test_the_key_is_redacted_in_a_refusal(server: FaultyServer):
    server.fail("q", refused(400, {"error": {"message": f"Content Exists Risk in {KEY}"}}))
    assert complete(server, "q").refusal == f"HTTP 400 from {server.url}: Content Exists Risk in [key]"


def events(*lines: bytes):
    """Return a fault that sends only these events."""
    return raw(200, b"".join(b"data: " + line + b"\n\n" for line in lines), "text/event-stream")


PIECE = b'{"choices": [{"index": 0, "delta": {"content": "half an"}, "finish_reason": null}]}'


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (events(PIECE), "the stream ended after 7 characters of the answer"),
        (events(PIECE, b"[DONE]"), "the stream ended after 7 characters"),
        (events(PIECE, b'{"error": {"message": "shard lost"}}'), "in its stream: shard lost"),
        (events(b"{nonsense"), "returned no valid chat completion"),
        (events(b'{"choices": "none"}'), "returned no valid chat completion"),
    ],
)
def test_an_incomplete_stream_is_retried(server: FaultyServer, fault, message):
    server.fail("q", fault)
    assert complete(server, "q", stream=True).answer == "It is Q"
    assert server.total == 2
    server.fail("q", *[fault] * 3)
    with pytest.raises(TeacherError, match=message):
        complete(server, "q", stream=True)


def test_what_a_filter_cut_off_in_a_stream_is_kept_and_paid_for(server: FaultyServer):
    server.fail("q", events(PIECE, b'{"error": {"message": "flagged", "code": "content_filter"}}'))
    entry = complete(server, "q", stream=True, budget=Budget(Prices(1.0, 10.0)))
    assert (entry.answer, entry.finish_reason, entry.billed, entry.estimated) == (
        "half an",
        "content_filter",
        True,
        True,
    )
    assert entry.refusal == f"{server.url}: in its stream: flagged"
    assert entry.cost == pytest.approx((65 + 10 * (len("half an") + len(entry.refusal))) / 1e6, rel=0.5)


def test_bytes_that_are_not_utf8_cost_one_character(server: FaultyServer):
    end = b'{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}'
    server.fail("q", events(PIECE.replace(b"half", b"h\xffalf \xc3\xa9"), end, b"[DONE]"))
    assert complete(server, "q", stream=True).answer == "h\ufffdalf é an"
    server.fail("q", raw(200, b'{"choices": [{"message": {"content": "4\xe4"}}]}', "application/json"))
    assert complete(server, "q").answer == "4\ufffd"


def test_a_server_that_ignores_stream_is_supported(server: FaultyServer):
    body = b'{"choices": [{"message": {"content": "whole"}, "finish_reason": "stop"}]}'
    server.fail("q", raw(200, body, "application/json"))
    assert complete(server, "q", stream=True).answer == "whole"


def test_a_streamed_answer_has_its_usage_and_its_cost(server: FaultyServer):
    entry = complete(server, "q", stream=True, budget=Budget(Prices(1.0, 10.0)))
    assert (entry.token_count("prompt_tokens"), entry.token_count("completion_tokens")) == (1, 8)
    assert entry.cost == pytest.approx(81 / 1e6)


def test_the_key_is_redacted_in_streamed_answers(server: FaultyServer):
    server.fail("q", message(content=f"Use {KEY}", reasoning_content=KEY))
    entry = complete(server, "q", stream=True)
    assert (entry.answer, entry.reasoning) == ("Use [key]", "[key]")


def test_an_overloaded_server_gets_fewer_concurrent_requests(server: FaultyServer):
    async def run():
        async with ChatClient(endpoint(server, concurrency=8), HASTY) as client:
            await client.complete(request("q"))
            return client.rate_limiter.concurrency

    server.fail("q", status(429))
    assert asyncio.run(run()) == 4


def test_an_empty_account_is_not_a_rate_limit(server: FaultyServer):
    server.fail("q", status(429, "quota", error_code="insufficient_quota"))
    with pytest.raises(RunStoppedError, match="no credit left"):
        complete(server, "q")
    assert server.total == 1


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_honoured(server: FaultyServer, form):
    date = format_datetime(datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2), usegmt=True)
    server.fail("q", status(429, headers={"Retry-After": "1" if form == "seconds" else date}))
    begin = time.monotonic()
    complete(server, "q")
    assert 0.9 <= time.monotonic() - begin < 6
    assert server.total == 2


def test_a_retry_after_of_an_hour_stops_the_run(server: FaultyServer):
    server.fail("q", status(429, headers={"Retry-After": "3600"}))
    with pytest.raises(RunStoppedError, match="asks to wait 3600 s"):
        complete(server, "q")


def test_an_invalid_retry_after_is_ignored(server: FaultyServer):
    server.fail("q", status(429, headers={"Retry-After": "soon"}))
    assert complete(server, "q").answer == "It is Q"


def test_retries_are_bounded(server: FaultyServer):
    server.fail("q", *[HTML] * 5)
    with pytest.raises(TeacherError, match=r"no valid chat completion .*Bad gateway.*\(3 attempts\)") as caught:
        complete(server, "q")
    assert not isinstance(caught.value, RunStoppedError)
    assert server.total == 3


def test_a_server_that_is_down_ends_the_run(server: FaultyServer):
    server.fail("q", *[status(503)] * 6)
    with pytest.raises(RunStoppedError, match="2 consecutive requests failed"):
        complete(server, "q1", "q2")


def test_an_unreachable_server_is_named(server: FaultyServer):
    named = r"no answer from http://127\.0\.0\.1:9/v1: Connect(Error|Timeout)\(.*Connect call failed"
    with pytest.raises(TeacherError, match=named):
        complete(server, "q", base_url="http://127.0.0.1:9/v1")


def test_a_slow_answer_times_out(server: FaultyServer):
    server.delay = 0.5
    with pytest.raises(TeacherError, match=r"no answer .* within 0\.1 s \(teacher\.client\.timeout\) \(3 attempts\)"):
        complete(server, "q", timeout=0.1)


def test_a_stop_wakes_waiting_requests(server: FaultyServer):
    server.fail("q", status(429, headers={"Retry-After": "60"}))

    async def run():
        async with ChatClient(endpoint(server), HASTY) as client:
            waiting = asyncio.create_task(client.complete(request()))
            while server.total == 0:
                await asyncio.sleep(0.01)
            client.stop("enough")
            await waiting

    begin = time.monotonic()
    with pytest.raises(RunStoppedError, match="enough"):
        asyncio.run(run())
    assert time.monotonic() - begin < 5
    assert server.total == 1


def test_a_short_key_is_not_redacted_from_answers(server: FaultyServer):
    async def run():
        placeholder = Endpoint(server.url, Riddles.model, "none", 1, 10, KEY_VARIABLE)
        async with ChatClient(placeholder, HASTY) as client:
            return await client.complete(request("is there none?"))

    assert asyncio.run(run()).reasoning == "Let me think of is there none?"
