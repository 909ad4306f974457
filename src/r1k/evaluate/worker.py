"""From missing answers to answers that are kept: one process for each GPU, or this one where one is enough."""

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
from r1k.evaluate.budget_forcing import rules_of
from r1k.evaluate.engines import Kind, load
from r1k.evaluate.prompts import Prompt
from r1k.records import read_jsonl
from r1k.text import load_tokenizer


class GenerationOrder(BaseModel):
    """The inputs of every process of a generation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: Path
    adapter: Path | None
    evaluate: Evaluate
    batch_size: int
    tokens_per_batch: int | None
    engine: Kind
    asked: Path
    """The prompts that have no answer yet."""
    kept: Path
    """The directory where answers are kept."""
    share: int = 0
    shares: int = 1

    @property
    def settings(self) -> Evaluate:
        """The section with the memory settings, which JSON leaves out of it."""
        memory = {"batch_size": self.batch_size, "tokens_per_batch": self.tokens_per_batch}
        return self.evaluate.model_copy(update=memory)


def work(order: GenerationOrder) -> None:
    """Answer every `shares`-th prompt, from the `share`-th, and keep each answer as it is finished."""
    prompts = read_jsonl(order.asked, Prompt)[order.share :: order.shares]
    if not prompts:
        return
    rules = rules_of(order.base, load_tokenizer(order.base), order.evaluate.budget_forcing)
    engine = load(order.engine, order.base, order.adapter, order.settings, rules)
    title = "generating" if order.shares == 1 else f"generating, {order.share + 1} of {order.shares}"
    with AnswerLog(order.kept) as keeper, tqdm(total=len(prompts), desc=title, unit="answer") as progress:
        for answers in engine.answers(prompts):
            keeper.add(answers)
            progress.update(len(answers))


def start(order: GenerationOrder, processes: int) -> None:
    """Do the work in so many processes; R1kError where one of them fails, when all have ended."""
    if processes == 1:
        work(order)
        return
    running = []
    for share in range(processes):
        own = order.model_copy(update={"share": share, "shares": processes})
        command = [sys.executable, "-m", "r1k.evaluate.worker", own.model_dump_json()]
        running.append(subprocess.Popen(command, env=os.environ | _device(share), preexec_fn=die_with_parent))
    ends = [process.wait() for process in running]
    if any(ends):
        raise R1kError(
            f"generation in {order.kept}: processes ended with {ends}; their messages are above. What they finished is "
            "kept, and a new attempt asks for the rest alone"
        )


def _device(share: int) -> dict[str, str]:
    """A process's own GPU, as an environment variable; nothing where there are none."""
    import torch

    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    devices = [str(index) for index in range(torch.cuda.device_count())] if given is None else given.split(",")
    return {"CUDA_VISIBLE_DEVICES": devices[share % len(devices)]} if torch.cuda.is_available() else {}


if __name__ == "__main__":
    work(GenerationOrder.model_validate_json(sys.argv[1]))
