"""DPO's losses at step 0, where the trained model equals the reference, in the real trainer."""

import math

import pytest
import torch
from peft import PeftModel
from pydantic import ValidationError
from trainings import SETTINGS, make_adapter, trainer_of
from transformers import AutoModelForCausalLM

from examples import make_both
from r1k.config import Dpo
from r1k.data.sets import pairs
from r1k.text import load_tokenizer
from r1k.train.rows import make_rows


@pytest.fixture(scope="module")
def parent(tmp_path_factory, tiny_base):
    return make_adapter(tiny_base, tmp_path_factory.mktemp("parent") / "adapter", seed=1)


@pytest.fixture(scope="module")
def rows(tiny_base):
    forward, reverse = make_both(2)
    made = make_rows(load_tokenizer(tiny_base), pairs(list(zip(forward, reverse, strict=True))), 1024)
    return [row.columns for row in made]


@pytest.fixture
def first(tmp_path, tiny_base, parent, rows):
    def train(**overrides):
        trainer = trainer_of(Dpo(**SETTINGS | overrides), tiny_base, rows, tmp_path, parent=parent)
        trainer.train()
        return trainer.state.log_history[0]

    return train


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({}, math.log(2)),
        ({"loss_type": "sigmoid_norm", "beta": 35}, math.log(2)),
        # ((1 - e) ln 2 - e ln 2) / (1 - 2 e)
        ({"loss_type": "robust", "label_smoothing": 0.2}, math.log(2)),
        # the squared distance of the margin 0 from 1 / (2 beta), both per token
        ({"loss_type": "ipo", "beta": 5}, 1 / (2 * 5) ** 2),
    ],
)
def test_a_loss_starts_at_a_margin_of_0(first, overrides, expected):
    found = first(**overrides)
    assert found["loss"] == pytest.approx(expected, abs=1e-6)
    assert found["rewards/margins"] == 0


def test_the_sft_term_is_the_mean_cross_entropy_of_the_chosen_responses(first, tiny_base, parent, rows):
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_base), parent).eval()
    losses = []
    for row in rows:
        ids, start = torch.tensor([row["prompt_ids"] + row["chosen_ids"]]), len(row["prompt_ids"])
        with torch.no_grad():
            logits = model(input_ids=ids).logits[0, start - 1 : -1]
        losses.append(torch.nn.functional.cross_entropy(logits, ids[0, start:], reduction="none"))
    mean = float(torch.cat(losses).mean())
    assert mean > 1
    assert first(loss_type=["sigmoid", "sft"], loss_weights=[1, 0.5])["loss"] == pytest.approx(
        math.log(2) + 0.5 * mean, abs=1e-4
    )


def test_only_robust_takes_label_smoothing():
    for overrides in (
        {"label_smoothing": 0.1},
        {"loss_type": "robust"},
        {"loss_type": "robust", "label_smoothing": 0.5},
    ):
        with pytest.raises(ValidationError, match="label_smoothing"):
            Dpo(**overrides)
