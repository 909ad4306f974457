"""Extract the final answer and the numbers from a completion, as pure functions of text."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import lru_cache

from r1k.boxed import last_boxed
from r1k.text import ANSWER, OPTION_LETTERS

SEPARATOR = ANSWER.strip()
ANSWER_LINE = re.compile(r"Answer:[\s*]*([^\n]*)")
WRAPPED = re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|boldsymbol|mbox)\s*\{([^{}]*)\}")
SPACING = re.compile(r"\\[,;:! ]|\\(?:left|right|displaystyle|quad)(?![a-zA-Z])")
FRACTION = re.compile(r"\\[dt]frac(?![a-zA-Z])")
BLANKS = re.compile(r"(?<!\d)\s+|\s+(?!\d)")
DELIMITERS = (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"), ("**", "**"))

INTEGER = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.0+)?")
_DECIMAL = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+"
NUMBER = re.compile(
    rf"(?P<sign>(?<![\w)\]}}.])[+-])?"
    rf"(?:\\[dt]?frac\s*\{{\s*(?P<over>-?\d+)\s*\}}\s*\{{\s*(?P<under>\d+)\s*\}}"
    rf"|(?P<value>{_DECIMAL})(?:\s?/\s?(?P<divisor>\d+)(?![\d.]))?)"
)

OPTION_ALONE = re.compile(r"\(?([A-J])\)?[.):]?", re.IGNORECASE)
OPTION_BEFORE_TEXT = re.compile(r"(?:\(([A-J])\)|([A-J])\s*[.):])\s*(\S.*)", re.DOTALL)
OPTION_IN_WORDS = re.compile(
    r"(?:the\s+)?(?:correct\s+|right\s+|final\s+)?(?:option|answer|choice|选项|答案)\s*(?:is|是|为)?\s*:?\s*"
    r"\(?(?-i:([A-J]))\)?[.):]?(?:\s+is\s+(?:the\s+)?(?:correct|right)(?:\s+(?:one|option|answer|choice))?)?",
    re.IGNORECASE,
)
ANOTHER_OPTION = re.compile(r"(?:or|and|,|/|&)\s*\(?[A-J]\b|\([A-J]\)")
MAX_ANSWER_CHARS = 1000
"""Maximum length of an answer; longer text comes from a model that does not stop."""
MAX_NUMBER_CHARS = 400
"""Maximum length of a number; longer ones come from a model that repeats itself, and Python refuses to parse them."""


def final_answer(completion: str) -> str | None:
    """Return the answer's text by s1's rules, or None if it has no answer or one above MAX_ANSWER_CHARS.

    In the text after the last answer separator (the whole text if there is no separator), this is the content of the
    last complete `\\boxed{…}`, else the text after the last `Answer:` on its line, or on the next line that is not
    empty.
    """
    part = completion.rpartition(SEPARATOR)[2]
    boxed = last_boxed(part)
    if boxed is None:
        lines = ANSWER_LINE.findall(part)
        boxed = lines[-1] if lines else ""
    answer = clean(boxed)
    return answer if 0 < len(answer) <= MAX_ANSWER_CHARS else None


def clean(answer: str) -> str:
    """Return an answer without its markup: dollar signs around it, bold, a full stop at its end."""
    answer = answer.strip()
    for opening, closing in DELIMITERS:
        if answer.startswith(opening) and answer.rstrip(".").endswith(closing) and len(answer) > len(opening):
            inside = answer.rstrip(".")[len(opening) : -len(closing)]
            if opening not in inside:
                answer = inside.strip()
    return answer.rstrip("*. ")


def plain(answer: str) -> str:
    """Return an answer without LaTeX's text commands, thin spaces and repeated blanks, with minus signs as `-`."""
    answer = WRAPPED.sub(r"\1", SPACING.sub("", clean(answer)))
    answer = answer.replace("{,}", ",").replace("−", "-").replace("–", "-")
    return re.sub(r"\s+", " ", answer).strip()


def compact(answer: str) -> str:
    """Return a plain answer without blanks, except between digits, and with one kind of fraction."""
    return BLANKS.sub("", FRACTION.sub(r"\\frac", plain(answer)))


def read_integer(answer: str) -> int | None:
    """Return the value of an answer that is only a whole number: `25`, `025`, `-4`, `1,234`, `12.0`; else None."""
    text = plain(answer).replace("- ", "-")
    if len(text) > MAX_NUMBER_CHARS or not INTEGER.fullmatch(text):
        return None
    return int(text.partition(".")[0].replace(",", ""))


def is_digits(answer: str) -> bool:
    """Return whether an answer consists of digits only, without sign, comma or point."""
    return answer.isdecimal() and len(answer) <= MAX_NUMBER_CHARS


def read_letter(answer: str, options: int) -> str | None:
    """Return the option that an answer names, among the first `options` letters; None if it names none or two.

    Recognized forms are `B`, `(b)`, `B)`, `\\text{B}`, `B) 56`, `option B` and the like.
    """
    text = unicodedata.normalize("NFKC", plain(answer.replace("$", "")))
    match = OPTION_ALONE.fullmatch(text) or OPTION_IN_WORDS.fullmatch(text)
    if match is None:
        match = OPTION_BEFORE_TEXT.fullmatch(text)
        if match is None or ANOTHER_OPTION.match(match.group(3)):
            return None
    letter = next(group for group in match.groups() if group).upper()
    return letter if ord(letter) - ord("A") < options else None


def read_option(answer: str, options: Sequence[str]) -> str | None:
    """Return the letter of the option that an answer names, by its letter or by a full text that exactly one option
    has."""
    letter = read_letter(answer, len(options))
    if letter is not None:
        return letter
    given = _option_text(answer)
    same = [letter for letter, text in zip(OPTION_LETTERS, options, strict=False) if _option_text(text) == given]
    return same[0] if len(same) == 1 else None


def _option_text(text: str) -> str:
    return plain(text.replace("$", "")).casefold()


@lru_cache(maxsize=1 << 20)
def vote(answer: str) -> str:
    """Return what an answer votes for in a majority: a whole number, the letter of an option, else its plain text.

    Equal expressions in different notations are different votes.
    """
    number = read_integer(answer)
    return str(number) if number is not None else read_letter(answer, len(OPTION_LETTERS)) or plain(answer).casefold()


def read_number(answer: str) -> Fraction | None:
    """Return the value of an answer that is only one number (whole, decimal, `a/b` or `\\frac{a}{b}`); else None."""
    match = NUMBER.fullmatch(plain(answer).replace("- ", "-"))
    return _value(match) if match else None


def last_number(text: str) -> tuple[str, Fraction | None] | None:
    """Return the last number of a text, in any context: as written, and its value.

    The value is None for a division by zero and for a number above MAX_NUMBER_CHARS.
    """
    found = list(numbers(text))
    return found[-1] if found else None


def numbers(text: str) -> Iterator[tuple[str, Fraction | None]]:
    """Yield every number of a text in order, as `last_number` returns it."""
    for match in NUMBER.finditer(text.replace("−", "-").replace("{,}", ",").replace("\\!", "")):
        yield match.group(), _value(match)


def _value(match: re.Match[str]) -> Fraction | None:
    if len(match.group()) > MAX_NUMBER_CHARS:
        return None
    over, under = (match["over"], match["under"]) if match["over"] else (match["value"], match["divisor"] or "1")
    if int(under) == 0:
        return None
    value = Fraction(over.replace(",", "")) / int(under)
    return -value if match["sign"] == "-" else value
