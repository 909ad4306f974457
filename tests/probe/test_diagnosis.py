"""The claims detect training that moves probability to third responses."""

from pathlib import Path

import pytest
import torch
from peft import PeftModel
from probe_models import build_adapter, build_base, build_pairs
from transformers import AutoModelForCausalLM

from r1k.config import Dynamics, DynamicsSpec, Probe
from r1k.probe.engine import prepare
from r1k.probe.responses import encode_pairs, read_pairs
from r1k.probe.run_probe import probe_checkpoints
from r1k.probe.tracked import make_tracked
from r1k.report.statistics.changes import Measured
from r1k.report.statistics.claims import claims
from r1k.report.statistics.curves import SPLITS
from r1k.text import load_tokenizer

CONFIG = Probe(dtype="float32", tracked=["chosen", "rejected", "other_problem_chosen", "other_problem_rejected"])
SPEC = DynamicsSpec(
    arms={"mixed": Dynamics(sft="before", dpo="after")}, seeds=[0], epochs={"before": 1.0, "after": 1.0}
)
THIRD = ("other_problem_chosen", "other_problem_rejected")
STEPS, FALL = 35, 0.2
"""Of the constructed training runs; FALL is in nats per token."""


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("diagnosis")
    base = build_base(root / "base")
    build_pairs(root / "probe.jsonl", problems=8, question=3, reasoning=6)
    build_adapter(root / "start", base, seed=1, rank=8, size=0.05)
    return root


def train(root: Path, name: str, gains: tuple[str, ...], losses: tuple[str, ...]) -> Path:
    """Train the start adapter to raise some kinds of responses and lower others by FALL; return the new adapter."""
    tokenizer = load_tokenizer(root / "base")
    encoded = encode_pairs(tokenizer, read_pairs(root / "probe.jsonl"), 1000)
    responses = [part for part in make_tracked(tokenizer, encoded, CONFIG)[0] if part.kind in gains + losses]
    (batch,) = prepare([response.item for response in responses], 10**6, torch.device("cpu"))
    kinds = [responses[place].kind for place in batch.items]
    rises, falls = ([k for k, kind in enumerate(kinds) if kind in group] for group in (gains, losses))
    base = AutoModelForCausalLM.from_pretrained(root / "base", dtype=torch.float32)
    model = PeftModel.from_pretrained(base, root / "start", is_trainable=True).eval()
    optimizer = torch.optim.Adam([weight for weight in model.parameters() if weight.requires_grad], lr=1e-2)
    first = None
    for _ in range(STEPS):
        logits = model(input_ids=batch.input_ids).logits.flatten(0, 1)[batch.rows]
        tokens = -torch.nn.functional.cross_entropy(logits, batch.targets, reduction="none")
        means = torch.stack([part.mean() for part in torch.split(tokens, batch.lengths)])
        first = means.detach() if first is None else first
        loss = -means[rises].mean() + 4 * (means - first + FALL)[falls].relu().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.save_pretrained(root / name)
    return root / name


def measure(root: Path, name: str, adapter: Path) -> Measured:
    paths = []
    for run, start, end in (("before", None, root / "start"), ("after", root / "start", adapter)):
        paths.append(root / name / f"{run}.jsonl")
        probe_checkpoints(
            run=run,
            seed=0,
            base=root / "base",
            start=start,
            steps={1: end},
            epochs={1: 1.0},
            pairs=root / "probe.jsonl",
            config=CONFIG,
            output=root / name / f"{run}-probe.jsonl",
            tracked=paths[-1],
            greedy=root / name / f"{run}-greedy.jsonl",
            state=root / name / "state" / run,
            answers=root / name / "answers",
        )
    return Measured(SPEC, paths)


def verdicts(measured: Measured) -> list[dict[str, str]]:
    return [{claim.key: claim.verdict for claim in claims(measured, split)} for split in SPLITS]


def moved(measured: Measured, response: str) -> list[float]:
    return [measured.change("mixed", "dpo", "mixed", split, response, "log_p").mean() for split in SPLITS]


@pytest.mark.slow
def test_probability_moved_to_other_problems_is_detected(place):
    measured = measure(place, "planted", train(place, "planted-adapter", gains=THIRD, losses=("rejected",)))
    for found in verdicts(measured):
        assert found["dpo-suppresses"] == found["to-problems-mixed"] == "supported"
    for kind in THIRD:
        assert min(moved(measured, kind)) > 0.3
    assert max(moved(measured, "rejected")) < -0.1


@pytest.mark.slow
def test_probability_moved_to_chosen_responses_is_not_reported_as_moved_elsewhere(place):
    adapter = train(place, "plain-adapter", gains=("chosen",), losses=("rejected", *THIRD))
    measured = measure(place, "plain", adapter)
    for found in verdicts(measured):
        assert found["dpo-suppresses"] == found["dpo-separates"] == "supported"
        assert found["to-problems-mixed"] == "not supported"
    assert min(moved(measured, "chosen")) > 0


def test_an_unchanged_model_leaves_claims_undecided(place):
    measured = measure(place, "still", place / "start")
    for found in verdicts(measured):
        about_dpo = {verdict for key, verdict in found.items() if key.startswith(("dpo-", "to-"))}
        assert about_dpo == {"undecided"}
