"""Completions as servers send them: nulls, parts, unknown fields and split characters lose nothing."""

import asyncio
import json

import pytest

from r1k.teacher.protocol.completion import (
    Completion,
    CompletionReader,
    InvalidCompletionError,
    ResponseError,
    StreamBrokenError,
    read_completion,
)
from r1k.teacher.protocol.surrogates import valid_unicode

WHOLE = Completion("4", "2+2", "", "stop", {"completion_tokens": 8})
USAGE = {"choices": [], "usage": {"completion_tokens": 8}}


def delta(finish_reason=None, **fields):
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish_reason}]}


def stream(*events, ends_with=None):
    """Return the completion of a stream, which raises `ends_with` after its events."""

    async def send():
        for event in events:
            # The halves of a surrogate pair come as JSON escapes.
            yield json.loads(json.dumps(event))
        if ends_with is not None:
            raise ends_with

    return asyncio.run(CompletionReader().read_stream(send()))


@pytest.mark.parametrize(
    "events",
    [
        [delta(reasoning_content="2+2"), delta(content="4"), delta("stop"), USAGE],
        [delta(reasoning="2+2"), delta(content="4"), delta("stop"), USAGE],
        [{"choices": None}, delta(reasoning_content="2+2", content=None), delta("stop", content="4"), USAGE],
        [delta(reasoning_content="2+2"), delta(content="4"), delta("stop"), USAGE | {"choices": None}],
        [delta(reasoning_content="2+2"), delta(content="4"), {"choices": [{"delta": None, "finish_reason": "stop"}]},
         USAGE],
        [delta(reasoning_content="2+2"), None, {"choices": [None]}, delta("stop", content="4"), USAGE],
        [delta(reasoning_content="2+2"), {}, {"x": 1, "choices": [{"y": 2}]}, delta("stop", content="4", z=3), USAGE],
        [delta(reasoning_content="2+2"), delta("stop", content="4"), {"usage": None}, {"usage": {}}, USAGE],
        [delta(reasoning_content="2+2"), delta("stop", content="4") | {"usage": {"completion_tokens": 8}}],
        [delta(reasoning_content="2+2"), {"choices": [{"delta": {"content": "4"}, "finish_reason": "stop",
                                                       "usage": {"completion_tokens": 8}}]}],
        [delta(reasoning_content="2+", content=""), delta(reasoning_content="2"), delta("stop", content="4"), USAGE],
        [delta(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "2+2"}]}]),
         delta("stop", content=[{"type": "text", "text": "4"}]), USAGE],
        [{"choices": [{"message": {"reasoning": "2+2", "content": "4"}, "finish_reason": "stop"}]}, USAGE],
    ],
)  # fmt: skip
def test_a_stream_is_read_whatever_its_chunks_leave_out(events):
    assert stream(*events) == WHOLE


def test_the_whole_message_in_a_last_chunk_is_not_added_twice():
    last = {"choices": [{"message": {"content": "4"}, "finish_reason": "stop"}]}
    assert stream(delta(reasoning_content="2+2"), delta(content="4"), last, USAGE) == WHOLE


@pytest.mark.parametrize("error", [ConnectionError("reset"), ValueError("no JSON"), ResponseError])
def test_nothing_after_the_finish_reason_takes_the_answer_away(error):
    broken = stream(delta(reasoning_content="2+2"), delta("stop", content="4"), ends_with=ConnectionError("reset"))
    assert (broken.answer, broken.reasoning, broken.usage) == ("4", "2+2", None)
    late = stream(delta("stop", content="4"), {"choices": [], "error": {"message": "shard lost"}})
    assert (late.answer, late.finish_reason) == ("4", "stop")


def test_a_stream_that_hangs_after_its_finish_reason_is_complete(monkeypatch):
    monkeypatch.setattr("r1k.teacher.protocol.completion.USAGE_WAIT", 0.05)

    async def send():
        yield delta("stop", content="4")
        await asyncio.sleep(60)

    assert asyncio.run(CompletionReader().read_stream(send())).answer == "4"


def test_a_stream_without_a_finish_reason_is_broken():
    with pytest.raises(StreamBrokenError, match="after 4 characters"):
        stream(delta(content="half"), USAGE)


@pytest.mark.parametrize(
    "event", ["text", [1], {"choices": "none"}, {"choices": [3]}, {"choices": [{"delta": "4"}]}, delta(content=4)]
)
def test_an_event_that_cannot_be_read_is_invalid(event):
    with pytest.raises(InvalidCompletionError):
        stream(delta(content="half"), event)


def test_an_error_event_keeps_what_came_before_it():
    with pytest.raises(ResponseError) as caught:
        stream(delta(content="half an"), {"error": {"code": 403, "message": "flagged by moderation"}})
    assert (caught.value.error.scope, caught.value.partial.answer) == ("prompt", "half an")
    assert caught.value.partial.finish_reason == "content_filter"


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (["4 \ud83d", "\ude00 ok"], "4 😀 ok"),
        (["\ud83d", "", "\ude00"], "😀"),
        (["4 \udcaf"], "4 \ufffd"),
        (["\ud83d", "x", "\ude00"], "\ufffdx\ufffd"),
        (["😀 \ud83d"], "😀 \ufffd"),
        (["\ud83d\ud83d", "\ude00"], "\ufffd😀"),
        (["plain ½ 中"], "plain ½ 中"),
    ],
)
def test_halves_of_a_character_are_joined_and_lone_ones_replaced(pieces, expected):
    found = stream(*(delta(content=piece, reasoning_content=piece) for piece in pieces), delta("stop"))
    assert (found.answer, found.reasoning) == (expected, expected)
    whole = read_completion({"choices": [{"message": {"content": "".join(pieces)}, "finish_reason": "stop"}]})
    assert whole.answer == expected


def test_halves_in_two_fields_are_not_joined():
    found = stream(delta(reasoning_content="r\ud83d"), delta("stop", content="\ude00a"))
    assert (found.reasoning, found.answer) == ("r\ufffd", "\ufffda")


def test_usage_and_finish_reason_can_be_written_too():
    found = stream(delta("st\ud83dop", content="4"), {"usage": {"by\ud83d": ["\udcaf"], "n": 1.5}})
    assert found.finish_reason == "st\ufffdop" and found.usage == {"by\ufffd": ["\ufffd"], "n": 1.5}
    assert valid_unicode({"a": [None, True, 3, "\ud83d\ude00"]}) == {"a": [None, True, 3, "😀"]}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"choices": [{"message": {"content": "4"}}]}, Completion("4")),
        ({"choices": [{"message": None, "finish_reason": "SAFETY"}]}, Completion("", finish_reason="SAFETY")),
        ({"choices": [{"message": {"content": [{"type": "text", "text": "4"}, {"type": "image"}, "5"]}}]},
         Completion("45")),
        ({"choices": [{"message": {"content": [{"type": "refusal", "refusal": "no"}]}}]}, Completion("", refusal="no")),
        ({"choices": [{"message": {"content": "4"}}], "usage": "none", "error": None}, Completion("4")),
        ({"choices": [{"message": {"content": "4", "reasoning": "r", "reasoning_content": ""}}]}, Completion("4", "r")),
    ],
)  # fmt: skip
def test_a_whole_response_is_read_whatever_it_leaves_out(body, expected):
    assert read_completion(body) == expected


@pytest.mark.parametrize("body", [None, [], "4", {}, {"choices": []}, {"choices": None, "usage": {}}])
def test_a_response_without_a_choice_is_invalid(body):
    with pytest.raises(InvalidCompletionError):
        read_completion(body)


@pytest.mark.parametrize(
    ("body", "scope"),
    [
        ({"error": {"message": "upstream"}}, "transient"),
        ({"choices": None, "error": {"code": 402, "message": "Insufficient Balance"}}, "run"),
        ({"choices": [], "promptFeedback": {"blockReason": "SAFETY"}}, "prompt"),
        ({"choices": [{"finish_reason": "error", "error": {"code": 400, "message": "Content Exists Risk"}}]}, "prompt"),
    ],
)
def test_an_error_within_a_successful_response_is_an_error(body, scope):
    with pytest.raises(ResponseError) as caught:
        read_completion(body)
    assert caught.value.error.scope == scope
