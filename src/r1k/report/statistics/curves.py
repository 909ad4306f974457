"""The curves of Figure 2: ALP(y+), ALP(y-) and their margin over the checkpoints of SFT and DPO (paper, 3.2, 4.3)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from r1k.config import Arm, DynamicsSpec
from r1k.errors import RecordError
from r1k.intervals import Interval
from r1k.records import DIRECTIONS, Direction, LogProb, Split, iterate_jsonl
from r1k.report.statistics.bootstrap import bootstrap_means

ProbedMethod = Literal["sft", "dpo"]
CurveQuantity = Literal["alp_chosen", "alp_rejected", "delta"]
QUANTITIES: tuple[CurveQuantity, ...] = ("alp_chosen", "alp_rejected", "delta")
SPLITS: tuple[Split, ...] = ("held_out", "train")
TESTS: dict[Arm, tuple[Direction, ...]] = {"forward": ("forward",), "reverse": ("reverse",), "mixed": DIRECTIONS}
"""Directions of the prompts of T_f, T_r and T_m."""
LINES: tuple[tuple[Arm, Arm], ...] = (
    ("forward", "forward"),
    ("reverse", "reverse"),
    ("mixed", "mixed"),
    ("forward", "reverse"),
    ("reverse", "forward"),
)
"""The (train, test) pairs of the paper's Figure 2."""


@dataclass(frozen=True)
class Point:
    """A mean over problems at one checkpoint, in nats per token, with its bootstrap interval."""

    arm: Arm
    test: Arm
    split: Split
    method: ProbedMethod
    run: str
    epoch: float
    step: int
    quantity: CurveQuantity
    mean: Interval
    n: int
    """Problems."""
    examples: int
    """Prompts, each with two responses: twice the problems on T_m."""
    seeds: int
    truncated: float
    """Share of the responses that are longer than the probe's limit and scored up to it."""


RunSeed = tuple[str, int]
"""Run and training seed."""
Item = tuple[int, Split, str, Direction, str]
"""Step, split, problem, direction of the prompt, response."""


def read_logprobs(paths: Sequence[Path]) -> dict[RunSeed, list[LogProb]]:
    """Return log-probabilities by run and seed; raise RecordError for a duplicate measurement."""
    found: dict[RunSeed, list[LogProb]] = {}
    seen: set[tuple[RunSeed, Item]] = set()
    for path in paths:
        for number, record in iterate_jsonl(path, LogProb):
            key = (record.run, record.seed)
            if (key, _item(record)) in seen:
                raise RecordError(
                    f"{path}:{number}: run {record.run!r}, seed {record.seed}, {record.id} comes twice; "
                    f"rebuild it with `snakemake --force {path}`"
                )
            seen.add((key, _item(record)))
            found.setdefault(key, []).append(record)
    return found


def curves(spec: DynamicsSpec, logprobs: Mapping[RunSeed, Sequence[LogProb]]) -> list[Point]:
    """Return the points of every arm on T_f, T_r and T_m, by split, training method and checkpoint.

    Values are first averaged over seeds, so the bootstrap's unit is the problem: on T_m the problem's two directions,
    each with its own y+ and y-, stay together. Raises RecordError for a missing measurement.
    """
    return list(_points(spec, logprobs))


def _points(spec: DynamicsSpec, logprobs: Mapping[RunSeed, Sequence[LogProb]]) -> Iterator[Point]:
    for arm, pair in spec.arms.items():
        runs: tuple[tuple[ProbedMethod, str], ...] = (("sft", pair.sft), ("dpo", pair.dpo))
        for method, run in runs:
            measured = [_measured(run, seed, logprobs) for seed in spec.seeds]
            _same_items(run, spec.seeds, measured)
            for split in SPLITS:
                for test in get_args(Arm):
                    yield from _line(arm, test, split, method, run, measured)


def _measured(run: str, seed: int, logprobs: Mapping[RunSeed, Sequence[LogProb]]) -> dict[Item, LogProb]:
    if (run, seed) not in logprobs:
        raise RecordError(f"figure2: no log-probabilities of run {run!r}, seed {seed}; make probe/{run}/{seed}.jsonl")
    return {_item(record): record for record in logprobs[run, seed]}


def _item(record: LogProb) -> Item:
    return record.step, record.split, record.problem, record.direction, record.response


def _same_items(run: str, seeds: Sequence[int], measured: Sequence[Mapping[Item, LogProb]]) -> None:
    for seed, other in zip(seeds, measured, strict=True):
        lacking = measured[0].keys() ^ other.keys()
        if lacking:
            raise RecordError(
                f"figure2: run {run!r}: {_name(min(lacking))} is measured with seed {seeds[0]} or {seed} alone; "
                "probe both again"
            )


def _name(item: Item) -> str:
    step, split, problem, direction, response = item
    return f"step {step}, split {split}, problem {problem!r}, {direction} prompt, {response} response"


def _line(
    arm: Arm, test: Arm, split: Split, method: ProbedMethod, run: str, measured: Sequence[Mapping[Item, LogProb]]
) -> Iterator[Point]:
    directions = TESTS[test]
    steps = sorted({step for step, *_ in measured[0]})
    problems = sorted({item[2] for item in measured[0] if item[1] == split})
    if not problems:
        raise RecordError(f"figure2: run {run!r} has no log-probabilities of the {split} split; probe it again")
    columns = []
    for step in steps:
        chosen, rejected = (
            _by_problem(run, measured, [[(step, split, p, d, response) for d in directions] for p in problems])
            for response in ("chosen", "rejected")
        )
        columns += [chosen, rejected, chosen - rejected]
    means = bootstrap_means(np.stack(columns, axis=1), expanded=False)
    for k, step in enumerate(steps):
        here = [r for seed in measured for r in _at(seed.values(), step, split, directions)]
        for j, quantity in enumerate(QUANTITIES, start=3 * k):
            yield Point(
                arm=arm,
                test=test,
                split=split,
                method=method,
                run=run,
                epoch=here[0].epoch,
                step=step,
                quantity=quantity,
                mean=means[j],
                n=len(problems),
                examples=len(problems) * len(directions),
                seeds=len(measured),
                truncated=sum(record.truncated for record in here) / len(here),
            )


def _by_problem(
    run: str, measured: Sequence[Mapping[Item, LogProb]], items: Sequence[Sequence[Item]]
) -> NDArray[np.float64]:
    """Return means over seeds and directions of the log-probability per token, shape (problems,)."""
    try:
        return np.array([np.mean([seed[item].mean for seed in measured for item in group]) for group in items])
    except KeyError as error:
        raise RecordError(f"figure2: run {run!r}: {_name(error.args[0])} was not measured; probe it again") from error


def _at(records: Iterable[LogProb], step: int, split: Split, directions: Sequence[Direction]) -> list[LogProb]:
    return [r for r in records if r.step == step and r.split == split and r.direction in directions]
