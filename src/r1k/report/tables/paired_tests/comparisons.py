"""Comparisons of runs with their reference runs, on the same questions."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from r1k.intervals import Interval
from r1k.report.statistics.bootstrap import Floats, differences
from r1k.report.statistics.estimates import average
from r1k.report.statistics.paired import LEVEL, holm, mcnemar, sign_flip, smallest_detectable
from r1k.report.tables.paired_tests.scores import AVERAGE, per_question
from r1k.report.tables.paired_tests.verdicts import VerdictArrays


@dataclass(frozen=True)
class Comparison:
    """One run minus another, in shares of one."""

    run: str
    against: str
    direction: str
    benchmark: str
    difference: Interval
    p: float
    """Two-sided: McNemar's exact test with one answer per question; else, and for averages, the randomisation test."""
    detectable: float | None
    """The smallest difference that these questions detect with 80 % power; None if it is unknown."""
    adjusted: float = math.nan
    """p after Holm's adjustment over all comparisons of the table."""

    @property
    def survives(self) -> bool:
        return self.adjusted < LEVEL


def compare(
    direction: str, benchmarks: Mapping[str, Mapping[str, VerdictArrays]], references: Mapping[str, str]
) -> list[Comparison]:
    """Compare every run that has a reference with it, on each benchmark and on their average; p is not adjusted.

    `benchmarks` has the verdicts by benchmark and run; runs of one benchmark answered the same questions.
    """
    if not references:
        return []
    gaps = {name: _gaps(runs, references) for name, runs in benchmarks.items()}
    found = {name: _on_one(direction, name, runs, references, gaps[name]) for name, runs in benchmarks.items()}
    if len(found) > 1:
        together = sign_flip(list(gaps.values()))
        found[AVERAGE] = [_on_average(parts, float(p)) for *parts, p in zip(*found.values(), together, strict=True)]
    return [comparison for row in zip(*found.values(), strict=True) for comparison in row]


def adjust(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Return the comparisons of a whole table with Holm's adjusted p."""
    adjusted = holm([comparison.p for comparison in comparisons]).tolist()
    return [replace(comparison, adjusted=p) for comparison, p in zip(comparisons, adjusted, strict=True)]


def _gaps(runs: Mapping[str, VerdictArrays], references: Mapping[str, str]) -> Floats:
    """Return differences by question and comparison."""
    means = {run: per_question(verdicts) for run, verdicts in runs.items()}
    return np.stack([means[run] - means[against] for run, against in references.items()], axis=1)


def _on_one(
    direction: str, benchmark: str, runs: Mapping[str, VerdictArrays], references: Mapping[str, str], gaps: Floats
) -> list[Comparison]:
    answers = next(iter(runs.values())).answers
    counted = answers == 1
    p = mcnemar((gaps > 0).sum(axis=0), (gaps < 0).sum(axis=0)) if counted else sign_flip([gaps])
    return [
        Comparison(run, against, direction, benchmark, difference, chance, smallest_detectable(gap, answers=answers))
        for (run, against), difference, chance, gap in zip(
            references.items(), differences(gaps, answers=answers), p.tolist(), gaps.T, strict=True
        )
    ]


def _on_average(parts: Sequence[Comparison], p: float) -> Comparison:
    reaches = [part.detectable for part in parts if part.detectable is not None]
    return replace(
        parts[0],
        benchmark=AVERAGE,
        difference=average([part.difference for part in parts]),
        p=p,
        detectable=math.hypot(*reaches) / len(parts) if len(reaches) == len(parts) else None,
    )
