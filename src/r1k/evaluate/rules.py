"""Grade answers by rules alone: whole numbers, letters, words, and expressions with math-verify."""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from r1k.child_process import CPULimitError, LimitedCalls
from r1k.config import AnswerType
from r1k.evaluate.extract import compact, plain, read_integer, read_option
from r1k.evaluate.latex_normalize import normalize_latex
from r1k.records import Question

TIMEOUT_SECONDS = 2
"""Limit of the processor time for a comparison, in seconds. math-verify's own limit is one of wall-clock time, and
works in the main thread alone."""
DECIMALS = 12
"""Decimals to which two numbers must agree: more than models round to, fewer than the precision of arithmetic."""
ARTICLE = re.compile(r"\A(?:a|an|the) ")
# math-verify warns that its own time limit is off.
logging.getLogger("math_verify").setLevel(logging.ERROR)

T = TypeVar("T")


@dataclass(frozen=True)
class AnswerVerdict:
    """Whether an answer is right, and the rule that decided.

    Rules: integer, letter, text, math-verify, timeout, unparsed, unparsed_gold, judge, undecided.
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
        letter = read_option(extracted, question.options or [])
        return UNPARSED if letter is None else AnswerVerdict(correct=letter == question.gold, rule="letter")
    return compare(extracted, question.gold)


def _prepare() -> None:
    """Import math-verify and fill the tables of its parser."""
    _compare_expressions("0.5x", "\\frac{1}{2}x")


_limited = LimitedCalls(_prepare)


def within_limit(function: Callable[..., T], *arguments: Any) -> T:
    """Return the value of a function that uses math-verify or sympy; raise CPULimitError after TIMEOUT_SECONDS."""
    return _limited(TIMEOUT_SECONDS, function, *arguments)


@lru_cache(maxsize=1 << 14)
def compare(extracted: str, gold: str) -> AnswerVerdict:
    """Compare two whole numbers as numbers, words as words, and everything else with math-verify."""
    value, gold_value = read_integer(extracted), read_integer(gold)
    if value is not None and gold_value is not None:
        return AnswerVerdict(correct=value == gold_value, rule="integer")
    if compact(extracted) == compact(gold):
        return AnswerVerdict(correct=True, rule="text")
    if _is_words(gold):
        return AnswerVerdict(correct=_words(extracted) == _words(gold), rule="text")
    try:
        return within_limit(_compare_expressions, extracted, gold)
    except CPULimitError:
        return TIMEOUT


def reads_gold(gold: str) -> bool:
    """Return whether the rules can read a gold answer: a whole number, words, or what math-verify parses."""
    if read_integer(gold) is not None or _is_words(gold):
        return True
    try:
        return within_limit(_parses, gold)
    except CPULimitError:
        return True


def _parses(text: str) -> bool:
    return bool(parsed(text))


def _compare_expressions(extracted: str, gold: str) -> AnswerVerdict:
    right = parsed(gold)
    if not right:
        return UNPARSED_GOLD
    answer = parsed(extracted)
    return _verify(right, answer) if answer else UNPARSED


def _verify(right: list[Any], answer: list[Any]) -> AnswerVerdict:
    from math_verify import verify

    correct = verify(
        right,
        answer,
        float_rounding=DECIMALS,
        allow_set_relation_comp=True,
        timeout_seconds=None,
        raise_on_error=False,
    )
    return AnswerVerdict(correct=correct, rule="math-verify")


def _words(answer: str) -> str:
    return ARTICLE.sub("", plain(answer).casefold().strip("() "))


def _is_words(gold: str) -> bool:
    """Return whether the gold answer is text; math-verify reads a word as a product of letters, equal to its
    anagrams."""
    return gold.lstrip().startswith("\\text") or (len(plain(gold)) > 2 and plain(gold).replace(" ", "").isalpha())


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
