"""The teacher's tokens, price and time: two calls per problem (the paper's section 3.1), and paraphrases."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from r1k.config import Experiment, OpenAITeacher
from r1k.plan.estimate import CHARACTERS_PER_TOKEN, Workload
from r1k.plan.lengths import mixture, truncated

LOOPBACK_START, LOOPBACK_SECONDS = 0.3, 0.007
"""Seconds of a local teacher: to start, and per problem. 16 and 160 problems took 0.44 and 1.3 s on an idle core."""

MAX_BATCH_SECONDS = 2 * 24 * 3600.0
"""Seconds of the inversion's two batches, each of which a provider answers within 24 hours."""


@dataclass(frozen=True)
class TeacherWorkload:
    """The teacher's work with an empty journal."""

    calls: int
    prompt_tokens: float
    completion_tokens: float
    seconds: float
    dollars: float | None
    """None if the config has no prices."""


def teacher_workload(experiment: Experiment, workload: Workload) -> TeacherWorkload:
    """Return the teacher's workload.

    Call 1 reads question, answer and instructions and writes the reverse question; call 2 solves the reverse question.
    A paraphrase is as long as its source and takes as much reasoning as a reverse question.
    """
    teacher, n = experiment.teacher, experiment.data.source.problems
    question, plan = workload.prompt.mean, experiment.plan
    paraphrases = _paraphrases(experiment)
    response = truncated(mixture(*workload.responses.values()), experiment.probe.max_tokens).mean
    read = n * (question + _instruction_tokens("reverse_question") + plan.answer.mean + question)
    read += paraphrases * (question + _instruction_tokens("paraphrase") + response)
    written = n * (plan.inversion.mean + workload.responses["reverse"].mean)
    written += paraphrases * (plan.inversion.mean + response)
    calls = 2 * n + paraphrases
    if not isinstance(teacher, OpenAITeacher):
        return TeacherWorkload(calls, read, written, LOOPBACK_START + calls / 2 * LOOPBACK_SECONDS, 0.0)
    dollars = None
    client = teacher.client
    if client.input_price is not None and client.output_price is not None:
        dollars = (read * client.input_price + written * client.output_price) / 1e6
    in_turn = written / plan.teacher_rate / client.concurrency
    return TeacherWorkload(calls, read, written, MAX_BATCH_SECONDS if client.batch else in_turn, dollars)


def _paraphrases(experiment: Experiment) -> int:
    """Return the number of responses to paraphrase: both of each tracked problem."""
    probe, data = experiment.probe, experiment.data
    splits = (data.probe_train, data.probe_held_out)
    return probe.paraphrased * 2 * sum(min(size, probe.tracked_problems or size) for size in splits)


@cache
def _instruction_tokens(prompt: str) -> float:
    text = (files("r1k.teacher") / "prompts" / f"{prompt}.md").read_text(encoding="utf-8")
    return len(text) / CHARACTERS_PER_TOKEN
