"""Inputs of the probe's benchmark: a run of a finished experiment, or synthetic bases, adapters and texts."""

import argparse
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

sys.path.append(str(Path(__file__).parents[1] / "tests" / "probe"))
from probe_models import build_adapter, build_base, build_pairs

from r1k.config import Probe, Sft
from r1k.probe.engine import Item, PaddedBatch, prepare
from r1k.probe.responses import EncodedResponse, encode_pairs, read_pairs
from r1k.probe.run_probe import probe_checkpoints
from r1k.probe.tracked import TrackedResponse, make_tracked
from r1k.text import load_tokenizer
from r1k.train.describe import RunPlan, describe_run, read_run

SHAPE = {"hidden": 128, "layers": 4, "mlp": 384, "positions": 2048}


@dataclass(frozen=True)
class Inputs:
    """Inputs of a probe; `run` describes the run whose adapters are in `steps`."""

    run: Path
    base: Path
    steps: Path
    pairs: Path
    config: Probe

    @property
    def epochs(self) -> Mapping[int, float]:
        return read_run(self.run).probed

    @property
    def adapters(self) -> dict[int, Path]:
        return {step: self.steps / str(step) for step in self.epochs}


def from_experiment(options: argparse.Namespace, config: Probe) -> Inputs:
    folder = options.experiment
    run = folder / "runs" / options.run / "0"
    return Inputs(
        run / "run.json", folder / "bases" / options.base, run / "steps", folder / "data" / "probe.jsonl", config
    )


def synthetic(root: Path, options: argparse.Namespace, config: Probe) -> Inputs:
    base = options.model or build_base(root / "base", vocabulary=1024, **SHAPE)
    pairs = (options.problems, 30, options.words)
    return describe_synthetic(root, base, options.checkpoints, options.rank, pairs, config)


def with_long_responses(root: Path, vocabulary: int, config: Probe) -> Inputs:
    base = build_base(root / "base", vocabulary=vocabulary, **SHAPE)
    return describe_synthetic(root, base, 3, 32, (6, 20, 400), config)


def describe_synthetic(
    root: Path, base: Path, checkpoints: int, rank: int, texts: tuple[int, int, int], config: Probe
) -> Inputs:
    """Write random adapters of the base and a run.json; `texts` has the number of problems, and words per question and
    reasoning."""
    epochs = {step: float(step) for step in range(1, checkpoints)}
    for step in epochs:
        build_adapter(root / "steps" / str(step), base, step, rank, 2 * rank, size=0.02)
    plan = RunPlan(
        run="bench",
        seed=0,
        method="sft",
        identity={},
        sft=Sft(),
        steps=max(epochs),
        probed=epochs,
        exclude_held_out=True,
    )
    describe_run(plan=plan, base=base, output=root / "run.json")
    problems, question, reasoning = texts
    pairs = build_pairs(root / "probe.jsonl", problems, question, reasoning)
    return Inputs(root / "run.json", base, root / "steps", pairs, config)


def encode_responses(inputs: Inputs) -> tuple[list[EncodedResponse], list[TrackedResponse]]:
    tokenizer = load_tokenizer(inputs.base)
    responses = encode_pairs(tokenizer, read_pairs(inputs.pairs), inputs.config.max_tokens)
    return responses, make_tracked(tokenizer, responses, inputs.config)[0]


def make_items(inputs: Inputs) -> dict[Item, None]:
    """Return the distinct items, in the probe's order."""
    responses, tracked_responses = encode_responses(inputs)
    return dict.fromkeys(part.item for part in (*responses, *tracked_responses))


def make_batches(inputs: Inputs) -> list[PaddedBatch]:
    """Return the batches that the probe makes of the same files."""
    responses, tracked_responses = encode_responses(inputs)
    items = dict.fromkeys(response.item for response in responses)
    further = dict.fromkeys(response.item for response in tracked_responses if response.item not in items)
    return [
        batch
        for part in (items, further)
        for batch in prepare(list(part), inputs.config.tokens_per_batch, torch.device("cpu"))
    ]


def load(base: Path, adapter: Path | None) -> Any:
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    return (PeftModel.from_pretrained(model, adapter) if adapter else model).eval()


def probe_once(inputs: Inputs) -> None:
    """Run the stage as the workflow does, in a new directory."""
    with tempfile.TemporaryDirectory() as place:
        probe_checkpoints(
            run="bench",
            seed=0,
            base=inputs.base,
            start=None,
            steps=inputs.adapters,
            epochs=inputs.epochs,
            pairs=inputs.pairs,
            config=inputs.config,
            output=Path(place) / "probe.jsonl",
            tracked=Path(place) / "tracked.jsonl",
            greedy=Path(place) / "greedy.jsonl",
            state=Path(place) / "state",
            answers=Path(place) / "answers",
        )
