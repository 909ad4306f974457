"""Word 8-grams that examples share with benchmark questions.

As s1's decontamination (Muennighoff et al. 2025): words are what white space parts, in lower case, punctuation and TeX
as they stand. s1 compares questions with questions. Responses are compared here too, and counted apart: reasoning and
answer as two texts, against the benchmark's questions, never its options or right answers.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from r1k.data.audit.records import Overlap, OverlapPlace
from r1k.records import Example, Question

NGRAM = 8
Words = list[str]
Gram = tuple[str, ...]


def words(text: str) -> Words:
    """The words of a text."""
    return text.lower().split()


def ngrams(text: Words) -> Iterator[Gram]:
    """All runs of eight words, in order."""
    return zip(*(islice(text, k, None) for k in range(NGRAM)), strict=False)


@dataclass(frozen=True)
class NgramIndex:
    """Benchmark questions by their 8-grams."""

    questions: list[tuple[Question, Words]] = field(default_factory=list)
    places: dict[Gram, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    """8-gram to the questions that have it (number of the question, word at which it starts)."""
    whole: dict[Gram, list[int]] = field(default_factory=lambda: defaultdict(list))
    """All words of a question to the numbers of the questions that have just those."""


@dataclass
class QuestionOverlap:
    """What texts share with one question."""

    grams: set[Gram] = field(default_factory=set)
    longest: int = 0
    end: int = 0
    """The word of the question after the longest run."""


def make_index(questions: Collection[Question]) -> NgramIndex:
    """The index of the questions of any number of benchmarks."""
    index = NgramIndex()
    for number, question in enumerate(questions):
        text = words(question.question)
        index.questions.append((question, text))
        index.whole[tuple(text)].append(number)
        for start, gram in enumerate(ngrams(text)):
            index.places[gram].append((number, start))
    return index


def overlaps(examples: Iterable[Example], index: NgramIndex, redistributable: Collection[str]) -> Iterator[Overlap]:
    """An overlap for each example, place and question that share something; text of `redistributable` benchmarks alone."""
    for example in examples:
        asked, reasoning, answer = map(words, (example.question, example.reasoning, example.answer))
        same = index.whole.get(tuple(asked), [])
        found = find_overlaps([asked], index)
        for number in same:
            length = len(index.questions[number][1])
            found.setdefault(number, QuestionOverlap(longest=length, end=length))
        for number, what in sorted(found.items()):
            yield _overlap(example, "question", index, number, what, number in same, redistributable)
        for number, what in sorted(find_overlaps([reasoning, answer], index).items()):
            yield _overlap(example, "response", index, number, what, False, redistributable)


def find_overlaps(texts: Sequence[Words], index: NgramIndex) -> dict[int, QuestionOverlap]:
    """What the texts share with questions, by the question's number; no run goes from one text into the next."""
    found: dict[int, QuestionOverlap] = defaultdict(QuestionOverlap)
    for text in texts:
        if not index.places.keys().isdisjoint(ngrams(text)):
            _track_runs(text, index.places, found)
    return found


def _track_runs(text: Words, places: Mapping[Gram, list[tuple[int, int]]], found: dict[int, QuestionOverlap]) -> None:
    # Runs that end at the word before: where they are in a question, and how long they are.
    before: dict[tuple[int, int], int] = {}
    for gram in ngrams(text):
        now = {}
        for number, start in places.get(gram, ()):
            length = before.get((number, start - 1), NGRAM - 1) + 1
            now[number, start] = length
            what = found[number]
            what.grams.add(gram)
            if length > what.longest:
                what.longest, what.end = length, start + NGRAM
        before = now


def _overlap(
    example: Example,
    where: OverlapPlace,
    index: NgramIndex,
    number: int,
    found: QuestionOverlap,
    exact: bool,
    redistributable: Collection[str],
) -> Overlap:
    question, text = index.questions[number]
    run = " ".join(text[found.end - found.longest : found.end])
    return Overlap(
        problem=example.problem,
        direction=example.direction,
        where=where,
        benchmark=question.benchmark,
        question=question.id,
        ngrams=len(found.grams),
        question_ngrams=len(set(ngrams(text))),
        longest=found.longest,
        words=len(text),
        exact=exact,
        text=run if question.benchmark in redistributable else None,
    )
