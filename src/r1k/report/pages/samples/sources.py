"""The files that the page is made from: each run's answers to a benchmark with the verdicts on them, joined."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from r1k.errors import RecordError
from r1k.evaluate.extract import SEPARATOR
from r1k.records import Graded, Question, Sample, iterate_jsonl, read_jsonl
from r1k.report.tables.paired_tests.verdicts import key_of
from r1k.text import THINK

Texts = tuple[str, str | None]
"""A completion's reasoning, and its answer where it has the mark of one."""


@dataclass(frozen=True)
class Source:
    """A run's answers to a benchmark, and the verdicts on them."""

    run: str
    benchmark: str
    samples: Path
    graded: Path
    verdicts: Mapping[tuple[str, int], Graded]
    """By question and sample."""


def read_sources(
    samples: Sequence[Path], graded: Sequence[Path], asked: Mapping[str, Sequence[Question]]
) -> list[Source]:
    """Pair `…/{run}/{seed}/{benchmark}/samples.jsonl` and `graded.jsonl`, in the order of the latter.

    With several seeds a run has several names, as `7b-r1k/1`. RecordError for a file without its counterpart, and for
    a verdict on no question of `asked`, which is by benchmark.
    """
    answers, verdicts = {key_of(path): path for path in samples}, {key_of(path): path for path in graded}
    for key, path in {**answers, **verdicts}.items():
        if key not in answers or key not in verdicts:
            missing = "answers" if key not in answers else "verdicts"
            raise RecordError(f"{path}: the {missing} of the same run, seed and benchmark are not given; give them too")
    several = len({key.seed for key in verdicts}) > 1
    return [
        Source(
            run=f"{key.run}/{key.seed}" if several else key.run,
            benchmark=key.benchmark,
            samples=answers[key],
            graded=path,
            verdicts=_verdicts(path, key.benchmark, asked),
        )
        for key, path in verdicts.items()
    ]


def samples_kept(sources: Iterable[Source], most: int) -> int:
    """How many answers to each question are shown: the first so many that all together are no more than `most`.

    One at least.
    """
    sizes = Counter(sample for source in sources for _, sample in source.verdicts)
    shown = 0
    for sample in sorted(sizes):
        shown += sizes[sample]
        if shown > most:
            return max(1, sample)
    return max(sizes) + 1


def completions(source: Source, kept: int) -> Iterator[tuple[Sample, Texts]]:
    """The answers of a file that are shown, and their texts; RecordError where answers and verdicts do not match."""
    seen = 0
    for number, sample in iterate_jsonl(source.samples, Sample):
        if (sample.id, sample.sample) not in source.verdicts:
            raise RecordError(
                f"{source.samples}:{number}: field 'id': {sample.id!r} (sample {sample.sample}) has no verdict in "
                f"{source.graded}; grade again"
            )
        seen += 1
        if sample.sample < kept:
            yield sample, parted(sample.completion)
    if seen != len(source.verdicts):
        raise RecordError(
            f"{source.graded}: {len(source.verdicts)} verdicts on the {seen} answers of {source.samples}; grade again"
        )


def parted(completion: str) -> Texts:
    """Reasoning and answer, parted where the grader parts them: at the last mark of an answer."""
    reasoning, mark, answer = completion.rpartition(SEPARATOR)
    if not mark:
        return completion.removeprefix(THINK), None
    return reasoning.removeprefix(THINK).rstrip("\n"), answer.removeprefix("\n")


def _verdicts(path: Path, benchmark: str, asked: Mapping[str, Sequence[Question]]) -> dict[tuple[str, int], Graded]:
    verdicts = {(verdict.id, verdict.sample): verdict for verdict in read_jsonl(path, Graded)}
    unknown = {identity for identity, _ in verdicts} - {question.id for question in asked.get(benchmark, [])}
    if unknown:
        raise RecordError(
            f"{path}: field 'id': {min(unknown)!r} is not among the questions of {benchmark!r} that were given; give "
            "the benchmark's file, or grade again"
        )
    return verdicts
