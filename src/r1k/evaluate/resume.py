"""Answers that are generated once: what an earlier attempt kept, and the rest by an engine."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from r1k.config import Evaluate
from r1k.evaluate.answer_cache import CachedAnswer, read_kept
from r1k.evaluate.engines import Kind
from r1k.evaluate.prompts import Prompt
from r1k.evaluate.worker import GenerationOrder, start
from r1k.files import value_digest
from r1k.provenance import artefact_digest, versions
from r1k.records import write_jsonl


@dataclass
class Writer:
    """Answers by an engine, those that are kept first."""

    base: Path
    adapter: Path | None
    evaluate: Evaluate
    engine: Kind
    state: Path
    processes: int = 1
    found: int = 0
    """Answers that an earlier attempt had kept."""

    def __call__(self, prompts: Sequence[Prompt]) -> Mapping[str, CachedAnswer]:
        """The answers to all prompts, by key: what is not kept yet is generated."""
        kept = read_kept(self.state / "answers")
        missing = {prompt.key: prompt for prompt in prompts if prompt.key not in kept}
        self.found = len({prompt.key for prompt in prompts}) - len(missing)
        if not missing:
            return kept
        asked = self.state / "asked.jsonl"
        write_jsonl(asked, missing.values())
        order = GenerationOrder(
            base=self.base,
            adapter=self.adapter,
            evaluate=self.evaluate,
            batch_size=self.evaluate.batch_size,
            tokens_per_batch=self.evaluate.tokens_per_batch,
            engine=self.engine,
            asked=asked,
            kept=self.state / "answers",
        )
        start(order, self.processes)
        return read_kept(self.state / "answers")


def answers_key(base: Path, adapter: Path | None, evaluate: Evaluate, engine: Kind) -> str:
    """A digest of all that decides answers besides their prompts; how many are generated at once does not."""
    forcing = evaluate.budget_forcing
    return value_digest(
        {
            "base": artefact_digest(base),
            "adapter": adapter and artefact_digest(adapter),
            "adapter_config": adapter and _adapter_config(adapter),
            "dtype": evaluate.dtype,
            "engine": [engine, versions().get(engine)],
            "budget_forcing": forcing and forcing.model_dump(),
        }
    )


def _adapter_config(adapter: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    return {key: value for key, value in config.items() if key != "base_model_name_or_path"}
