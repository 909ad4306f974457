"""Find benchmark questions, and word 8-grams of them, in examples.

The 8-grams are those of s1's decontamination (Muennighoff et al. 2025): words are separated by white space and
lower-cased, with punctuation and TeX unchanged. s1 compares questions with questions. This module also compares
responses, and counts them separately: reasoning and answer are two texts, compared with the benchmark's questions but
not with its options or gold answers. Beside s1's rule, `r1k.data.audit.copies` finds copies.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from tqdm import tqdm

from r1k.data.audit.copies import CopyFinder
from r1k.data.audit.records import Overlap
from r1k.data.sets import ExamplePair, mix
from r1k.errors import RecordError
from r1k.records import OVERLAP_KINDS, Example, OverlapKind, OverlapPlace, Question, read_jsonl

NGRAM = 8
Words = list[str]
Gram = tuple[str, ...]


def words(text: str) -> Words:
    """Return the words of a text."""
    return text.lower().split()


def ngrams(text: Words) -> Iterator[Gram]:
    """Return all sequences of eight consecutive words, in order."""
    return zip(*(islice(text, k, None) for k in range(NGRAM)), strict=False)


@dataclass(frozen=True)
class NgramIndex:
    """Benchmark questions by their 8-grams."""

    questions: list[tuple[Question, Words]] = field(default_factory=list)
    places: dict[Gram, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    """8-gram to its occurrences: the question's number and the index of its first word."""
    whole: dict[Gram, list[int]] = field(default_factory=lambda: defaultdict(list))
    """All words of a question to the numbers of the questions with exactly these words."""
    copies: CopyFinder = field(default_factory=lambda: CopyFinder([]))


@dataclass
class QuestionOverlap:
    """The overlap of texts with one question."""

    grams: set[Gram] = field(default_factory=set)
    longest: int = 0
    end: int = 0
    """Index of the question's word after the longest common sequence."""


def make_index(questions: Sequence[Question]) -> NgramIndex:
    """Return the index of the questions of any number of benchmarks."""
    index = NgramIndex(copies=CopyFinder(questions))
    for number, question in enumerate(questions):
        text = words(question.question)
        index.questions.append((question, text))
        index.whole[tuple(text)].append(number)
        for start, gram in enumerate(ngrams(text)):
            index.places[gram].append((number, start))
    return index


def read_benchmarks(paths: Sequence[Path]) -> dict[str, list[Question]]:
    """Return questions by benchmark; raise RecordError unless each file holds one benchmark, and no two the same."""
    found: dict[str, list[Question]] = {}
    for path in paths:
        questions = read_jsonl(path, Question)
        names = {question.benchmark for question in questions}
        if len(names) > 1 or names & found.keys():
            raise RecordError(
                f"{path}: field 'benchmark': {', '.join(sorted(names))}; a file must hold one benchmark, and no "
                f"other file the same: rebuild it with `snakemake --force {path}`"
            )
        found[names.pop()] = questions
    return found


def find_contamination(
    both: Sequence[ExamplePair], benchmarks: Mapping[str, Sequence[Question]], redistributable: Collection[str]
) -> list[Overlap]:
    """Return all overlaps of the examples with the questions of all benchmarks."""
    index = make_index([question for questions in benchmarks.values() for question in questions])
    return list(overlaps(tqdm(mix(both), desc="8-grams", unit="example"), index, redistributable))


def overlaps(examples: Iterable[Example], index: NgramIndex, redistributable: Collection[str]) -> Iterator[Overlap]:
    """Yield one overlap per example, place and question; only those with `redistributable` benchmarks contain text."""
    for example in examples:
        question, reasoning, answer = map(words, (example.question, example.reasoning, example.answer))
        same = index.whole.get(tuple(question), [])
        kinds = index.copies.find_in_question(example.question)
        found = find_overlaps([question], index)
        for number in same:
            length = len(index.questions[number][1])
            found.setdefault(number, QuestionOverlap(longest=length, end=length))
        for number in sorted(found.keys() | kinds.keys()):
            shared = found.get(number, QuestionOverlap())
            yield _overlap(example, "question", index, number, shared, kinds, number in same, redistributable)
        kinds = _strongest(index.copies.find_in_text(example.reasoning), index.copies.find_in_text(example.answer))
        found = find_overlaps([reasoning, answer], index)
        for number in sorted(found.keys() | kinds.keys()):
            shared = found.get(number, QuestionOverlap())
            yield _overlap(example, "response", index, number, shared, kinds, False, redistributable)


def _strongest(*found: Mapping[int, OverlapKind]) -> dict[int, OverlapKind]:
    """Return each question's strongest kind of overlap."""
    numbers = {number for kinds in found for number in kinds}
    return {n: min((kinds[n] for kinds in found if n in kinds), key=OVERLAP_KINDS.index) for n in numbers}


def find_overlaps(texts: Sequence[Words], index: NgramIndex) -> dict[int, QuestionOverlap]:
    """Return the overlaps by question number; no common sequence spans two texts."""
    found: dict[int, QuestionOverlap] = defaultdict(QuestionOverlap)
    for text in texts:
        if not index.places.keys().isdisjoint(ngrams(text)):
            _track_runs(text, index.places, found)
    return found


def _track_runs(text: Words, places: Mapping[Gram, list[tuple[int, int]]], found: dict[int, QuestionOverlap]) -> None:
    # Common sequences that end at the previous word: their place in a question, and their length in words.
    before: dict[tuple[int, int], int] = {}
    for gram in ngrams(text):
        now = {}
        for number, start in places.get(gram, ()):
            length = before.get((number, start - 1), NGRAM - 1) + 1
            now[number, start] = length
            overlap = found[number]
            overlap.grams.add(gram)
            if length > overlap.longest:
                overlap.longest, overlap.end = length, start + NGRAM
        before = now


def _overlap(
    example: Example,
    where: OverlapPlace,
    index: NgramIndex,
    number: int,
    found: QuestionOverlap,
    kinds: Mapping[int, OverlapKind],
    exact: bool,
    redistributable: Collection[str],
) -> Overlap:
    question, text = index.questions[number]
    run = " ".join(text[found.end - found.longest : found.end] or text)
    return Overlap(
        problem=example.problem,
        direction=example.direction,
        where=where,
        benchmark=question.benchmark,
        question=question.id,
        kind=kinds.get(number, "phrase"),
        ngrams=len(found.grams),
        question_ngrams=len(set(ngrams(text))),
        longest=found.longest,
        words=len(text),
        exact=exact,
        text=run if question.benchmark in redistributable else None,
    )
