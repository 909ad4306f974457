"""Made-up tracked responses with known levels and changes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from r1k.config import DynamicsSpec
from r1k.records import DIRECTIONS, RESPONSE_KINDS, SPANS, Tracked, write_jsonl

Change = Callable[[str, str, str], float]
"""From run, direction of the prompt and kind of response to the change of log p over the training."""


def write_tracked(folder: Path, spec: DynamicsSpec, problems: int, change: Change, lacking: str = "") -> list[Path]:
    """Write three checkpoints of every run; `lacking` names a problem without shuffled sentences."""
    paths = []
    for seed in spec.seeds:
        for pair in spec.arms.values():
            for run in (pair.sft, pair.dpo):
                paths.append(folder / f"{run}-{seed}.jsonl")
                write_jsonl(paths[-1], _records(run, seed, problems, change, lacking))
    return paths


def _records(run: str, seed: int, problems: int, change: Change, lacking: str):
    rng = np.random.default_rng([seed, *run.encode()])
    scatter = rng.normal(0, 0.01, problems)
    for step in (0, 5, 9):
        for split in ("train", "held_out"):
            for number in range(problems):
                for direction in DIRECTIONS:
                    for kind in RESPONSE_KINDS:
                        if kind == "shuffled_sentences" and f"p{number}" == lacking:
                            continue
                        # The checkpoint between the two ends is an outlier that must not count.
                        moved = {0: 0.0, 5: -1.5, 9: change(run, direction, kind) + scatter[number]}[step]
                        log_p = -3.0 + moved
                        for span in SPANS:
                            yield Tracked(
                                run=run,
                                seed=seed,
                                step=step,
                                epoch=step,
                                split=split,
                                problem=f"p{number}",
                                direction=direction,
                                response=kind,
                                source_problem=f"p{number}",
                                span=span,
                                tokens=9,
                                truncated=False,
                                log_p=log_p,
                                log_p_argmax=-0.5,
                                off_argmax=0.4,
                                entropy=1.0,
                                rank=2.0,
                                share_argmax=0.5,
                                p=0.2 + moved / 20,
                                p_rival=0.5 - moved / 40,
                                kl=0.0,
                            )
