"""Rows of `protocol: as_released`, token by token, and what the trainer does with them."""

import pytest
import torch
from trainings import SETTINGS, make_adapter, trainer_of

from examples import make_both
from r1k.config import Dpo
from r1k.data.sets import pairs
from r1k.errors import TrainError
from r1k.text import format_response, load_tokenizer, prompt_text
from r1k.train.as_released import make_rows

DPO = Dpo(**SETTINGS | {"train_batch_size": 2, "max_length": 40})


@pytest.fixture(scope="module")
def tokenizer(tiny_base):
    return load_tokenizer(tiny_base)


@pytest.fixture(scope="module")
def both():
    """Return the pairs of one problem: with the forward prompt and with the reverse prompt."""
    forward, reverse = make_both(1)
    return pairs(list(zip(forward, reverse, strict=True)))


def test_the_prompt_of_both_pairs_is_the_forward_question_as_bare_text(tokenizer, both):
    for row in make_rows(tokenizer, both, 1024):
        assert tokenizer.decode(row.columns["prompt_ids"]) == both[0].question


def test_completions_are_conversations_and_only_the_chosen_one_ends_in_a_newline(tokenizer, both):
    forward, reverse = both
    for row, pair, opposite in zip(
        make_rows(tokenizer, both, 1024), (forward, reverse), (reverse, forward), strict=True
    ):
        chosen, rejected = (tokenizer.decode(row.columns[side]) for side in ("chosen_ids", "rejected_ids"))
        end = "<|im_end|>"
        assert chosen == prompt_text(tokenizer, pair.question) + format_response(pair.chosen) + end + "\n"
        assert rejected == prompt_text(tokenizer, opposite.question) + format_response(pair.rejected) + end
        assert row.columns["rejected_ids"][-1] == tokenizer.convert_tokens_to_ids(end)
        assert row.columns["chosen_ids"][-1] != row.columns["rejected_ids"][-1]


def test_tokens_and_truncated_tokens_are_counted(tokenizer, both):
    whole, short = (make_rows(tokenizer, both, limit)[0] for limit in (1024, 40))
    assert (whole.truncated_tokens, short.tokens) == (0, 80)
    assert short.truncated_tokens == whole.tokens - 80


def test_the_trainer_keeps_the_last_tokens_and_starts_at_ln_2(tmp_path, tiny_base, tokenizer, both):
    parent = make_adapter(tiny_base, tmp_path / "parent", seed=1)
    rows = [row.columns for row in make_rows(tokenizer, both, DPO.max_length)]
    trainer = trainer_of(DPO, tiny_base, rows, tmp_path, parent=parent, keep_end=True)
    batch = next(iter(trainer.get_train_dataloader()))
    expected = [row[side][-40:] for side in ("chosen_ids", "rejected_ids") for row in rows]
    assert batch["input_ids"].tolist() == expected
    assert torch.equal(batch["completion_mask"], torch.ones_like(batch["input_ids"]))
    trainer.train()
    assert trainer.state.log_history[0]["loss"] == pytest.approx(0.693147, abs=1e-6)


def test_a_problem_without_the_pair_of_the_opposite_direction_is_an_error(tokenizer, both):
    with pytest.raises(TrainError, match="has no pair of the reverse direction"):
        make_rows(tokenizer, both[:1], 1024)
