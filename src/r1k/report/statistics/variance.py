"""Variance components of a score: training runs, questions, and sampled answers."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class VarianceComponents:
    """Variances of one answer's correctness with the number of levels of each factor.

    The estimates are unbiased, so a component near zero can be estimated below zero. A component is None if its factor
    has a single level.
    """

    seeds: int
    questions: int
    samples: int
    seed: float | None
    """Between training runs, over all questions."""
    question: float
    """Between questions: how much their difficulty varies."""
    interaction: float | None
    """Training runs that are better at some questions and worse at others."""
    sample: float
    """Between answers of one model to one question; with a single answer it includes the interaction."""

    @property
    def from_seeds(self) -> float | None:
        """Return the mean score's standard error from sampling training runs; None for a single run."""
        return None if self.seed is None else math.sqrt(max(0.0, self.seed / self.seeds))

    @property
    def from_questions(self) -> float:
        """Return the mean score's standard error from sampling questions."""
        return math.sqrt(max(0.0, self.question / self.questions))

    @property
    def from_samples(self) -> float:
        """Return the mean score's standard error from sampling answers, with the interaction of run and question."""
        answers = self.seeds * self.questions
        return math.sqrt(max(0.0, (self.interaction or 0.0) / answers + self.sample / (answers * self.samples)))


def components(correct: NDArray[np.bool_]) -> VarianceComponents | None:
    """Estimate the components from verdicts of shape (seeds, questions, samples) by the method of moments.

    The mean squares of the crossed random model y = mean + seed + question + seed x question + answer are set equal to
    their expectations (Searle, Casella and McCulloch, Variance Components, 1992, section 4.3). Returns None for one
    answer per question, which cannot separate question from answer, and for a single question.
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
    return VarianceComponents(
        seeds=s,
        questions=q,
        samples=k,
        seed=None if ms_seed is None else float((ms_seed - rest) / (q * k)),
        question=float((ms_question - rest) / (s * k)),
        interaction=None if ms_crossed is None or ms_sample is None else float((ms_crossed - ms_sample) / k),
        sample=float(rest if ms_sample is None else ms_sample),
    )
