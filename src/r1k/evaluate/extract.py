"""What a completion answers: the text of its final answer, and the numbers in it. Pure functions of text."""

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
LONGEST_ANSWER = 1000
"""Characters; what is longer is no answer but a model that does not end."""
LONGEST_NUMBER = 400
"""Characters; what is longer is a model repeating itself, and Python refuses to read it."""


def final_answer(completion: str) -> str | None:
    """The answer's text in s1's order, or None where there is none, or one longer than any answer.

    Of what follows the last answer separator, or of everything where there is none: the inside of the last complete
    `\\boxed{…}`, else what follows the last `Answer:` on its line, or on the next one that is not empty.
    """
    part = completion.rpartition(SEPARATOR)[2]
    boxed = last_boxed(part)
    if boxed is None:
        lines = ANSWER_LINE.findall(part)
        boxed = lines[-1] if lines else ""
    answer = clean(boxed)
    return answer if 0 < len(answer) <= LONGEST_ANSWER else None


def clean(answer: str) -> str:
    """An answer without what only sets it: dollar signs around it, bold, a full stop at its end."""
    answer = answer.strip()
    for opening, closing in DELIMITERS:
        if answer.startswith(opening) and answer.rstrip(".").endswith(closing) and len(answer) > len(opening):
            inside = answer.rstrip(".")[len(opening) : -len(closing)]
            if opening not in inside:
                answer = inside.strip()
    return answer.rstrip("*. ")


def plain(answer: str) -> str:
    """An answer without LaTeX's text commands, thin spaces and spare blanks, minus signs as `-`."""
    answer = WRAPPED.sub(r"\1", SPACING.sub("", clean(answer)))
    answer = answer.replace("{,}", ",").replace("−", "-").replace("–", "-")
    return re.sub(r"\s+", " ", answer).strip()


def squeezed(answer: str) -> str:
    """A plain answer without its blanks, but for those between digits, and with one kind of fraction."""
    return BLANKS.sub("", FRACTION.sub(r"\\frac", plain(answer)))


def read_integer(answer: str) -> int | None:
    """An answer that is nothing but a whole number: `25`, `025`, `-4`, `1,234`, `12.0`."""
    text = plain(answer).replace("- ", "-")
    if len(text) > LONGEST_NUMBER or not INTEGER.fullmatch(text):
        return None
    return int(text.partition(".")[0].replace(",", ""))


def digits_alone(answer: str) -> bool:
    """Nothing but digits: a sign, a comma or a point makes it something else."""
    return answer.isdecimal() and len(answer) <= LONGEST_NUMBER


def read_letter(answer: str, options: int) -> str | None:
    """An answer that names one of the first `options` letters: `B`, `(b)`, `B)`, `\\text{B}`, `B) 56`, `option B`.

    None for anything else, and where two options are named.
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
    """The letter of the option that an answer names: by its letter, or by the whole of a text that one option has."""
    letter = read_letter(answer, len(options))
    if letter is not None:
        return letter
    given = _unset(answer)
    same = [letter for letter, text in zip(OPTION_LETTERS, options, strict=False) if _unset(text) == given]
    return same[0] if len(same) == 1 else None


def _unset(text: str) -> str:
    return plain(text.replace("$", "")).casefold()


@lru_cache(maxsize=1 << 20)
def vote(answer: str) -> str:
    """What an answer votes for in a majority: a whole number, the letter of an option, else its plain text.

    Expressions that are equal and written otherwise vote apart.
    """
    number = read_integer(answer)
    return str(number) if number is not None else read_letter(answer, len(OPTION_LETTERS)) or plain(answer).casefold()


def read_number(answer: str) -> Fraction | None:
    """The value of an answer that is nothing but one number: whole, decimal, `a/b` or `\\frac{a}{b}`."""
    match = NUMBER.fullmatch(plain(answer).replace("- ", "-"))
    return _value(match) if match else None


def last_number(text: str) -> tuple[str, Fraction | None] | None:
    """The last number of a text, wherever it stands and whatever is around it: as written, and its value.

    The value is None for a division by zero and for a number longer than any answer.
    """
    found = list(numbers(text))
    return found[-1] if found else None


def numbers(text: str) -> Iterator[tuple[str, Fraction | None]]:
    """Every number of a text in order, as `last_number` gives it."""
    for match in NUMBER.finditer(text.replace("−", "-").replace("{,}", ",").replace("\\!", "")):
        yield match.group(), _value(match)


def _value(match: re.Match[str]) -> Fraction | None:
    if len(match.group()) > LONGEST_NUMBER:
        return None
    over, under = (match["over"], match["under"]) if match["over"] else (match["value"], match["divisor"] or "1")
    if int(under) == 0:
        return None
    value = Fraction(over.replace(",", "")) / int(under)
    return -value if match["sign"] == "-" else value
