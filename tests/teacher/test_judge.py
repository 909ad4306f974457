import pytest
from faulty_teacher import KEY, KEY_VARIABLE, FaultyServer, message, refused, status

from examples import make_both
from r1k.checks.check import check_inverse
from r1k.config import Checks, Client, Judge
from r1k.errors import TeacherError
from r1k.records import Check, Example, read_jsonl, write_jsonl
from r1k.teacher.journal import Journal
from r1k.teacher.judge import PROMPT, judge_pairs

FORWARD, REVERSE = make_both(4)
BOTH = list(zip(FORWARD, REVERSE, strict=True))


def judge_at(server: FaultyServer, concurrency: int = 2, **changes) -> Judge:
    place = {"base_url": server.url, "model": "riddles", "api_key_env": KEY_VARIABLE}
    return Judge(**place, **changes, client=Client(concurrency=concurrency))


def about(pair: tuple[Example, Example]) -> str:
    return pair[1].question


def test_opinions_are_parsed_journalled_and_requested_once(server: FaultyServer, tmp_path):
    for pair, verdict in zip(BOTH, ("yes", "No", "unclear", "yes"), strict=True):
        server.fail(about(pair), message(content=f"It gives the eggs.\n\n**Verdict: {verdict}.**"))
    settings, journal = judge_at(server), tmp_path / "judge.jsonl"
    found = judge_pairs(settings, BOTH, journal)
    assert [found[forward.problem].consistent for forward in FORWARD] == [True, False, None, True]
    assert found["p001"].rationale == "judge riddles: no"
    assert judge_pairs(settings.model_copy(update={"base_url": "http://127.0.0.1:9/v1"}), BOTH, journal) == found
    assert server.total == 4
    with Journal(journal) as opened:
        assert len(opened) == 4
    assert KEY not in journal.read_text()
    assert '"sampling":{"temperature":0.0}' in journal.read_text()


@pytest.mark.parametrize(
    ("answer", "finish_reason", "expected"),
    [
        ("I like eggs.", "stop", "ends in 'I like eggs.'"),
        ("Verdict: yes\nThat is all.", "stop", "ends in 'That is all.'"),
        ("Verdict: yes or no", "stop", "ends in"),
        ("", "stop", "ends in ''"),
        ("It is so.\nVerdict: yes", "length", r"was truncated (raise data.checks.judge.max_tokens)"),
    ],
)
def test_an_unparsable_answer_is_undecided_with_a_reason(
    server: FaultyServer, tmp_path, answer, finish_reason, expected
):
    server.fail(about(BOTH[0]), message(finish_reason, content=answer))
    (found,) = judge_pairs(judge_at(server), BOTH[:1], tmp_path / "judge.jsonl").values()
    assert found.consistent is None
    assert expected in found.rationale


def test_a_truncated_opinion_is_requested_again_only_with_a_higher_limit(server: FaultyServer, tmp_path):
    for answer in (message("length", content="It"), message(content="Verdict: yes")):
        server.fail(about(BOTH[0]), answer)
    for limit, expected, total in ((100, None, 1), (100, None, 1), (200, True, 2)):
        found = judge_pairs(judge_at(server, max_tokens=limit), BOTH[:1], tmp_path / "judge.jsonl")
        assert (found["p000"].consistent, server.total) == (expected, total)


def test_a_failing_judge_is_an_error_and_its_answers_are_kept(server: FaultyServer, tmp_path):
    for pair in BOTH[:2]:
        server.fail(about(pair), message(content="Verdict: yes"))
    server.fail(about(BOTH[2]), status(401, "no such key"))
    with pytest.raises(
        TeacherError,
        match=r"(?s)p002: HTTP 401 .*Its 2 answers are in .*judge\.jsonl; a rerun sends only the remaining requests",
    ):
        judge_pairs(judge_at(server, concurrency=1), BOTH[:3], tmp_path / "judge.jsonl")
    with Journal(tmp_path / "judge.jsonl") as opened:
        assert len(opened) == 2


def test_a_refused_prompt_is_undecided_journalled_and_not_sent_again(server: FaultyServer, tmp_path):
    risk = refused(400, {"error": {"message": "Content Exists Risk"}})
    server.fault = lambda prompt: risk if about(BOTH[1]) in prompt else None
    for pair in (BOTH[0], BOTH[2]):
        server.fail(about(pair), message(content="Verdict: yes"))
    for _ in range(2):
        found = judge_pairs(judge_at(server), BOTH[:3], tmp_path / "judge.jsonl")
        assert [found[forward.problem].consistent for forward in FORWARD[:3]] == [True, None, True]
        assert found["p001"].rationale.startswith("judge riddles refused (finish_reason 'content_filter'): 'HTTP 400")
    assert server.total == 3


def test_a_missing_key_is_named_with_the_judges_section(server: FaultyServer, tmp_path, monkeypatch):
    monkeypatch.delenv(KEY_VARIABLE)
    with pytest.raises(TeacherError, match=rf"data\.checks\.judge\.api_key_env: .*{KEY_VARIABLE} is not set"):
        judge_pairs(judge_at(server), BOTH, tmp_path / "judge.jsonl")


def test_a_text_with_the_prompts_delimiter_is_not_sent(server: FaultyServer, tmp_path):
    delimiter = PROMPT.text.partition("{{question}}")[2].partition("{{answer}}")[0]
    forward = FORWARD[0].model_copy(update={"question": f"a{delimiter}b"})
    (found,) = judge_pairs(judge_at(server), [(forward, REVERSE[0])], tmp_path / "judge.jsonl").values()
    assert found.consistent is None and found.rationale.startswith("not sent to the judge: prompt judge_inverse")
    assert server.total == 0


def test_the_judge_decides_only_what_rules_leave_undecided(server: FaultyServer, tmp_path):
    words = REVERSE[1].model_copy(update={"answer": "\\boxed{\\text{as many as rows}}"})
    wrong = REVERSE[2].model_copy(update={"answer": "\\boxed{37}"})
    write_jsonl(tmp_path / "s1k.jsonl", FORWARD)
    write_jsonl(tmp_path / "r1k.jsonl", [REVERSE[0], words, wrong, REVERSE[3]])
    server.fail(about(BOTH[1]), message(content="Verdict: yes"))
    output = tmp_path / "checks.jsonl"
    paths = {"s1k": tmp_path / "s1k.jsonl", "r1k": tmp_path / "r1k.jsonl", "journal": tmp_path / "judge.jsonl"}
    check_inverse(checks=Checks(judge=judge_at(server)), output=output, **paths)
    found = read_jsonl(output, Check)
    assert [one.consistent for one in found] == [True, True, False, True]
    assert found[1].reasons["consistent"].endswith("by rules; judge riddles: yes")
    assert server.total == 1
