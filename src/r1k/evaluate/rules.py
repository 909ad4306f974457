"""Is an answer right, by rules alone: whole numbers, letters, words, and expressions by math-verify."""

import re
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from math_verify import LatexExtractionConfig, parse, verify

from r1k.config import AnswerType
from r1k.evaluate.extract import plain, read_integer, read_option, squeezed
from r1k.evaluate.latex_normalize import spelled
from r1k.records import Question

SECONDS = 2
"""That reading an expression may take, and comparing two; math-verify enforces them by signals, in the main thread."""
PLACES = 12
"""Decimals that decide whether two numbers are one: more than a model rounds to, fewer than arithmetic is exact to."""
ARTICLE = re.compile(r"\A(?:a|an|the) ")


@dataclass(frozen=True)
class Verdict:
    """Is an answer right, and what decided: integer, letter, text, math-verify, timeout, unparsed, judge, undecided."""

    correct: bool
    rule: str


UNPARSED = Verdict(correct=False, rule="unparsed")
TIMEOUT = Verdict(correct=False, rule="timeout")


def by_rules(extracted: str | None, question: Question, answer_type: AnswerType) -> Verdict:
    """An extracted answer against the question's gold answer. What cannot be read is wrong, never a guess."""
    if extracted is None:
        return UNPARSED
    if answer_type == "choice":
        letter = read_option(extracted, question.options or [])
        return UNPARSED if letter is None else Verdict(correct=letter == question.gold, rule="letter")
    return compare(extracted, question.gold)


@lru_cache(maxsize=1 << 14)
def compare(extracted: str, gold: str) -> Verdict:
    """Two whole numbers are compared as such, words as words, and everything else by math-verify."""
    ours, theirs = read_integer(extracted), read_integer(gold)
    if ours is not None and theirs is not None:
        return Verdict(correct=ours == theirs, rule="integer")
    if squeezed(extracted) == squeezed(gold):
        return Verdict(correct=True, rule="text")
    if _is_words(gold):
        return Verdict(correct=_words(extracted) == _words(gold), rule="text")
    right = parsed(gold)
    if not right:
        return Verdict(correct=False, rule="text")
    read = parsed(extracted)
    return _verified(right, read) if read else UNPARSED


def _verified(right: list[Any], read: list[Any]) -> Verdict:
    start = time.monotonic()
    correct = verify(
        right, read, float_rounding=PLACES, allow_set_relation_comp=True, timeout_seconds=SECONDS, raise_on_error=False
    )
    # math-verify says False of what it gave up, too.
    if not correct and time.monotonic() - start >= SECONDS:
        return TIMEOUT
    return Verdict(correct=correct, rule="math-verify")


def _words(answer: str) -> str:
    return ARTICLE.sub("", plain(answer).casefold().strip("() "))


def _is_words(gold: str) -> bool:
    """math-verify takes a word for a product of its letters, and one word for another of the same letters."""
    return gold.lstrip().startswith("\\text") or (len(plain(gold)) > 2 and plain(gold).replace(" ", "").isalpha())


@lru_cache(maxsize=1 << 12)
def parsed(answer: str) -> list[Any]:
    """The expression that the whole of an answer is, or nothing; never a number picked out of it."""
    found = parse(
        f"\\boxed{{{spelled(answer)}}}",
        extraction_config=[LatexExtractionConfig(boxed_match_priority=0)],
        fallback_mode="no_fallback",
        parsing_timeout=SECONDS,
    )
    return list(found)
