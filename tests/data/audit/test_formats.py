from collections import Counter

import pytest

from examples import make_both
from r1k.data.audit.formats import example_facts, scripts, share, summarize_format
from r1k.data.audit.tokens import TokenCache, kept_tokens
from r1k.records import Example
from r1k.text import ANSWER, load_tokenizer
from r1k.train.rows import sft_row


@pytest.fixture(scope="module")
def tokenizer(tiny_base):
    return load_tokenizer(tiny_base)


@pytest.fixture
def tokens(tokenizer):
    return TokenCache(tokenizer)


def made(answer: str, **changes: object) -> Example:
    return make_both(1)[0][0].model_copy(update={"answer": answer} | changes)


@pytest.mark.parametrize(
    ("answer", "boxed", "says", "starts", "trained"),
    [
        (r"It is \boxed{\frac{1}{2}}.", True, False, False, True),
        (r"It is \boxed{1", False, False, False, True),
        ("Answer: 3", False, True, True, True),
        ("  Answer: 3", False, True, True, True),
        ("In short.\n**Answer:** 3", False, True, False, False),
        ("**Answer**: 3", False, False, False, True),
    ],
)
def test_the_format_of_an_answer(tokens, answer, boxed, says, starts, trained):
    fact = example_facts(made(answer), tokens)
    found = (fact.boxed, fact.says_answer, fact.starts_with_answer, fact.trained_with_answer)
    assert found == (boxed, says, starts, trained)


def test_scripts_count_only_letters():
    assert scripts(Counter("abé1+ λ 你好, д")) == {"LATIN": 3, "GREEK": 1, "CJK": 2, "CYRILLIC": 1}
    assert scripts(Counter("12 + 3")) == {}


def test_ascii_is_the_share_of_ascii_characters(tokens):
    one = made("答", question="a?", reasoning="b")
    assert example_facts(one, tokens).ascii == pytest.approx(3 / 4)
    assert example_facts(one, tokens).scripts == {"LATIN": 2, "CJK": 1}


@pytest.mark.parametrize("limit", [150, 170, 4096])
def test_lengths_and_truncation_equal_those_of_training(tokenizer, tokens, limit):
    cuts = 0
    for example in (example for both in make_both(3) for example in both):
        row, fact = sft_row(tokenizer, example, limit), example_facts(example, tokens)
        left = kept_tokens(fact.prompt, fact.response, limit)
        assert (left, fact.response - left) == (row.tokens, row.truncated_tokens)
        assert fact.prompt == len(row.columns["input_ids"]) - row.tokens
        cuts += row.truncated_tokens
    assert bool(cuts) == (limit < 4096)


def test_tags_and_special_tokens_as_text_are_counted(tokens):
    examples = [
        made("4", reasoning="a<think>b"),
        made("4<｜end▁of▁sentence｜>", question="a</think>b"),
        made("4, after `</think>`"),
        made("<|v_max|> = 3</s> "),
    ]
    facts = [example_facts(example, tokens) for example in examples]
    assert [fact.stray_marks for fact in facts] == [["<think>"], ["</think>", "<｜end▁of▁sentence｜>"], [], ["</s>"]]
    assert (summarize_format("forward", facts, []).stray_marks.count, len(facts)) == (3, 4)


def test_answer_tokens_start_at_the_separator(tokenizer, tokens):
    fact = example_facts(made("Answer: 3"), tokens)
    assert fact.answer == len(tokenizer(f"{ANSWER}Answer: 3<|im_end|>", add_special_tokens=False)["input_ids"])


def test_a_direction_is_summarized(tokens):
    graded = {0: True, 1: False, 2: None}
    answers = [r"\boxed{1}", "Answer: 2", "三"]
    details = [example_facts(made(answer, grade=graded[k]), tokens) for k, answer in enumerate(answers)]
    total = summarize_format("forward", details, [160, 4096])
    assert (total.boxed.count, total.starts_with_answer.count, total.trained_with_answer.count) == (1, 1, 3)
    assert (total.correct.count, total.correct.n, total.ungraded) == (1, 2, 1)
    assert total.examples_by_script == {"LATIN": 3, "CJK": 1}
    assert sum(total.scripts.values()) == pytest.approx(1)
    assert total.response.maximum == max(d.response for d in details) and total.response.n == 3
    assert [cut.examples.count for cut in total.truncations] == [3, 0]
    assert total.truncations[0].tokens == sum(d.prompt + d.response - 160 for d in details)


def test_an_empty_share_has_no_interval():
    assert share(0, 0).interval is None
    assert share(1, 2).interval.low < 0.5 < share(1, 2).interval.high
