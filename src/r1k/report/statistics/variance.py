"""Where the variance of a score comes from: trainings, questions, or the answers that were drawn."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Components:
    """Variances of one answer's correctness, and how many of each there were; None where there is but one.

    They are estimates without bias, so that one near zero can come out below it.
    """

    seeds: int
    questions: int
    samples: int
    seed: float | None
    """Between trainings, over all questions alike."""
    question: float
    """Between questions: how unevenly hard they are."""
    interaction: float | None
    """Of trainings that are better at some questions and worse at others."""
    sample: float
    """Between answers to one question by one model; with one answer each, the interaction is in it."""

    @property
    def from_seeds(self) -> float | None:
        """Standard error of the mean score by the draw of the trainings; None for a single one."""
        return None if self.seed is None else math.sqrt(max(0.0, self.seed / self.seeds))

    @property
    def from_questions(self) -> float:
        """Standard error of the mean score by the draw of the questions."""
        return math.sqrt(max(0.0, self.question / self.questions))

    @property
    def from_samples(self) -> float:
        """Standard error of the mean score by the draw of the answers, and of what a training happens to be good at."""
        answers = self.seeds * self.questions
        return math.sqrt(max(0.0, (self.interaction or 0.0) / answers + self.sample / (answers * self.samples)))


def components(correct: NDArray[np.bool_]) -> Components | None:
    """Components of variance of verdicts of shape (seeds, questions, samples), by the method of moments.

    The mean squares of the crossed random model y = mean + seed + question + seed x question + answer are set equal to
    their expectations (Searle, Casella and McCulloch, Variance Components, 1992, section 4.3). None for one answer a
    question, which cannot tell a question from an answer, and for a single question.
    """
    s, q, k = correct.shape
    if s * k == 1 or q == 1:
        return None
    y = correct.astype(np.float64)
    cells, by_seed, by_question, mean = y.mean(axis=2), y.mean(axis=(1, 2)), y.mean(axis=(0, 2)), y.mean()
    crossed = cells - by_seed[:, None] - by_question[None, :] + mean
    ms_question = s * k * np.square(by_question - mean).sum() / (q - 1)
    ms_seed = q * k * np.square(by_seed - mean).sum() / (s - 1) if s > 1 else None
    ms_crossed = k * np.square(crossed).sum() / ((s - 1) * (q - 1)) if s > 1 else None
    ms_sample = np.square(y - cells[:, :, None]).sum() / (s * q * (k - 1)) if k > 1 else None
    rest = next(ms for ms in (ms_crossed, ms_sample) if ms is not None)
    return Components(
        seeds=s,
        questions=q,
        samples=k,
        seed=None if ms_seed is None else float((ms_seed - rest) / (q * k)),
        question=float((ms_question - rest) / (s * k)),
        interaction=None if ms_crossed is None or ms_sample is None else float((ms_crossed - ms_sample) / k),
        sample=float(rest if ms_sample is None else ms_sample),
    )
