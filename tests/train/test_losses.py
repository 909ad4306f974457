"""What DPO's losses are before the first step, where the trained model is the reference still: the real trainer."""

import math

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from pydantic import ValidationError
from transformers import AutoModelForCausalLM, TrainerCallback

from examples import make_both
from r1k.config import Dpo
from r1k.data.sets import pairs
from r1k.text import load_tokenizer
from r1k.train.rows import make_rows
from r1k.train.trainers import make_trainer

SETTINGS = {
    "batch_size": 4,
    "max_length": 1024,
    "lora": {"rank": 4, "alpha": 8, "dropout": 0.0},
    "precision": "fp32",
    "attention": "sdpa",
    "gradient_checkpointing": False,
}


@pytest.fixture(scope="module")
def parent(tmp_path_factory, tiny_base):
    """An adapter that changes the base."""
    model = AutoModelForCausalLM.from_pretrained(tiny_base)
    torch.manual_seed(1)
    config = LoraConfig(
        r=4, lora_alpha=8, target_modules=["q_proj", "up_proj"], init_lora_weights=False, task_type="CAUSAL_LM"
    )
    directory = tmp_path_factory.mktemp("parent") / "adapter"
    get_peft_model(model, config).save_pretrained(directory)
    return directory


@pytest.fixture(scope="module")
def rows(tiny_base):
    forward, reverse = make_both(2)
    made = make_rows(load_tokenizer(tiny_base), pairs(list(zip(forward, reverse, strict=True))), 1024)
    return [row.columns for row in made]


@pytest.fixture
def first(tmp_path, tiny_base, parent, rows):
    def train(**changes):
        trainer = make_trainer(
            settings=Dpo(**SETTINGS | changes),
            base=tiny_base,
            parent=parent,
            tokenizer=load_tokenizer(tiny_base),
            rows=rows,
            steps=1,
            seed=0,
            micro_batch_size=4,
            state=tmp_path,
            callback=TrainerCallback(),
        )
        trainer.train()
        return trainer.state.log_history[0]

    return train


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, math.log(2)),
        ({"loss": "sigmoid_norm", "beta": 35}, math.log(2)),
        # (1 - e) ln 2 - e ln 2, over 1 - 2 e
        ({"loss": "robust", "label_smoothing": 0.2}, math.log(2)),
        # The squared distance of a margin of 0 from 1 / (2 beta), both by the token.
        ({"loss": "ipo", "beta": 5}, 1 / (2 * 5) ** 2),
    ],
)
def test_a_loss_starts_from_a_margin_of_0(first, changes, expected):
    found = first(**changes)
    assert found["loss"] == pytest.approx(expected, abs=1e-6)
    assert found["rewards/margins"] == 0


def test_the_added_term_is_the_preferred_responses_mean_cross_entropy(first, tiny_base, parent, rows):
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_base), parent).eval()
    costs = []
    for row in rows:
        ids, start = torch.tensor([row["prompt_ids"] + row["chosen_ids"]]), len(row["prompt_ids"])
        with torch.no_grad():
            logits = model(input_ids=ids).logits[0, start - 1 : -1]
        costs.append(torch.nn.functional.cross_entropy(logits, ids[0, start:], reduction="none"))
    mean = float(torch.cat(costs).mean())
    assert mean > 1
    assert first(sft_weight=0.5)["loss"] == pytest.approx(math.log(2) + 0.5 * mean, abs=1e-4)


def test_label_smoothing_is_robusts_alone():
    for wrong in ({"label_smoothing": 0.1}, {"loss": "robust"}, {"loss": "robust", "label_smoothing": 0.5}):
        with pytest.raises(ValidationError, match="label_smoothing"):
            Dpo(**wrong)
