"""Generate only the answers that are not in the cache yet."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from r1k.config import Evaluate
from r1k.evaluate.answer_cache import CachedAnswer, read_cached_answers
from r1k.evaluate.engines.selection import EngineKind
from r1k.evaluate.prompts import Prompt
from r1k.evaluate.worker import GenerationOrder, run_processes
from r1k.files import value_digest
from r1k.provenance import artefact_digest, versions
from r1k.records import write_jsonl


@dataclass
class CachedGenerator:
    """A generator that takes answers from the cache and has an engine generate the others."""

    base: Path
    adapter: Path | None
    evaluate: Evaluate
    engine: EngineKind
    state: Path
    """Directory of the cache."""
    processes: int = 1
    num_cached: int = 0
    """Answers that were in the cache before the last call."""

    def __call__(self, prompts: Sequence[Prompt]) -> Mapping[str, CachedAnswer]:
        """Return the answers to all prompts, by key; generate those that are not in the cache."""
        cached = read_cached_answers(self.state / "answers")
        missing = {prompt.key: prompt for prompt in prompts if prompt.key not in cached}
        self.num_cached = len({prompt.key for prompt in prompts}) - len(missing)
        if not missing:
            return cached
        path = self.state / "prompts.jsonl"
        write_jsonl(path, missing.values())
        order = GenerationOrder(
            base=self.base,
            adapter=self.adapter,
            evaluate=self.evaluate,
            batch_size=self.evaluate.batch_size,
            tokens_per_batch=self.evaluate.tokens_per_batch,
            engine=self.engine,
            prompts=path,
            answers=self.state / "answers",
        )
        run_processes(order, self.processes)
        return read_cached_answers(self.state / "answers")


def answers_key(base: Path, adapter: Path | None, evaluate: Evaluate, engine: EngineKind) -> str:
    """Return a digest of everything that determines answers, apart from their prompts; memory settings do not."""
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
