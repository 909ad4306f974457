"""Verdicts as arrays. Arrow reads them, because a record for each of some million verdicts takes a minute."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import json as arrow_json

from r1k.errors import RecordError
from r1k.evaluate.extract import vote
from r1k.records import Graded, read_jsonl
from r1k.report.statistics.samples import NO_VOTE

SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "benchmark": pa.string(),
        "sample": pa.int64(),
        "direction": pa.string(),
        "gold": pa.string(),
        "extracted": pa.string(),
        "correct": pa.bool_(),
        "rule": pa.string(),
        "rules": pa.bool_(),
        "rules_rule": pa.string(),
        "judge": pa.bool_(),
        "judge_rationale": pa.string(),
        "last_number": pa.string(),
        "last_number_correct": pa.bool_(),
        "truncated": pa.bool_(),
    }
)
"""Fields of Graded."""
BLOCK = 1 << 24
"""Bytes that Arrow reads at once: the longest line it accepts."""

Flags = NDArray[np.bool_]
Strings = NDArray[np.object_]


class GradedKey(NamedTuple):
    """Run, seed and benchmark of a file of answers or verdicts."""

    run: str
    seed: int
    benchmark: str


@dataclass(frozen=True)
class VerdictArrays:
    """Verdicts on one benchmark; flags and votes have shape (seeds, questions, samples)."""

    questions: Strings
    """Ids, sorted."""
    directions: Strings
    """Direction of each question; None if the benchmark does not mark it."""
    correct: Flags
    unparsed: Flags
    truncated: Flags
    votes: NDArray[np.int64]
    """Numbers of a question's answers, equal for equal answers of one training run; NO_VOTE for unparsed answers."""

    @property
    def answers(self) -> int:
        """Return the number of answers to each question, over all training runs."""
        seeds, _, samples = self.correct.shape
        return int(seeds * samples)

    def asked_as(self, other: "VerdictArrays") -> bool:
        """Return whether both have the same questions with the same number of answers."""
        return self.correct.shape == other.correct.shape and bool((self.questions == other.questions).all())

    def only(self, chosen: Flags) -> "VerdictArrays":
        """Return the verdicts on the questions that `chosen`, of shape (questions,), selects."""
        return VerdictArrays(
            self.questions[chosen],
            self.directions[chosen],
            self.correct[:, chosen],
            self.unparsed[:, chosen],
            self.truncated[:, chosen],
            self.votes[:, chosen],
        )


def read_verdicts(paths: Iterable[Path]) -> dict[GradedKey, VerdictArrays]:
    """Read the verdicts of training runs from files `…/{run}/{seed}/{benchmark}/graded.jsonl`.

    Raises RecordError for a file in another place, a duplicate file, and any error of `read_file`.
    """
    found: dict[GradedKey, VerdictArrays] = {}
    for path in paths:
        key = key_of(path)
        if key in found:
            raise RecordError(f"{path}: run {key.run!r}, seed {key.seed}, {key.benchmark!r} comes twice; give one file")
        found[key] = read_file(path)
    return found


def read_file(path: Path) -> VerdictArrays:
    """Read one file's verdicts, which are those of a single training run.

    Every question needs the same samples, numbered from 0. Raises RecordError with the file, and the line and field or
    the question.
    """
    table = _table(path)
    ids, question = _coded(table, "id")
    order = np.argsort(ids)
    ids, question = ids[order], np.argsort(order)[question]
    sample = table["sample"].fill_null(0).to_numpy()
    k = int(sample.max()) + 1
    place = question * k + sample
    ragged = (np.bincount(place, minlength=len(ids) * k).reshape(-1, k) != 1).any(axis=1)
    if ragged.any():
        raise RecordError(
            f"{path}: field 'sample': question {ids[ragged][0]!r} does not have each of the samples 0 to {k - 1} once; "
            "generate and grade them again"
        )
    rows = np.argsort(place)
    rules, rule = _coded(table, "rule")
    unparsed = (rules == "unparsed")[rule]
    directions, direction = _coded(table, "direction")
    return VerdictArrays(
        ids,
        directions[direction][rows][::k],
        _flags(table, "correct")[rows].reshape(1, -1, k),
        unparsed[rows].reshape(1, -1, k),
        _flags(table, "truncated")[rows].reshape(1, -1, k),
        _votes(table, unparsed, k)[rows].reshape(1, -1, k),
    )


def over_seeds(
    found: Mapping[GradedKey, VerdictArrays], run: str, seeds: Sequence[int], benchmark: str
) -> VerdictArrays:
    """Stack a run's verdicts over seeds; raise RecordError if a seed is missing or has other questions."""
    parts: list[VerdictArrays] = []
    for seed in seeds:
        part = found.get(GradedKey(run, seed, benchmark))
        if part is None:
            raise RecordError(
                f"no verdicts of run {run!r}, seed {seed}, on {benchmark!r} among the {len(found)} files that were "
                f"given; make evaluate/{run}/{seed}/{benchmark}/graded.jsonl and give it"
            )
        if parts and not part.asked_as(parts[0]):
            raise RecordError(
                f"run {run!r} was not asked the same questions of {benchmark!r} with seed {seed} as with seed "
                f"{seeds[0]}, or not as often; evaluate them again"
            )
        parts.append(part)
    return VerdictArrays(
        parts[0].questions,
        parts[0].directions,
        np.concatenate([part.correct for part in parts]),
        np.concatenate([part.unparsed for part in parts]),
        np.concatenate([part.truncated for part in parts]),
        np.concatenate([part.votes for part in parts]),
    )


def key_of(path: Path) -> GradedKey:
    """Return the key of `…/{run}/{seed}/{benchmark}/{file}`; raise RecordError for another path."""
    folders = path.absolute().parts[-4:-1]
    if len(folders) < 3 or not folders[1].isdecimal():
        raise RecordError(f"{path}: whose verdicts are these? Give them as …/RUN/SEED/BENCHMARK/{path.name}")
    return GradedKey(folders[0], int(folders[1]), folders[2])


def _table(path: Path) -> Any:
    """Return the file's columns; on an error, or an unexpected null, read the records to name the line and field."""
    if not path.is_file() or path.stat().st_size == 0:
        return _explained(path)
    parsing = arrow_json.ParseOptions(explicit_schema=SCHEMA, unexpected_field_behavior="error")
    try:
        table = arrow_json.read_json(path, arrow_json.ReadOptions(block_size=BLOCK), parsing)
    except pa.ArrowInvalid:
        return _explained(path)
    required = (name for name, field in Graded.model_fields.items() if field.annotation in (str, bool))
    return _explained(path) if any(table[name].null_count for name in required) else table


def _explained(path: Path) -> NoReturn:
    read_jsonl(path, Graded)
    raise RecordError(f"{path}: not the verdicts that `r1k grade` writes; rebuild it with `snakemake --force {path}`")


def _coded(table: Any, name: str) -> tuple[Strings, NDArray[np.int64]]:
    """Return a column's distinct values, and for each row the index of its value."""
    coded = table[name].combine_chunks().dictionary_encode(null_encoding="encode")
    return np.array(coded.dictionary.to_pylist(), dtype=object), coded.indices.to_numpy().astype(np.int64)


def _flags(table: Any, name: str) -> Flags:
    return np.asarray(table[name].to_numpy(), dtype=np.bool_)


def _votes(table: Any, unparsed: Flags, k: int) -> NDArray[np.int64]:
    """Return each answer's vote; a single answer per question has none."""
    if k == 1:
        return np.full(len(unparsed), NO_VOTE)
    written, row = _coded(table, "extracted")
    _, kind = np.unique([vote(text or "") for text in written], return_inverse=True)
    return np.where(unparsed, NO_VOTE, kind[row])
