"""Generate missing answers, in this process or in one process per GPU."""

import os
import subprocess
import sys
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from tqdm import tqdm

from r1k.child_process import die_with_parent
from r1k.config import Evaluate
from r1k.errors import R1kError
from r1k.evaluate.answer_cache import AnswerLog
from r1k.evaluate.budget_forcing import stop_rules
from r1k.evaluate.engines.selection import EngineKind, load_engine
from r1k.evaluate.prompts import Prompt
from r1k.records import read_jsonl
from r1k.text import load_tokenizer


class GenerationOrder(BaseModel):
    """The inputs of one process of a generation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: Path
    adapter: Path | None
    evaluate: Evaluate
    batch_size: int
    tokens_per_batch: int | None
    engine: EngineKind
    prompts: Path
    """The JSONL file of prompts without an answer."""
    answers: Path
    """The directory of cached answers."""
    shard: int = 0
    num_shards: int = 1

    @property
    def settings(self) -> Evaluate:
        """Section `evaluate` with the memory settings, which its JSON excludes."""
        memory = {"batch_size": self.batch_size, "tokens_per_batch": self.tokens_per_batch}
        return self.evaluate.model_copy(update=memory)


def run_shard(order: GenerationOrder) -> None:
    """Answer every `num_shards`-th prompt, starting at `shard`; write each answer to the cache when it finishes."""
    prompts = read_jsonl(order.prompts, Prompt)[order.shard :: order.num_shards]
    if not prompts:
        return
    rules = stop_rules(order.base, load_tokenizer(order.base), order.evaluate.budget_forcing)
    engine = load_engine(order.engine, order.base, order.adapter, order.settings, rules)
    title = "generating" if order.num_shards == 1 else f"generating, {order.shard + 1} of {order.num_shards}"
    with AnswerLog(order.answers) as log, tqdm(total=len(prompts), desc=title, unit="answer") as progress:
        for answers in engine.answers(prompts):
            log.add(answers)
            progress.update(len(answers))


def run_processes(order: GenerationOrder, processes: int) -> None:
    """Answer all prompts with this many processes; raise R1kError if one of them fails, after all have ended."""
    if processes == 1:
        run_shard(order)
        return
    running = []
    for shard in range(processes):
        part = order.model_copy(update={"shard": shard, "num_shards": processes})
        command = [sys.executable, "-m", "r1k.evaluate.worker", part.model_dump_json()]
        running.append(subprocess.Popen(command, env=os.environ | _device(shard), preexec_fn=die_with_parent))
    codes = [process.wait() for process in running]
    if any(codes):
        raise R1kError(
            f"generation in {order.answers}: processes ended with exit codes {codes}; their messages are above. "
            "Finished answers are kept: run it again to generate the others"
        )


def _device(shard: int) -> dict[str, str]:
    """Return the environment variable that gives a process its own GPU; empty if there are no GPUs."""
    import torch

    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    devices = [str(index) for index in range(torch.cuda.device_count())] if given is None else given.split(",")
    return {"CUDA_VISIBLE_DEVICES": devices[shard % len(devices)]} if torch.cuda.is_available() else {}


if __name__ == "__main__":
    run_shard(GenerationOrder.model_validate_json(sys.argv[1]))
