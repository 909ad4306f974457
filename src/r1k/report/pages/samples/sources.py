"""Read the files behind the page: each run's answers to a benchmark, joined with their verdicts."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from r1k.errors import RecordError
from r1k.evaluate.extract import SEPARATOR
from r1k.records import Graded, Question, Sample, iterate_jsonl, read_jsonl
from r1k.report.tables.paired_tests.verdicts import key_of
from r1k.text import THINK

CompletionParts = tuple[str, str | None]
"""The reasoning of a completion, and its answer; None if the completion has no answer separator."""


@dataclass(frozen=True)
class AnswerSource:
    """The answers of a run to a benchmark, and their verdicts."""

    run: str
    benchmark: str
    samples: Path
    graded: Path
    verdicts: Mapping[tuple[str, int], Graded]
    """By question id and sample number."""


def read_sources(
    samples: Sequence[Path], graded: Sequence[Path], questions: Mapping[str, Sequence[Question]]
) -> list[AnswerSource]:
    """Pair `…/{run}/{seed}/{benchmark}/samples.jsonl` with `graded.jsonl`, in the order of the latter.

    With several seeds, each name holds the seed: `7b-r1k/1`. `questions` are by benchmark. Raises RecordError for a
    file without a counterpart, and for a verdict on an unknown question.
    """
    answers, verdicts = {key_of(path): path for path in samples}, {key_of(path): path for path in graded}
    for key, path in {**answers, **verdicts}.items():
        if key not in answers or key not in verdicts:
            missing = "answers" if key not in answers else "verdicts"
            raise RecordError(f"{path}: the {missing} of the same run, seed and benchmark are not given; give them too")
    several = len({key.seed for key in verdicts}) > 1
    return [
        AnswerSource(
            run=f"{key.run}/{key.seed}" if several else key.run,
            benchmark=key.benchmark,
            samples=answers[key],
            graded=path,
            verdicts=_verdicts(path, key.benchmark, questions),
        )
        for key, path in verdicts.items()
    ]


def count_samples(sources: Iterable[AnswerSource], most: int) -> int:
    """Return how many samples per question the page shows: the most for which all answers are at most `most`.

    At least 1.
    """
    sizes = Counter(sample for source in sources for _, sample in source.verdicts)
    shown = 0
    for sample in sorted(sizes):
        shown += sizes[sample]
        if shown > most:
            return max(1, sample)
    return max(sizes) + 1


def completions(source: AnswerSource, kept: int) -> Iterator[tuple[Sample, CompletionParts]]:
    """Yield the first `kept` samples per question with their parts; raises RecordError if a verdict does not match."""
    seen = 0
    for number, sample in iterate_jsonl(source.samples, Sample):
        if (sample.id, sample.sample) not in source.verdicts:
            raise RecordError(
                f"{source.samples}:{number}: field 'id': {sample.id!r} (sample {sample.sample}) has no verdict in "
                f"{source.graded}; grade again"
            )
        seen += 1
        if sample.sample < kept:
            yield sample, split_completion(sample.completion)
    if seen != len(source.verdicts):
        raise RecordError(
            f"{source.graded}: {len(source.verdicts)} verdicts on the {seen} answers of {source.samples}; grade again"
        )


def split_completion(completion: str) -> CompletionParts:
    """Split a completion where the grader splits it, at the last answer separator."""
    reasoning, mark, answer = completion.rpartition(SEPARATOR)
    if not mark:
        return completion.removeprefix(THINK), None
    return reasoning.removeprefix(THINK).rstrip("\n"), answer.removeprefix("\n")


def _verdicts(path: Path, benchmark: str, questions: Mapping[str, Sequence[Question]]) -> dict[tuple[str, int], Graded]:
    verdicts = {(verdict.id, verdict.sample): verdict for verdict in read_jsonl(path, Graded)}
    unknown = {identity for identity, _ in verdicts} - {question.id for question in questions.get(benchmark, [])}
    if unknown:
        raise RecordError(
            f"{path}: field 'id': {min(unknown)!r} is not among the questions of {benchmark!r} that were given; give "
            "the benchmark's file, or grade again"
        )
    return verdicts
