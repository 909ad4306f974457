"""Ends of answers, and budget forcing, with made-up tokens."""

import pytest

from r1k.config import BudgetForcing, validate
from r1k.errors import ConfigError
from r1k.evaluate.budget_forcing import (
    ForcingTokens,
    StopRules,
    advance,
    remaining_tokens,
    start_decoding,
    stop_rules,
    stop_tokens,
)
from r1k.evaluate.prompts import Prompt, SamplingParams
from r1k.text import load_tokenizer

END, PAD, OPEN, THINK, WAIT, ANSWER, NEWLINE, FINAL = range(1, 9)
PLAIN = StopRules(frozenset({END}), PAD)
PROMPT = Prompt(ids=[90, 91], max_new_tokens=20)


def forced(**config) -> StopRules:
    forcing = ForcingTokens(BudgetForcing(**config), OPEN, (OPEN, THINK), (WAIT,), (OPEN, ANSWER), (NEWLINE,), (FINAL,))
    return StopRules(frozenset({END}), PAD, forcing)


def written(rules: StopRules, *texts: list[int], prompt: Prompt = PROMPT) -> tuple[list[int], bool | None]:
    """Return an answer's tokens and end after the engine generates these texts, one per step."""
    state = start_decoding(prompt, rules)
    for text in texts:
        assert not state.finished
        state = advance(state, text, rules)
    return list(state.ids), state.ended


@pytest.mark.parametrize(
    ("new", "ids", "ended"),
    [
        ([20, 21, END], [20, 21], True),
        ([20, END, PAD, PAD], [20], True),
        ([END], [], True),
        ([20] * 20, [20] * 20, False),
        ([20] * 25, [20] * 20, False),
        ([20] * 20 + [END], [20] * 20, False),
        ([20] * 19 + [END], [20] * 19, True),
    ],
)
def test_an_answer_ends_at_its_first_end_token_or_its_limit(new, ids, ended):
    assert written(PLAIN, new) == (ids, ended)


def test_thinking_is_opened_and_stops_at_an_opening():
    rules = forced(num_waits=1)
    state = start_decoding(PROMPT, rules)
    assert state.model_input == [90, 91, OPEN, THINK]
    assert stop_tokens(state, rules) == {END, OPEN} and remaining_tokens(state, rules) == 18
    answering = advance(advance(state, [30, OPEN], rules), [31, OPEN], rules)
    assert stop_tokens(answering, rules) == {END}
    assert answering.model_input == [90, 91, OPEN, THINK, 30, WAIT, 31, OPEN, ANSWER]


@pytest.mark.parametrize("stop", [OPEN, END])
def test_wait_replaces_the_end_of_thinking(stop):
    rules = forced(num_waits=2)
    texts = [[30, stop], [31, stop], [32, stop], [40, END]]
    assert written(rules, *texts) == ([OPEN, THINK, 30, WAIT, 31, WAIT, 32, OPEN, ANSWER, 40], True)


def test_min_thinking_tokens_replaces_only_early_ends():
    rules = forced(num_waits=9, min_thinking_tokens=4)
    assert written(rules, [30, OPEN], [31, 32, OPEN], [40, END]) == (
        [OPEN, THINK, 30, WAIT, 31, 32, OPEN, ANSWER, 40],
        True,
    )


def test_max_thinking_tokens_ends_thinking_and_requests_the_final_answer():
    rules = forced(max_thinking_tokens=3)
    assert written(rules, [30, 31, 32, 33], [40, END]) == (
        [OPEN, THINK, 30, 31, 32, NEWLINE, OPEN, ANSWER, FINAL, 40],
        True,
    )
    assert written(rules, [30, 31, NEWLINE], [40, END])[0][4:8] == [NEWLINE, OPEN, ANSWER, FINAL]


def test_waits_stay_within_max_thinking_tokens():
    rules = forced(num_waits=5, max_thinking_tokens=3)
    state = advance(start_decoding(PROMPT, rules), [30, OPEN], rules)
    assert state.ids[-1] == WAIT and remaining_tokens(state, rules) == 1
    assert advance(state, [OPEN], rules).ids[-2:] == (OPEN, ANSWER)


def test_forced_tokens_count_towards_the_limit():
    short = Prompt(ids=[90], max_new_tokens=5)
    assert written(forced(num_waits=1), [30, 31, OPEN], prompt=short) == ([OPEN, THINK, 30, 31, WAIT], False)
    assert written(forced(num_waits=1), [30, 31, 32], prompt=short) == ([OPEN, THINK, 30, 31, 32], False)
    assert start_decoding(Prompt(ids=[90], max_new_tokens=1), forced(num_waits=1)).ended is False


def test_each_step_samples_with_its_own_seed():
    rules = forced(num_waits=1)
    state = start_decoding(
        Prompt(ids=[90], max_new_tokens=9, sampling=SamplingParams(temperature=1, top_p=1, seed=2**32 - 1)), rules
    )
    assert (state.sampling.seed, advance(state, [30, OPEN], rules).sampling.seed) == (2**32 - 1, 0)


def test_stop_rules_of_a_base(tiny_base):
    tokenizer = load_tokenizer(tiny_base)
    assert stop_rules(tiny_base, tokenizer, None) == StopRules(
        frozenset(tokenizer.convert_tokens_to_ids(["<|im_end|>"])), tokenizer.pad_token_id
    )
    forcing = stop_rules(tiny_base, tokenizer, BudgetForcing(num_waits=1)).forcing
    assert tokenizer.decode(forcing.think) == "<|im_start|>think\n"
    assert tokenizer.decode(forcing.answer + forcing.final) == "<|im_start|>answer\nFinal Answer:"
    assert forcing.opening == forcing.think[0] == tokenizer.convert_tokens_to_ids("<|im_start|>")


@pytest.mark.parametrize(
    ("config", "message"),
    [({}, "forces nothing"), ({"max_thinking_tokens": 9, "min_thinking_tokens": 2}, "acts with num_waits alone")],
)
def test_incoherent_budget_forcing_is_rejected(config, message):
    with pytest.raises(ConfigError, match=message):
        validate(BudgetForcing, config)
