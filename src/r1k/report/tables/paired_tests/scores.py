"""What runs scored on one benchmark, every answer counted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from r1k.report.statistics import samples
from r1k.report.statistics.bootstrap import Values, shares
from r1k.report.statistics.estimates import Estimate, average
from r1k.report.statistics.variance import Components, components
from r1k.report.tables.paired_tests.verdicts import Verdicts

AVERAGE = "average"


@dataclass(frozen=True)
class RobustScore:
    """A run's result on a benchmark, or on the average of several; in shares of one."""

    run: str
    benchmark: str
    score: Estimate
    """avg@k over all trainings; with one answer a question, greedy@1."""
    passed: Mapping[int, Estimate]
    """pass@k by k, for 2, 4, 8 … and all samples of a training; none where there is one."""
    majority: Estimate | None = None
    """majority@k over all samples of a training; None where there is one."""
    n: int | None = None
    """Questions; None for an average, and so are all below."""
    unparsed: float | None = None
    truncated: float | None = None
    components: Components | None = None


def scores(benchmark: str, runs: Mapping[str, Verdicts]) -> list[RobustScore]:
    """Results of runs that were asked the same questions; the same draws of questions serve all of them."""
    first = next(iter(runs.values()))
    k = first.correct.shape[2]
    score = _estimates(runs, per_question)
    passed = {size: _estimates(runs, _passing(size)) for size in _sizes(k)}
    majority = _estimates(runs, _majority) if k > 1 else None
    return [
        RobustScore(
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


def averaged(results: Sequence[RobustScore]) -> RobustScore:
    """A run's plain mean over benchmarks; intervals are combined as those of independent questions."""
    sizes = set.intersection(*(set(result.passed) for result in results))
    votes = [result.majority for result in results if result.majority is not None]
    return RobustScore(
        run=results[0].run,
        benchmark=AVERAGE,
        score=average([result.score for result in results]),
        passed={size: average([result.passed[size] for result in results]) for size in sorted(sizes)},
        majority=average(votes) if len(votes) == len(results) else None,
    )


def per_question(verdicts: Verdicts) -> Values:
    """Share of right answers to each question, over samples and trainings."""
    return np.asarray(samples.average(verdicts.correct).mean(axis=0))


def _passing(k: int) -> Callable[[Verdicts], Values]:
    return lambda verdicts: np.asarray(samples.pass_at(verdicts.correct, k).mean(axis=0))


def _majority(verdicts: Verdicts) -> Values:
    return np.asarray(samples.majority(verdicts.correct, verdicts.votes).mean(axis=0))


def _estimates(runs: Mapping[str, Verdicts], measure: Callable[[Verdicts], Values]) -> list[Estimate]:
    answers = next(iter(runs.values())).answers
    return shares(np.stack([measure(verdicts) for verdicts in runs.values()], axis=1), answers=answers)


def _sizes(k: int) -> list[int]:
    return sorted({*(2**power for power in range(1, k.bit_length()) if 2**power <= k), k} - {1})
