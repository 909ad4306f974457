import re

import pytest

from r1k.teacher.answers import AcceptancePolicy, ParsedAnswer, defect, parse_answer
from r1k.teacher.journal import ChatMessage, JournalEntry, Request
from r1k.teacher.templates import REVERSE_QUESTION, SOLVE


def entry(call=SOLVE, **fields):
    request = Request(prompt_name=call.name, prompt_digest=call.digest, model="m", messages=[ChatMessage(content="q")])
    standard = {"answer": "4", "reasoning": "2 + 2", "finish_reason": "stop", "max_tokens": 100}
    return JournalEntry(key=request.key, request=request, seconds=0.1, finished_at="2025-01-01", **(standard | fields))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"answer": "<think>\n2 + 2\n</think>\n\n4", "reasoning": None},
        {"answer": "2 + 2\n</think>\n\n4", "reasoning": None},
        {"answer": "<think>2 + 2</think>4"},
        {"finish_reason": "eos"},
    ],
)
def test_reasoning_is_parsed_from_every_field_and_from_think_blocks(fields):
    assert parse_answer(entry(**fields)) == ParsedAnswer(text="4", reasoning="2 + 2")
    assert defect(entry(**fields)) is None


def test_an_answer_that_quotes_the_tag_is_not_split():
    assert parse_answer(entry(answer="close it with `</think>`")).text == "close it with `</think>`"
    assert defect(entry(answer="close it with `</think>`")) is None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"finish_reason": "length"},
            r"truncated after an unknown number of tokens \(finish_reason 'length'\)",
        ),
        ({"finish_reason": "length", "usage": {"completion_tokens": 99}}, "truncated after 99 tokens"),
        ({"finish_reason": "content_filter"}, "refused"),
        ({"refusal": "I will not"}, "refused: 'I will not'"),
        ({"finish_reason": "tool_calls"}, "is incomplete .*'tool_calls'"),
        ({"answer": " "}, "is empty"),
        ({"answer": "<think>2 + 2 is", "reasoning": None}, "not closed"),
        ({"reasoning": None}, "has no reasoning in `reasoning_content`"),
        ({"reasoning": " \n"}, "has no reasoning"),
        ({"answer": "<think>\n\n</think>\n\n4", "reasoning": None}, "has no reasoning"),
    ],
)
def test_the_defect_of_an_unusable_answer_is_reported(fields, expected):
    reason = defect(entry(**fields))
    assert reason is not None
    assert re.search(expected, reason)


def test_the_reverse_question_needs_no_reasoning():
    assert defect(entry(REVERSE_QUESTION, reasoning=None)) is None


def test_a_truncated_answer_is_requested_again_only_with_a_higher_limit():
    cut = entry(finish_reason="length")
    assert not AcceptancePolicy(100).needs_request(cut)
    assert AcceptancePolicy(101).needs_request(cut) and AcceptancePolicy(None).needs_request(cut)
    assert AcceptancePolicy(100).needs_request(None)
    assert not AcceptancePolicy(101).needs_request(entry())
    assert AcceptancePolicy(100).needs_request(entry(reasoning=None))


def test_each_retry_of_a_truncated_answer_doubles_its_limit_up_to_the_cap():
    policy, cut = AcceptancePolicy(100, max_tokens_cap=300), entry(finish_reason="length")
    limits = [policy.next_max_tokens(None)]
    while policy.needs_request(cut):
        limits.append(policy.next_max_tokens(cut))
        cut = cut.model_copy(update={"max_tokens": limits[-1]})
    assert limits == [100, 200, 300]
    lower = entry(finish_reason="length", max_tokens=50)
    assert policy.next_max_tokens(lower) == 100


def test_skippable_answers_are_not_requested_again():
    cut, refused = entry(finish_reason="length"), entry(answer="", refusal="no")
    assert AcceptancePolicy(100).needs_request(refused) and not AcceptancePolicy(100).may_skip(refused)
    left = AcceptancePolicy(100, skip_truncated=True, skip_refused=True)
    assert left.may_skip(cut) and left.may_skip(refused) and not left.may_skip(entry(reasoning=None))
    assert not left.needs_request(cut) and not left.needs_request(refused)
