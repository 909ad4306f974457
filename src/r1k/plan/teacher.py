"""The teacher's tokens, price and time: two calls for each problem (the paper's section 3.1)."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from r1k.config import Experiment, OpenAITeacher
from r1k.plan.estimate import CHARACTERS, Workload

LOOPBACK_START, LOOPBACK_SECONDS = 0.3, 0.007
"""Of a teacher on loopback, and of each problem: 16 and 160 problems took 0.44 and 1.3 seconds on a quiet core."""


@dataclass(frozen=True)
class Teaching:
    """What inversion asks of the teacher, nothing journalled before."""

    calls: int
    prompt_tokens: float
    completion_tokens: float
    seconds: float
    dollars: float | None
    """None where the config states no prices."""


def teaching(experiment: Experiment, workload: Workload) -> Teaching:
    """Call one reads question, answer and instructions and writes the reverse question; call two solves that."""
    teacher, n = experiment.teacher, experiment.data.source.problems
    question, plan = workload.prompt.mean, experiment.plan
    read = n * (question + _instruction_tokens() + plan.answer.mean + question)
    written = n * (plan.inversion.mean + workload.responses["reverse"].mean)
    if not isinstance(teacher, OpenAITeacher):
        return Teaching(2 * n, read, written, LOOPBACK_START + n * LOOPBACK_SECONDS, 0.0)
    dollars = None
    asking = teacher.asking
    if asking.input_price is not None and asking.output_price is not None:
        dollars = (read * asking.input_price + written * asking.output_price) / 1e6
    return Teaching(2 * n, read, written, written / plan.teacher_rate / asking.concurrency, dollars)


@cache
def _instruction_tokens() -> float:
    text = (files("r1k.teacher") / "prompts" / "reverse_question.md").read_text(encoding="utf-8")
    return len(text) / CHARACTERS
