"""Prompts that a judge's provider refuses, and verdicts between marks of the model."""

import pytest
from faulty_teacher import FaultyServer, message, refused
from test_judge_answers import Place, place, server

from r1k.errors import TeacherError

__all__ = ["place", "server"]  # fixtures

FILTERED = refused(400, {"error": {"message": "filtered", "code": "content_filter", "param": "prompt"}})


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (FILTERED, "content_filter"),
        (refused(400, {"error": {"message": "Content Exists Risk"}}), "content_filter"),
        (
            refused(403, {"error": {"code": 403, "message": "flagged", "metadata": {"reasons": ["x"]}}}),
            "content_filter",
        ),
        (refused(400, {"error": {"message": "no", "code": "context_length_exceeded"}}), "context_length"),
        (refused(400, {"error": {"message": "computer says no"}}), "rejected"),
    ],
)
def test_a_refused_prompt_is_undecided_and_the_others_are_judged(server: FaultyServer, place: Place, fault, reason):
    place.write(["\\frac12", "0.5", "2", "1/2"])
    server.fault = lambda prompt: fault if "What is q1?" in prompt else None
    judged = place.judge(server, min_judged_rate=0.5)
    assert [each.equivalent is None for each in judged] == [False, True, False, False]
    assert judged[1].rationale.startswith(f"[refused, finish_reason {reason}] HTTP 40")
    assert list(place.facts["undecided"]) == ["q1: 0.5"]
    total = server.total
    assert place.judge(server, min_judged_rate=0.5) == judged
    assert server.total - total == (reason == "rejected")


def test_too_many_refused_prompts_are_an_error_that_names_them(server: FaultyServer, place: Place):
    place.write(["\\frac12", "0.5", "2"])
    server.fault = lambda prompt: FILTERED if "What is q1?" in prompt else None
    with pytest.raises(TeacherError, match=r"(?s)2 of 3 answers have a verdict.*q1: 0\.5: \[refused, .*filtered"):
        place.judge(server, min_judged_rate=0.9)
    assert not place.verdicts.exists() and server.total == 3


@pytest.mark.parametrize(
    ("content", "equivalent"),
    [
        ("The same.\nVerdict: yes<|im_end|>", True),
        ("<think>hm</think>\nVerdict: no</s>", False),
        ("<think>a</think>\n<think>b</think>\nVerdict: yes", True),
    ],
)
def test_a_verdict_is_read_between_marks_of_the_model(server: FaultyServer, place: Place, content, equivalent):
    place.write(["0.5"])
    server.fail("What is q0?", message("end_turn", content=content))
    assert [each.equivalent for each in place.judge(server)] == [equivalent]


@pytest.mark.parametrize("content", ["", "<think>Verdict: yes"])
def test_an_empty_verdict_is_not_bought_again(server: FaultyServer, place: Place, content):
    place.write(["0.5"])
    server.fail("What is q0?", message(content=content))
    for _ in range(2):
        with pytest.raises(TeacherError, match=r"0 of 1 answers have a verdict"):
            place.judge(server)
    assert server.total == 1
