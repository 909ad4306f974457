"""Make the data sets from s1k and r1k: mix, half, disjoint, revthink, pairs and the probe.

Every selection of problems is a seeded permutation of their names. It is independent of the order of the files and of
the number of processes.
"""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from r1k.config import Data
from r1k.errors import ConfigError, RecordError
from r1k.provenance import Stopwatch, facts_of, write_manifest
from r1k.records import Example, Pair, ProbePair, Record, SFTExample, Split, by_problem, read_jsonl, write_jsonl

ExamplePair = tuple[Example, Example]
"""The forward and the reverse example of a problem."""

SetName = Literal["mix", "half", "disjoint", "revthink", "pairs", "probe"]

REVERSE_INSTRUCTION = (
    "Turn this problem round: take its answer as given, and ask for something that the problem states. Write the new "
    "problem alone.\n\n"
)
"""Instruction before a forward question whose response is the reverse question."""


def read_example_pairs(s1k: Path, r1k: Path) -> list[ExamplePair]:
    """Return forward and reverse examples by problem, in s1k's order; raise RecordError for a problem without a pair.

    The problems that r1k's manifest lists as skipped are excluded.
    """
    forward = by_problem(s1k, read_jsonl(s1k, Example))
    reverse = by_problem(r1k, read_jsonl(r1k, Example))
    for path, examples, direction in ((s1k, forward, "forward"), (r1k, reverse, "reverse")):
        for example in examples.values():
            if example.direction != direction:
                raise RecordError(f"{path}: record {example.id!r}: field 'direction' must be {direction!r}")
    skipped = facts_of(r1k).get("skipped", {})
    forward = {problem: example for problem, example in forward.items() if problem not in skipped}
    for found, required, path in ((reverse, forward, r1k), (forward, reverse, s1k)):
        missing = [problem for problem in required if problem not in found]
        if missing:
            raise RecordError(
                f"{path}: {len(missing)} problems have no pair here, the first is {missing[0]!r}; "
                f"rebuild it with `snakemake --force {path}`"
            )
    return [(forward[problem], reverse[problem]) for problem in forward]


def mix(example_pairs: Sequence[ExamplePair]) -> list[Example]:
    """Return D: the union of s1k and r1k."""
    return [example for pair in example_pairs for example in pair]


def half(example_pairs: Sequence[ExamplePair], seed: int) -> list[Example]:
    """Return D_0.5k: half of the problems, each in both directions."""
    selected = set(_shuffled(example_pairs, seed, "half")[: len(example_pairs) // 2])
    return mix([pair for pair in example_pairs if pair[0].problem in selected])


def disjoint(example_pairs: Sequence[ExamplePair], seed: int) -> list[Example]:
    """Return half of the problems forward and the other half reverse: as many examples as s1k has.

    The directions alternate in the order in which the probe draws its problems, so that both have equal shares of the
    held-out problems, of the others, and of all.
    """
    reverse = set(_shuffled(example_pairs, seed, "probe")[1::2])
    return [pair[pair[0].problem in reverse] for pair in example_pairs]


def revthink(example_pairs: Sequence[ExamplePair]) -> list[SFTExample]:
    """Return RevThink's three tasks of each problem (Chen et al. 2024, arXiv 2411.19865).

    They are the forward example, the reverse question given the forward one, and the reverse example.
    """
    return [
        example
        for forward, reverse in example_pairs
        for example in (forward, _reverse_question_example(forward, reverse), reverse)
    ]


def pairs(example_pairs: Sequence[ExamplePair]) -> list[Pair]:
    """Return two preferences per problem: to each question, the response of its own direction over the other."""
    return [pair for forward, reverse in example_pairs for pair in (_pair(forward, reverse), _pair(reverse, forward))]


def probe(example_pairs: Sequence[ExamplePair], train: int, held_out: int, seed: int) -> list[ProbePair]:
    """Return both preferences of `train` problems that probed runs train on, and of `held_out` unseen problems."""
    if train + held_out > len(example_pairs):
        raise RecordError(
            f"{train + held_out} probe problems are requested of {len(example_pairs)}; lower data.probe_train"
        )
    order = _shuffled(example_pairs, seed, "probe")
    split: dict[str, Split] = dict.fromkeys(order[:held_out], "held_out")
    split |= dict.fromkeys(order[held_out : held_out + train], "train")
    return [
        ProbePair(**pair.model_dump(), split=split[pair.problem])
        for pair in pairs(example_pairs)
        if pair.problem in split
    ]


def make_set(name: SetName, *, s1k: Path, r1k: Path, output: Path, data: Data | None = None) -> None:
    """Make one of the data sets that are drawn from s1k and r1k.

    Args:
        name: The set to make.
        s1k: Forward examples, s1k.jsonl.
        r1k: Reverse examples, r1k.jsonl.
        output: The JSONL file to write.
        data: Section `data` of the config; half, disjoint and probe need it.

    Raises:
        ConfigError: The set needs `data`, which is missing.
        RecordError: A record is invalid, or a problem lacks one direction.
    """
    watch = Stopwatch()
    records = _build(name, read_example_pairs(s1k, r1k), data)
    write_jsonl(output, records)
    write_manifest(output, f"data.{name}", {"s1k": s1k, "r1k": r1k}, watch, n=len(records))


def _build(name: SetName, example_pairs: Sequence[ExamplePair], data: Data | None) -> Sequence[Record]:
    match name:
        case "mix":
            return mix(example_pairs)
        case "revthink":
            return revthink(example_pairs)
        case "pairs":
            return pairs(example_pairs)
    if data is None:
        raise ConfigError(f"--data: missing; set {name!r} is a random selection and needs section data of the config")
    match name:
        case "half":
            return half(example_pairs, data.seed)
        case "disjoint":
            return disjoint(example_pairs, data.seed)
        case "probe":
            return probe(example_pairs, data.probe_train, data.probe_held_out, data.seed)


def _reverse_question_example(forward: Example, reverse: Example) -> SFTExample:
    return SFTExample(
        id=f"{forward.problem}-turning",
        problem=forward.problem,
        direction=forward.direction,
        question=f"{REVERSE_INSTRUCTION}{forward.question}",
        reasoning=None,
        answer=reverse.question,
        kind=forward.kind,
    )


def _pair(chosen: Example, rejected: Example) -> Pair:
    return Pair(
        id=f"{chosen.id}-pair",
        problem=chosen.problem,
        direction=chosen.direction,
        question=chosen.question,
        chosen=chosen.response,
        rejected=rejected.response,
    )


def _shuffled(example_pairs: Sequence[ExamplePair], seed: int, purpose: str) -> list[str]:
    names = sorted(forward.problem for forward, _ in example_pairs)
    random.Random(f"{purpose}:{seed}").shuffle(names)
    return names
