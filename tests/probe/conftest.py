"""A base, adapters and probe pairs that the tests share."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from probe_models import build_adapter, build_base, build_pairs


@dataclass(frozen=True)
class Study:
    """The inputs of a probe."""

    base: Path
    adapters: dict[int, Path]
    epochs: dict[int, float]
    pairs: Path


@pytest.fixture(scope="session")
def study(tmp_path_factory) -> Study:
    root = tmp_path_factory.mktemp("study")
    base = build_base(root / "base")
    return Study(
        base=base,
        adapters={step: build_adapter(root / f"step-{step}", base, seed=step) for step in (3, 6, 12)},
        epochs={3: 2.0, 6: 4.0, 12: 8.0},
        pairs=build_pairs(root / "probe.jsonl", problems=4, question=6, reasoning=14),
    )
