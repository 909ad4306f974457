"""Verdicts on samples, by rules alone: integers, letters, expressions. What cannot be read is wrong, never a guess."""

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from math_verify import LatexExtractionConfig, parse, verify
from tqdm import tqdm

from r1k.errors import RecordError
from r1k.evaluate.extract import (
    final_answer,
    last_number,
    numbers,
    plain,
    read_integer,
    read_letter,
    read_number,
)
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import Graded, Question, Sample, read_jsonl, write_jsonl
from r1k.text import OPTION_LETTERS

Shape = Literal["integer", "expression", "choice"]
SECONDS = 3
"""That reading an expression may take, and comparing two; math-verify enforces them by signals, in the main thread."""

COEFFICIENT = re.compile(r"(?<=\d)\s*[a-z]$")


@dataclass(frozen=True)
class Verdict:
    """Is an answer right, and what decided: integer, letter, text, math-verify, or unparsed."""

    correct: bool
    rule: str


UNPARSED = Verdict(correct=False, rule="unparsed")


def grade(*, questions: Path, samples: Path, shape: Shape, output: Path) -> None:
    """Write a verdict for each answer, in the order of the questions.

    RecordError names the question without a sample, or the sample without a question.
    """
    watch = Stopwatch()
    asked = read_jsonl(questions, Question)
    answered: dict[str, list[Sample]] = {}
    for sample in read_jsonl(samples, Sample):
        answered.setdefault(sample.id, []).append(sample)
    _check_match(questions, asked, samples, answered)
    if shape == "choice":
        _check_options(questions, asked)
    graded = [
        grade_sample(question, sample, shape)
        for question in tqdm(asked, desc="grading", unit="question")
        for sample in answered[question.id]
    ]
    write_jsonl(output, graded)
    rules = Counter(verdict.rule for verdict in graded)
    inputs = {"questions": questions, "samples": samples}
    write_manifest(
        output, "evaluate.grade", inputs, watch, n=len(graded), shape=shape, rules=dict(sorted(rules.items()))
    )


def grade_sample(question: Question, sample: Sample, shape: Shape) -> Graded:
    """The verdict on one sample.

    `last_number` is the last number of the whole completion, whatever its format: it tells a model that found the
    answer and did not format it from one that did not find it. Of a gold answer such as `22y` it is compared with the
    coefficient, for a choice with the right option's number; the comparison is null where there is none, or several.
    """
    extracted = final_answer(sample.completion)
    verdict = UNPARSED if extracted is None else judge(extracted, question, shape)
    last = last_number(sample.completion)
    value = _gold_number(question, shape)
    return Graded(
        id=question.id,
        benchmark=question.benchmark,
        sample=sample.sample,
        direction=question.direction,
        gold=question.gold,
        extracted=extracted,
        correct=verdict.correct,
        rule=verdict.rule,
        last_number=last[0] if last else None,
        last_number_correct=None if value is None else last is not None and last[1] == value,
        truncated=sample.truncated,
    )


def judge(extracted: str, question: Question, shape: Shape) -> Verdict:
    """An extracted answer against the question's gold answer."""
    if shape == "choice":
        letter = read_letter(extracted, len(question.options or []))
        return UNPARSED if letter is None else Verdict(correct=letter == question.gold, rule="letter")
    return judge_expression(extracted, question.gold)


def judge_expression(extracted: str, gold: str) -> Verdict:
    """Two whole numbers are compared as such, words as words, and everything else by math-verify."""
    ours, theirs = read_integer(extracted), read_integer(gold)
    if ours is not None and theirs is not None:
        return Verdict(correct=ours == theirs, rule="integer")
    if plain(extracted) == plain(gold):
        return Verdict(correct=True, rule="text")
    if _is_words(gold):
        return Verdict(correct=_words(extracted) == _words(gold), rule="text")
    read, right = parsed(extracted), parsed(gold)
    if not right:
        return Verdict(correct=False, rule="text")
    if not read:
        return UNPARSED
    correct = verify(right, read, allow_set_relation_comp=True, timeout_seconds=SECONDS)
    return Verdict(correct=correct, rule="math-verify")


def _words(answer: str) -> str:
    return plain(answer).casefold().strip("() ")


def _is_words(gold: str) -> bool:
    """math-verify takes a word for a product of its letters, and one word for another of the same letters."""
    return gold.lstrip().startswith("\\text") or (len(plain(gold)) > 2 and plain(gold).replace(" ", "").isalpha())


@lru_cache(maxsize=1024)
def parsed(answer: str) -> list[Any]:
    """The expression that the whole of an answer is, or nothing; never a number picked out of it."""
    found = parse(
        f"\\boxed{{{answer}}}",
        extraction_config=[LatexExtractionConfig(boxed_match_priority=0)],
        fallback_mode="no_fallback",
        parsing_timeout=SECONDS,
    )
    return list(found)


def _gold_number(question: Question, shape: Shape) -> Fraction | None:
    if shape != "choice":
        return read_number(COEFFICIENT.sub("", question.gold))
    right = (question.options or [])[OPTION_LETTERS.index(question.gold)]
    values = [value for _, value in numbers(right)]
    return values[0] if len(values) == 1 else None


def _check_options(questions: Path, asked: list[Question]) -> None:
    for question in asked:
        if question.gold not in list(OPTION_LETTERS[: len(question.options or [])]):
            raise RecordError(
                f"{questions}: question {question.id!r}: field 'gold': {question.gold!r} is the letter of none of its "
                f"{len(question.options or [])} options; correct the benchmark's shape, or rebuild the file"
            )


def _check_match(questions: Path, asked: list[Question], samples: Path, answered: Collection[str]) -> None:
    ids = {question.id for question in asked}
    for question in asked:
        if question.id not in answered:
            raise RecordError(f"{samples}: no sample for question {question.id!r} of {questions}; generate again")
    for identity in answered:
        if identity not in ids:
            raise RecordError(f"{samples}: sample {identity!r} answers no question of {questions}; generate again")
