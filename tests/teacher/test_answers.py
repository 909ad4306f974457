import re

import pytest

from r1k.teacher.answers import Answer, defect, read, worth_asking_again
from r1k.teacher.journal import Entry, Message, Request
from r1k.teacher.templates import REVERSE_QUESTION, SOLVE


def entry(call=SOLVE, **fields):
    request = Request(call=call.name, prompt=call.digest, model="m", messages=[Message(content="q")])
    standard = {"answer": "4", "reasoning": "2 + 2", "finish_reason": "stop", "max_tokens": 100}
    return Entry(key=request.key, request=request, seconds=0.1, finished="2025-01-01", **(standard | fields))


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
def test_reasoning_is_found_wherever_servers_put_it(fields):
    assert read(entry(**fields)) == Answer(text="4", reasoning="2 + 2")
    assert defect(entry(**fields)) is None


def test_an_answer_that_speaks_of_the_tag_is_left_whole():
    assert read(entry(answer="close it with </think>")).text == "close it with </think>"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"finish_reason": "length"}, r"cut after an unknown number of tokens .* raise teacher\.max_tokens above 100"),
        ({"finish_reason": "length", "usage": {"completion_tokens": 99}}, "cut after 99 tokens"),
        ({"finish_reason": "content_filter"}, "refused"),
        ({"refusal": "I will not"}, "refused: 'I will not'"),
        ({"finish_reason": "tool_calls"}, "did not end by itself .*'tool_calls'"),
        ({"answer": " "}, "is empty"),
        ({"answer": "<think>2 + 2 is", "reasoning": None}, "never closed"),
        ({"reasoning": None}, "has no reasoning, in neither `reasoning_content`"),
        ({"reasoning": " \n"}, "has no reasoning"),
        ({"answer": "<think>\n\n</think>\n\n4", "reasoning": None}, "has no reasoning"),
    ],
)
def test_what_cannot_be_used_is_named(fields, said):
    reason = defect(entry(**fields))
    assert reason is not None
    assert re.search(said, reason)


def test_the_reverse_question_needs_no_reasoning():
    assert defect(entry(REVERSE_QUESTION, reasoning=None)) is None


def test_a_cut_answer_is_bought_again_under_a_higher_limit_alone():
    cut = entry(finish_reason="length")
    assert not worth_asking_again(cut, 100)
    assert worth_asking_again(cut, 101)
    assert worth_asking_again(cut, None)
    assert not worth_asking_again(entry(), 101)
    assert worth_asking_again(entry(reasoning=None), 100)
