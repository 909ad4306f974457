"""Grade answers by rules alone: whole numbers, letters, words, and expressions part by part."""

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from math_verify import LatexExtractionConfig, parse, verify
from math_verify.errors import TimeoutException
from math_verify.utils import timeout

from r1k.config import AnswerType
from r1k.evaluate.extract import clean, compact, read_integer, read_letter, read_option
from r1k.evaluate.grading.compare import UnparsedError, same_answer
from r1k.evaluate.grading.expressions import read_rational
from r1k.evaluate.grading.units import split_quantity
from r1k.evaluate.grading.values import IntractableError
from r1k.evaluate.grading.words import is_words
from r1k.evaluate.latex_normalize import normalize_latex
from r1k.records import Question

TIMEOUT_SECONDS = 2
"""Time limit for comparing two answers; math-verify enforces it by signals, in the main thread."""
DECIMALS = 12
"""Decimals to which math-verify compares the ends of sets."""
SETS = re.compile(r"\\(?:mathbb|setminus|cap|int|lim|begin)(?![a-zA-Z])|\|")
"""Notation that is compared by math-verify where the comparison by parts finds no equality."""
FAILURES = (ArithmeticError, ValueError, TypeError, AttributeError, NotImplementedError, RecursionError)
"""What SymPy and mpmath raise for text that parses but has no value."""


@dataclass(frozen=True)
class AnswerVerdict:
    """Whether an answer is right, and the rule that decided.

    Rules: integer, letter, text, math-verify, timeout, unparsed, judge, undecided. The rule `timeout` stands for a limit
    of time or of size.
    """

    correct: bool
    rule: str


UNPARSED = AnswerVerdict(correct=False, rule="unparsed")
TIMEOUT = AnswerVerdict(correct=False, rule="timeout")


def grade_by_rules(extracted: str | None, question: Question, answer_type: AnswerType) -> AnswerVerdict:
    """Grade an extracted answer against the question's gold answer. An answer that cannot be parsed is wrong."""
    if extracted is None:
        return UNPARSED
    if answer_type == "choice":
        options = question.options or []
        letter = read_option(extracted, options) or _option_of_value(extracted, options)
        return UNPARSED if letter is None else AnswerVerdict(correct=letter == question.gold, rule="letter")
    return compare(extracted, question.gold)


@lru_cache(maxsize=1 << 14)
def compare(extracted: str, gold: str) -> AnswerVerdict:
    """Compare two whole numbers as numbers, words as words, and everything else part by part."""
    value, gold_value = read_integer(extracted), read_integer(gold)
    if value is not None and gold_value is not None:
        return AnswerVerdict(correct=value == gold_value, rule="integer")
    if compact(extracted) == compact(gold):
        return AnswerVerdict(correct=True, rule="text")
    rational, gold_rational = (read_rational(normalize_latex(text)) for text in (extracted, gold))
    if rational is not None and rational == gold_rational:
        return AnswerVerdict(correct=True, rule="math-verify")
    if threading.current_thread() is not threading.main_thread():
        return _compare_expressions(extracted, gold)
    try:
        verdict: AnswerVerdict = timeout(TIMEOUT_SECONDS)(_compare_expressions)(extracted, gold)
    except TimeoutException:
        return TIMEOUT
    return verdict


def _compare_expressions(extracted: str, gold: str) -> AnswerVerdict:
    rule = "text" if is_words(gold) else "math-verify"
    try:
        if same_answer(clean(gold), clean(extracted)):
            return AnswerVerdict(correct=True, rule=rule)
        failure = None
    except IntractableError:
        failure = TIMEOUT
    except (UnparsedError, *FAILURES):
        failure = UNPARSED
    if rule == "math-verify" and (SETS.search(gold) or SETS.search(extracted)):
        right, answer = parsed(gold), parsed(extracted)
        if right and answer:
            return AnswerVerdict(correct=_verify(right, answer), rule=rule)
    return failure or AnswerVerdict(correct=False, rule=rule)


def _option_of_value(extracted: str, options: Sequence[str]) -> str | None:
    """Return the letter of the only option with an answer's value and, if it has one, its unit."""
    unit = split_quantity(extracted).unit is None
    same = [
        letter
        for letter, text in zip("ABCDEFGHIJ", options, strict=False)
        if (split_quantity(text).unit is None) == unit and compare(extracted, text).correct
    ]
    return same[0] if len(same) == 1 and read_letter(extracted, len(same)) is None else None


def _verify(right: list[Any], answer: list[Any]) -> bool:
    return verify(
        right,
        answer,
        float_rounding=DECIMALS,
        allow_set_relation_comp=True,
        timeout_seconds=TIMEOUT_SECONDS,
        raise_on_error=False,
    )


@lru_cache(maxsize=1 << 12)
def parsed(answer: str) -> list[Any]:
    """Return the expression that the complete answer is, or an empty list; never a number taken from inside it."""
    found = parse(
        f"\\boxed{{{normalize_latex(answer)}}}",
        extraction_config=[LatexExtractionConfig(boxed_match_priority=0)],
        fallback_mode="no_fallback",
        parsing_timeout=TIMEOUT_SECONDS,
    )
    return list(found)
