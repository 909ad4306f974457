"""The teacher's tokens, price and time: two calls for each problem (the paper's section 3.1), and paraphrases."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from r1k.config import Experiment, OpenAITeacher
from r1k.plan.estimate import CHARACTERS, Workload
from r1k.plan.lengths import capped, mixed

LOOPBACK_START, LOOPBACK_SECONDS = 0.3, 0.007
"""Of a teacher on loopback, and of each problem: 16 and 160 problems took 0.44 and 1.3 seconds on a quiet core."""


@dataclass(frozen=True)
class TeacherWorkload:
    """What is asked of the teacher, nothing journalled before."""

    calls: int
    prompt_tokens: float
    completion_tokens: float
    seconds: float
    dollars: float | None
    """None where the config states no prices."""


def teaching(experiment: Experiment, workload: Workload) -> TeacherWorkload:
    """Call one reads question, answer and instructions and writes the reverse question; call two solves that.

    A paraphrase is as long as what it rewords, and as much is thought for it as for a reverse question.
    """
    teacher, n = experiment.teacher, experiment.data.source.problems
    question, plan = workload.prompt.mean, experiment.plan
    reworded = _paraphrased(experiment)
    response = capped(mixed(*workload.responses.values()), experiment.probe.max_tokens).mean
    read = n * (question + _instruction_tokens("reverse_question") + plan.answer.mean + question)
    read += reworded * (question + _instruction_tokens("paraphrase") + response)
    written = n * (plan.inversion.mean + workload.responses["reverse"].mean)
    written += reworded * (plan.inversion.mean + response)
    calls = 2 * n + reworded
    if not isinstance(teacher, OpenAITeacher):
        return TeacherWorkload(calls, read, written, LOOPBACK_START + calls / 2 * LOOPBACK_SECONDS, 0.0)
    dollars = None
    client = teacher.client
    if client.input_price is not None and client.output_price is not None:
        dollars = (read * client.input_price + written * client.output_price) / 1e6
    return TeacherWorkload(calls, read, written, written / plan.teacher_rate / client.concurrency, dollars)


def _paraphrased(experiment: Experiment) -> int:
    """Responses that are reworded: both of each problem that is followed."""
    probe, data = experiment.probe, experiment.data
    splits = (data.probe_train, data.probe_held_out)
    return probe.paraphrased * 2 * sum(min(size, probe.tracked_problems or size) for size in splits)


@cache
def _instruction_tokens(prompt: str) -> float:
    text = (files("r1k.teacher") / "prompts" / f"{prompt}.md").read_text(encoding="utf-8")
    return len(text) / CHARACTERS
