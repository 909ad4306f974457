"""Scores of runs over every answer: avg@k, pass@k, majority@k."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from r1k.intervals import Interval
from r1k.report.statistics import samples
from r1k.report.statistics.bootstrap import Floats, shares
from r1k.report.statistics.estimates import average
from r1k.report.statistics.variance import VarianceComponents, components
from r1k.report.tables.paired_tests.verdicts import VerdictArrays

AVERAGE = "average"


@dataclass(frozen=True)
class RunScore:
    """A run's scores on a benchmark, or on the average of several, as shares of one."""

    run: str
    benchmark: str
    score: Interval
    """avg@k over all training runs; with one answer per question, greedy@1."""
    passed: Mapping[int, Interval]
    """pass@k by k, for 2, 4, 8 … and all samples of a training run; empty for a single sample."""
    majority: Interval | None = None
    """majority@k over all samples of a training run; None for a single sample."""
    n: int | None = None
    """Questions; None for an average, as are all fields below."""
    unparsed: float | None = None
    truncated: float | None = None
    components: VarianceComponents | None = None


def scores(benchmark: str, runs: Mapping[str, VerdictArrays]) -> list[RunScore]:
    """Return the scores of runs that answered the same questions; all runs share the bootstrap's draws."""
    first = next(iter(runs.values()))
    k = first.correct.shape[2]
    score = _estimates(runs, per_question)
    passed = {size: _estimates(runs, _passing(size)) for size in _sizes(k)}
    majority = _estimates(runs, _majority) if k > 1 else None
    return [
        RunScore(
            run=run,
            benchmark=benchmark,
            score=score[i],
            passed={size: estimates[i] for size, estimates in passed.items()},
            majority=majority[i] if majority else None,
            n=len(verdicts.questions),
            unparsed=float(verdicts.unparsed.mean()),
            truncated=float(verdicts.truncated.mean()),
            components=components(verdicts.correct),
        )
        for i, (run, verdicts) in enumerate(runs.items())
    ]


def averaged(results: Sequence[RunScore]) -> RunScore:
    """Return a run's plain mean over benchmarks; the intervals are combined as independent."""
    sizes = set.intersection(*(set(result.passed) for result in results))
    votes = [result.majority for result in results if result.majority is not None]
    return RunScore(
        run=results[0].run,
        benchmark=AVERAGE,
        score=average([result.score for result in results]),
        passed={size: average([result.passed[size] for result in results]) for size in sorted(sizes)},
        majority=average(votes) if len(votes) == len(results) else None,
    )


def per_question(verdicts: VerdictArrays) -> Floats:
    """Return the share of correct answers to each question, over samples and training runs."""
    return np.asarray(samples.average(verdicts.correct).mean(axis=0))


def _passing(k: int) -> Callable[[VerdictArrays], Floats]:
    return lambda verdicts: np.asarray(samples.pass_at(verdicts.correct, k).mean(axis=0))


def _majority(verdicts: VerdictArrays) -> Floats:
    return np.asarray(samples.majority(verdicts.correct, verdicts.votes).mean(axis=0))


def _estimates(runs: Mapping[str, VerdictArrays], measure: Callable[[VerdictArrays], Floats]) -> list[Interval]:
    answers = next(iter(runs.values())).answers
    return shares(np.stack([measure(verdicts) for verdicts in runs.values()], axis=1), answers=answers)


def _sizes(k: int) -> list[int]:
    return sorted({*(2**power for power in range(1, k.bit_length()) if 2**power <= k), k} - {1})
