"""Unusable answers, how the config handles them, and spending limits."""

import json

import pytest
from faulty_teacher import (
    FaultyServer,
    Place,
    forward,
    message,
)
from inversions import facts, written

from r1k.data.sets import read_example_pairs
from r1k.errors import RecordError, TeacherError
from r1k.teacher.inversion import invert
from r1k.teacher.journal import Journal


def test_a_rerun_requests_only_the_failed_problems(server: FaultyServer, place: Place):
    place.write_problems(8)
    solved = "if not question of "
    server.fail(f"{solved}p001", message(content="It is", reasoning_content=None))
    server.fail("question of p002\n", message("content_filter", content=""))
    server.fail(f"{solved}p003", message(content=None, refusal="I will not", reasoning_content="hm"))
    server.fail(f"{solved}p004", message("stop", content="", reasoning_content="hm"))
    with pytest.raises(TeacherError) as caught:
        invert(teacher=server.teacher(concurrency=2), **place.paths)
    expected = str(caught.value).splitlines()
    assert expected[0] == "4 of 8 problems have no reverse pair, and no output was written:"
    assert expected[1].startswith("  p001: solve: the answer has no reasoning")
    assert expected[2].startswith("  p002: reverse_question: the teacher refused")
    assert expected[3].startswith("  p003: solve: the teacher refused: 'I will not'")
    assert expected[4].startswith("  p004: solve: the answer is empty")
    assert "a rerun sends only the requests of these problems" in expected[5]
    assert not place.output.exists()
    assert server.total == 15
    invert(teacher=server.teacher(), **place.paths)
    assert server.total == 15 + 5
    assert len(written(place)) == 8


def test_a_truncated_answer_is_kept_unused_and_requested_again_with_a_higher_limit(server: FaultyServer, place: Place):
    place.write(forward("p000"), forward("p001", "word " * 30))
    for _ in range(2):
        with pytest.raises(
            TeacherError, match=r"1 of 2 .*\n  p001: solve: the answer was truncated after 40 tokens"
        ) as caught:
            invert(teacher=server.teacher(max_tokens=40), **place.paths)
        assert "raise teacher.max_tokens above 40" in str(caught.value)
        assert server.total == 4, "the same limit is not paid for again"
    assert not place.output.exists()
    assert '"finish_reason":"length"' in place.journal.read_text()
    invert(teacher=server.teacher(max_tokens=400), **place.paths)
    assert server.total == 5, "complete answers are not requested again"
    assert len(written(place)) == 2


def test_a_truncated_answer_is_retried_with_higher_limits_if_configured(server: FaultyServer, place: Place):
    place.write(forward("p000"), forward("p001", "word " * 30))
    higher = {"on_truncation": "retry", "max_tokens_cap": 300}
    invert(teacher=server.teacher(max_tokens=20, **higher), **place.paths)
    kept = [json.loads(line) for line in place.journal.read_text().splitlines()]
    limits = [entry["max_tokens"] for entry in kept if "word word" in entry["request"]["messages"][0]["content"]]
    assert sorted(limits) == [20, 20, 40, 40, 80, 160], "38 words fit into 40, 84 into 160"
    assert len(written(place)) == 2
    total = server.total
    invert(teacher=server.teacher(max_tokens=20, **higher), **place.paths)
    assert server.total == total


def test_skipped_problems_are_listed_and_requested_once(
    server: FaultyServer, place: Place, capsys: pytest.CaptureFixture[str]
):
    place.write(*(forward(f"p{index:03d}") for index in range(8)), forward("p008", "word " * 30))
    server.fail("question of p002\n", message("content_filter", content=""))
    leaving = {"on_truncation": "skip", "on_refusal": "skip", "max_tokens": 60}
    with pytest.raises(
        TeacherError, match=r"7 of 9 problems have a pair, fewer than teacher\.min_success_rate of 0\.8"
    ):
        invert(teacher=server.teacher(**leaving, min_success_rate=0.8), **place.paths)
    assert not place.output.exists()
    total = server.total
    invert(teacher=server.teacher(**leaving, min_success_rate=0.7), **place.paths)
    assert server.total == total
    assert "2 of 9 problems are skipped:\n  p002: reverse_question: the teacher refused" in capsys.readouterr().err
    assert facts(place)["n"] == len(written(place)) == 7
    assert set(facts(place)["skipped"]) == {"p002", "p008"}
    assert len(read_example_pairs(place.s1k, place.output)) == 7
    place.output.with_suffix(".manifest.json").unlink()
    with pytest.raises(RecordError, match="2 problems have no pair here"):
        read_example_pairs(place.s1k, place.output)


def test_a_ceiling_stops_the_run_in_time_and_includes_earlier_answers(server: FaultyServer, place: Place):
    place.write_problems(20)
    ceiling = {"max_tokens": 100, "max_total_tokens": 2500, "input_price": 1.0, "output_price": 2.0}
    for _ in range(2):
        with pytest.raises(TeacherError, match=r"the ceiling of 2,500 tokens leaves no room .*teacher\.client"):
            invert(teacher=server.teacher(**ceiling), **place.paths)
    with Journal(place.journal) as journal:
        n = len(journal)
    assert 5 < n == server.total < 40
    spent = sum(json.loads(line)["usage"]["total_tokens"] for line in place.journal.read_text().splitlines())
    assert spent <= 2500
    invert(teacher=server.teacher(max_tokens=100, input_price=1.0, output_price=2.0), **place.paths)
    assert len(written(place)) == 20
    assert facts(place)["dollars"] > 0


def test_the_cost_is_estimated_before_the_first_request(
    server: FaultyServer, place: Place, capsys: pytest.CaptureFixture[str]
):
    place.write_problems(4)
    priced = {"max_tokens": 1000, "input_price": 1.0, "output_price": 1000.0, "max_dollars": 50}
    invert(teacher=server.teacher(**priced), **place.paths)
    place.write_problems(6)
    invert(teacher=server.teacher(**priced), **place.paths)
    first, second = capsys.readouterr().err.split("inversion: up to ")[1:]
    assert first.startswith("8 requests to the teacher; $0.00 and 0 tokens spent")
    assert "if every answer reaches its limit: 8,000 tokens, $8.00" in first and "ceiling: $50" in first
    assert second.startswith("4 requests") and "as long as the 8 in the journal" in second
