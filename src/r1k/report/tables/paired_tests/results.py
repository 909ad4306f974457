"""Scores and comparisons of a table's runs, by direction of the questions."""

from collections.abc import Mapping, Set
from dataclasses import dataclass

import numpy as np

from r1k.config import TableSpec
from r1k.errors import ConfigError, RecordError
from r1k.report.tables.paired_tests.comparisons import Comparison, adjust, compare
from r1k.report.tables.paired_tests.scores import RunScore, averaged, scores
from r1k.report.tables.paired_tests.verdicts import GradedKey, VerdictArrays, over_seeds

VerdictsByBenchmark = Mapping[str, Mapping[str, VerdictArrays]]
"""Verdicts by benchmark and run."""
Contaminated = Mapping[str, Set[str]]
"""Ids of questions that overlap with the training data, by benchmark."""


@dataclass(frozen=True)
class PairedBlock:
    """Results on the questions of one direction, or on all; each tuple is ordered by run, then by benchmark."""

    direction: str
    benchmarks: Mapping[str, str]
    """Name to heading, in order; the average has no heading here."""
    answers: Mapping[str, tuple[int, int, int]]
    """Training runs, questions and samples of each benchmark."""
    scores: tuple[RunScore, ...]
    clean: tuple[RunScore, ...]
    """Scores without contaminated questions; empty if no question is contaminated."""
    comparisons: tuple[Comparison, ...]


def paired_blocks(
    spec: TableSpec, found: Mapping[GradedKey, VerdictArrays], contaminated: Contaminated
) -> list[PairedBlock]:
    """Return a block for each of the table's directions; p-values are adjusted over all of them.

    Raises RecordError if verdicts are missing or runs have different questions, and ConfigError for a direction that
    no benchmark marks.
    """
    columns = {name: _asked_alike(spec, found, name) for name in spec.benchmarks}
    by_direction = {direction: _marked(spec, columns, direction) for direction in spec.directions}
    compared = adjust(
        [
            comparison
            for direction, part in by_direction.items()
            for comparison in compare(direction, part, spec.references)
        ]
    )
    return [
        PairedBlock(
            direction=direction,
            benchmarks={name: spec.benchmarks[name] for name in part},
            answers={name: _shape(runs) for name, runs in part.items()},
            scores=_scored(spec, part),
            clean=_scored(spec, _without(part, contaminated)) if _touched(part, contaminated) else (),
            comparisons=tuple(comparison for comparison in compared if comparison.direction == direction),
        )
        for direction, part in by_direction.items()
    ]


def _asked_alike(spec: TableSpec, found: Mapping[GradedKey, VerdictArrays], benchmark: str) -> dict[str, VerdictArrays]:
    runs = dict.fromkeys([*(row.run for row in spec.rows), *spec.references.values()])
    verdicts = {run: over_seeds(found, run, spec.seeds, benchmark) for run in runs}
    first, *others = verdicts
    for other in others:
        if not verdicts[other].asked_as(verdicts[first]):
            raise RecordError(
                f"table {spec.name}: runs {first!r} and {other!r} were not asked the same questions of {benchmark!r}, "
                "or not as often; evaluate both again"
            )
    return verdicts


def _marked(spec: TableSpec, columns: VerdictsByBenchmark, direction: str) -> VerdictsByBenchmark:
    """Return the verdicts on questions of a direction, for benchmarks that have such questions."""
    if direction == "all":
        return columns
    chosen = {name: _first(runs).directions == direction for name, runs in columns.items()}
    part = {
        name: {run: verdicts.only(chosen[name]) for run, verdicts in runs.items()}
        for name, runs in columns.items()
        if chosen[name].any()
    }
    if not part:
        raise ConfigError(f"tables.{spec.name}.directions: no benchmark marks {direction} questions; leave it out")
    return part


def _touched(part: VerdictsByBenchmark, contaminated: Contaminated) -> bool:
    return any(
        question in contaminated.get(name, ()) for name, runs in part.items() for question in _first(runs).questions
    )


def _without(part: VerdictsByBenchmark, contaminated: Contaminated) -> VerdictsByBenchmark:
    """Return the verdicts without contaminated questions; a benchmark without any question left is dropped."""
    kept = {
        name: np.array([question not in contaminated.get(name, ()) for question in _first(runs).questions])
        for name, runs in part.items()
    }
    return {
        name: {run: verdicts.only(kept[name]) for run, verdicts in runs.items()}
        for name, runs in part.items()
        if kept[name].any()
    }


def _scored(spec: TableSpec, part: VerdictsByBenchmark) -> tuple[RunScore, ...]:
    """Return the rows' scores on each benchmark, and on the average of several benchmarks."""
    by_benchmark = [scores(name, runs) for name, runs in part.items()]
    by_run = {results[0].run: list(results) for results in zip(*by_benchmark, strict=True)}
    found: list[RunScore] = []
    for row in spec.rows:
        results = by_run[row.run]
        found += results if len(results) == 1 else [*results, averaged(results)]
    return tuple(found)


def _shape(runs: Mapping[str, VerdictArrays]) -> tuple[int, int, int]:
    seeds, questions, samples = _first(runs).correct.shape
    return int(seeds), int(questions), int(samples)


def _first(runs: Mapping[str, VerdictArrays]) -> VerdictArrays:
    return next(iter(runs.values()))
