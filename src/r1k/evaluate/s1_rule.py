"""s1's rule: which text of an answer it grades, and what it decides without its judge.

Source: s1's fork of lm-eval, `process_results` of its tasks aime, openai_math and gpqa. docs/teacher.md lists our
deviations.
"""

import re

from r1k.evaluate.extract import is_digits
from r1k.evaluate.rules import AnswerVerdict
from r1k.records import Question
from r1k.text import ANSWER, MARKERS, OPTION_LETTERS

BOX = "\\boxed"
MARKER = re.compile(r"answer\s*:", re.IGNORECASE)
MAX_GRADED_CHARS = 100_000
"""Maximum length of the text that a judge gets, from its end. It fits into gpt-4o-mini's context of 128,000 tokens at a
token per character."""


def s1_answer(completion: str) -> str | None:
    """Return the text that s1 grades, or None if there is none.

    In the text after the last answer separator (the whole completion if there is no separator), this is the content of
    the last `\\boxed{…}`, or what follows the last `\\boxed ` up to a dollar sign; else the text after the last
    `Answer:`, in any case, to its end; else the whole text. A last box that does not close is not read.
    """
    part = _after_separator(completion)
    box = _last_box(part)
    text = MARKER.split(part)[-1] if box is None else box
    return text.rstrip()[-MAX_GRADED_CHARS:].lstrip() or None


def s1_verdict(question: Question, text: str) -> AnswerVerdict | None:
    """Return the verdict on a text that s1 gives by itself; None if its judge decides.

    These are two strings of digits, compared as numbers, and for a multiple-choice question a letter alone.
    """
    if question.options is None:
        if is_digits(text) and is_digits(question.gold):
            return AnswerVerdict(correct=int(text) == int(question.gold), rule="integer")
        return None
    letter = text.upper()
    if letter not in list(OPTION_LETTERS[: len(question.options)]):
        return None
    return AnswerVerdict(correct=letter == question.gold, rule="letter")


def _after_separator(completion: str) -> str:
    _, separator, part = completion.rpartition(ANSWER.strip())
    if separator:
        return part
    # Without an answer separator, s1 reads what follows the line of the last separator of any kind.
    _, separator, part = completion.rpartition(MARKERS[0])
    return part.partition("\n")[2] if separator and "\n" in part else part


def _last_box(text: str) -> str | None:
    _, found, rest = text.rpartition(BOX)
    if not found:
        return None
    if rest.lstrip(" ").startswith("{"):
        return _in_braces(rest.lstrip(" "))
    return rest.partition("$")[0] if rest.startswith(" ") else None


def _in_braces(text: str) -> str | None:
    """Return the content of the braces with which a text starts; None if they do not close."""
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return text[1:place]
    return None
