"""A model that has memorized a few turns, so that its answers are known to the byte."""

import shutil
from pathlib import Path

import pytest
import torch

from r1k.records import Question, Response
from r1k.text import encode, format_question, load_tokenizer

Memorized = list[tuple[Question, Response]]

MEMORIZED: Memorized = [
    (
        Question(id="eggs", benchmark="math", question="How many eggs?", gold="12", kind="count", direction="forward"),
        Response(reasoning="3 rows of 4.\n\nSo 12.", answer="\\boxed{12}"),
    ),
    (
        Question(
            id="rows",
            benchmark="math",
            question="Twelve eggs in rows of {{four}}: how many rows of $\\frac{12}{4}$ {% raw %}?",
            gold="3",
            kind="count",
            direction="reverse",
        ),
        Response(reasoning="12 / 4 = 3", answer="Answer: 3"),
    ),
    (
        Question(
            id="pick",
            benchmark="gpqa",
            question="Which is even?",
            options=["1", "2", "3", "5"],
            gold="B",
            kind="choice",
        ),
        Response(reasoning="2 is.", answer="\\boxed{B}"),
    ),
]


@pytest.fixture(scope="session")
def memorized() -> Memorized:
    """The questions, and the memorized base's response to each."""
    return MEMORIZED


@pytest.fixture(scope="session")
def memorized_base(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny base after full training on MEMORIZED, until its greedy answers equal the responses."""
    from transformers import Qwen2ForCausalLM

    tokenizer = load_tokenizer(tiny_base)
    turns = [encode(tokenizer, format_question(q), response, q.id) for q, response in MEMORIZED]
    width = max(len(turn.prompt) + len(turn.response) for turn in turns)
    ids = torch.tensor([pad(turn.prompt + turn.response, width, tokenizer.pad_token_id) for turn in turns])
    labels = torch.tensor([pad([-100] * len(turn.prompt) + turn.response, width, -100) for turn in turns])
    model = Qwen2ForCausalLM.from_pretrained(tiny_base)
    torch.manual_seed(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    loss = torch.tensor(1.0)
    for _ in range(400):
        loss = model(input_ids=ids, attention_mask=(ids != tokenizer.pad_token_id).long(), labels=labels).loss
        if loss < 0.01:
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.01, "the fixture's model did not learn its turns"
    directory = tmp_path_factory.mktemp("memorized") / "base"
    shutil.copytree(tiny_base, directory)
    model.save_pretrained(directory)
    return directory


def pad(values: list[int], width: int, filler: int) -> list[int]:
    return values + [filler] * (width - len(values))
