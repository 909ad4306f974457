"""Made-up results in the formats that the other stages write."""

from pathlib import Path

import numpy as np
import pytest

from r1k.config import Dynamics, DynamicsSpec
from r1k.records import DIRECTIONS, LogProb, write_jsonl

ARMS = ("forward", "reverse", "mixed")


@pytest.fixture(scope="session")
def dynamics() -> DynamicsSpec:
    arms = {arm: Dynamics(sft=f"probe-{arm}", dpo=f"probe-{arm}-dpo") for arm in ARMS}
    epochs = {run: epochs for pair in arms.values() for run, epochs in ((pair.sft, 12.0), (pair.dpo, 7.0))}
    return DynamicsSpec(arms=arms, seeds=[0], epochs=epochs)


@pytest.fixture(scope="session")
def make_logprobs():
    return write_logprobs


@pytest.fixture
def logprob_files(tmp_path: Path, dynamics: DynamicsSpec) -> list[Path]:
    return write_logprobs(tmp_path, dynamics, problems=12)


def write_logprobs(folder: Path, spec: DynamicsSpec, problems: int) -> list[Path]:
    """Write log-probabilities that rise over SFT and diverge over DPO, with noise between problems."""
    paths = []
    for seed in spec.seeds:
        for arm, pair in spec.arms.items():
            for run, epochs in ((pair.sft, range(0, 13, 2)), (pair.dpo, range(8))):
                path = folder / f"{run}-{seed}.jsonl"
                write_jsonl(path, _records(run, seed, arm, run == pair.dpo, epochs, problems))
                paths.append(path)
    return paths


def _records(run, seed, arm, is_dpo, epochs, problems):
    rng = np.random.default_rng([seed, *run.encode()])
    for epoch in epochs:
        for split in ("train", "held_out"):
            for number in range(problems):
                for direction in DIRECTIONS:
                    for response in ("chosen", "rejected"):
                        own = {"mixed": 0.8, direction: 1.0}.get(arm, 0.45)
                        rise = (
                            0.5 * own * (1 - np.exp(-(12 if is_dpo else epoch) / 4)) * (1.2 if split == "train" else 1)
                        )
                        fall = 0.06 * epoch * (1 if response == "rejected" else 0.35) if is_dpo else 0.0
                        level = -1.25 - (0.12 if response == "rejected" else 0.0)
                        mean = min(-0.01, level + rise - fall + rng.normal(0, 0.12))
                        yield LogProb(
                            run=run,
                            seed=seed,
                            step=epoch * 60,
                            epoch=epoch,
                            split=split,
                            problem=f"p{number}",
                            direction=direction,
                            response=response,
                            tokens=1000,
                            truncated=number % 3 == 0,
                            sum=mean * 1000,
                            mean=mean,
                        )
