"""Grade answers by rules alone: whole numbers, letters, words, and expressions part by part."""

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from r1k.child_process import CPULimitError, LimitedCalls
from r1k.config import AnswerType
from r1k.evaluate.extract import clean, compact, read_integer, read_option
from r1k.evaluate.grading.rationals import read_rational
from r1k.evaluate.grading.units import split_quantity
from r1k.evaluate.grading.words import is_words
from r1k.evaluate.latex_normalize import normalize_latex
from r1k.records import Question
from r1k.text import OPTION_LETTERS

TIMEOUT_SECONDS = 2
"""Limit of the processor time for a comparison, in seconds. math-verify's own limit is one of wall-clock time, and
works in the main thread alone."""
DECIMALS = 12
"""Decimals to which math-verify compares the ends of sets."""
SETS = re.compile(r"\\(?:mathbb|setminus|cap|int|lim|begin)(?![a-zA-Z])|\|")
"""Notation that math-verify compares where the comparison by parts finds no equality."""
RELATION = re.compile(r"[=<>]|\\(?:le|ge|leq|geq|ne|neq)(?![a-zA-Z])")
LISTED_OR_SMALL = re.compile(r"[,;!]|\^\s*\{?\s*-?\d{2,}|0\.0{4}|e-\d|\\(?:text|pm|cup|sum|prod|int)|\b(?:and|or)\b")
"""What a relation must not have for math-verify to solve it: its tolerance is absolute."""
FAILURES = (ArithmeticError, ValueError, TypeError, AttributeError, NotImplementedError, RecursionError)
"""What SymPy and mpmath raise for text that parses but has no value."""
# math-verify warns that its own time limit is off.
logging.getLogger("math_verify").setLevel(logging.ERROR)

T = TypeVar("T")


@dataclass(frozen=True)
class AnswerVerdict:
    """Whether an answer is right, and the rule that decided.

    Rules: integer, letter, text, expression, timeout, unparsed, unparsed_gold, judge, undecided. `timeout` stands for
    the limits of time and of size of a comparison of expressions.
    """

    correct: bool
    rule: str


UNPARSED = AnswerVerdict(correct=False, rule="unparsed")
UNPARSED_GOLD = AnswerVerdict(correct=False, rule="unparsed_gold")
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


def _option_of_value(extracted: str, options: Sequence[str]) -> str | None:
    """Return the letter of the only option with an answer's value and unit, in any notation."""
    has_unit = split_quantity(extracted).unit is not None
    same = [
        letter
        for letter, text in zip(OPTION_LETTERS, options, strict=False)
        if (split_quantity(text).unit is not None) == has_unit and compare(extracted, text).correct
    ]
    return same[0] if len(same) == 1 else None


def _prepare() -> None:
    """Import SymPy and math-verify, and fill the tables of the parser."""
    parsed("0.5x")
    _compare_expressions("0.5x", "\\frac{1}{2}x")


_limited = LimitedCalls(_prepare)


def within_limit(function: Callable[..., T], *arguments: Any) -> T:
    """Return the value of a function that uses math-verify or sympy; raise CPULimitError after TIMEOUT_SECONDS."""
    return _limited(TIMEOUT_SECONDS, function, *arguments)


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
        return AnswerVerdict(correct=True, rule="expression")
    try:
        return within_limit(_compare_expressions, extracted, gold)
    except CPULimitError:
        return TIMEOUT


def reads_gold(gold: str) -> bool:
    """Return whether the rules can read a gold answer: a whole number, words, or what latex2sympy parses."""
    if read_integer(gold) is not None or is_words(gold):
        return True
    try:
        return within_limit(_parses, gold)
    except CPULimitError:
        return True


def _parses(gold: str) -> bool:
    from r1k.evaluate.grading.compare import is_readable

    try:
        return is_readable(clean(gold)) or bool(parsed(gold))
    except FAILURES:
        return False


def _compare_expressions(extracted: str, gold: str) -> AnswerVerdict:
    from r1k.evaluate.grading.compare import same_answer
    from r1k.evaluate.grading.scalars import UnparsedError
    from r1k.evaluate.grading.values import IntractableError

    rule = "text" if is_words(gold) else "expression"
    failure = None
    try:
        if same_answer(clean(gold), clean(extracted)):
            return AnswerVerdict(correct=True, rule=rule)
    except IntractableError:
        failure = TIMEOUT
    except (UnparsedError, *FAILURES):
        failure = UNPARSED if _parses(gold) else UNPARSED_GOLD
    if rule == "expression" and (SETS.search(gold + extracted) or _are_relations(gold, extracted)):
        right, answer = parsed(gold), parsed(extracted)
        if right and answer:
            return AnswerVerdict(correct=_verify(right, answer), rule=rule)
    return failure or AnswerVerdict(correct=False, rule=rule)


def _are_relations(*texts: str) -> bool:
    return all(RELATION.search(text) and not LISTED_OR_SMALL.search(text) for text in texts)


def _verify(right: list[Any], answer: list[Any]) -> bool:
    from math_verify import verify

    return bool(
        verify(
            right,
            answer,
            float_rounding=DECIMALS,
            allow_set_relation_comp=True,
            timeout_seconds=None,
            raise_on_error=False,
        )
    )


@lru_cache(maxsize=1 << 12)
def parsed(answer: str) -> list[Any]:
    """Return the expression that the complete answer is, or an empty list; never a number taken from inside it.

    Call it by `within_limit`: it has no time limit of its own.
    """
    from math_verify import LatexExtractionConfig, parse

    found = parse(
        f"\\boxed{{{normalize_latex(answer)}}}",
        extraction_config=[LatexExtractionConfig(boxed_match_priority=0)],
        fallback_mode="no_fallback",
        parsing_timeout=None,
    )
    return list(found)
