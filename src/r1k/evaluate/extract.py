"""Extract the final answer and the numbers from a completion, as pure functions of text."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import lru_cache

from r1k.config import AnswerType
from r1k.evaluate.grading.markers import TURN_END, Statement, has_open_box, is_withdrawn, statements
from r1k.text import ANSWER, OPTION_LETTERS

SEPARATOR = ANSWER.strip()
THINKING = re.compile(r"\s*(?:<\|im_start\|>think|<think>)")
THINKING_END = "</think>"
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

OPTION_ALONE = re.compile(r"[(\[]?([A-J])[)\]]?[.):!]?", re.IGNORECASE)
OPTION_AFTER_TEXT = re.compile(r"(?P<text>[^()\[\]]+\s)[(\[](?P<letter>[A-J])[)\]]\.?")
NEGATION = re.compile(r"\b(?:not|never|neither|nor|cannot|but|except|wrong|incorrect|false)\b|n't", re.IGNORECASE)
OPTION = re.compile(
    r"(?:(?:so|thus|hence|therefore|then)?,?\s*(?:(?:i\s+)?(?:choose|pick|select|would (?:choose|pick))\s+)?"
    r"(?:it\s+is|it's)?\s*(?:the\s+)?(?:(?:correct|right|final|best)\s+)*(?:option|answer|choice|选项|答案|选)?\s*"
    r"(?:is|would be|must be|是|为)?\s*[:：]?\s*(?:option|choice)?\s*)"
    r"(?-i:(?P<open>[(\[])?\s*(?P<letter>[A-J])(?:\s*(?P<close>[)\].:]))?)(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
OPTION_LOWER = re.compile(r"(?:\(\s*([a-j])\s*\)|([a-j])\s*[).:])\s*(\S.*)?", re.DOTALL)
ANOTHER_OPTION = re.compile(
    r"\s*(?:or|and|,|/|&|\+|-|;)\s*(?:option\s+)?[(\[]?(?!I\s+[a-z])[A-J](?![a-zA-Z])|\s*\([A-J]\)"
)
REASON_AFTER_OPTION = re.compile(
    r"\s*(?:[,;(\[–—]|-\s|\.\s|:|\s\(?\d"
    r"|\s(?:because|since|as|for|due|given|and not|but not|not|is|was|would|which|with)\b)",
    re.IGNORECASE,
)
DENIED_OPTION = re.compile(
    r"\W*(?:(?:is|are|was|were|seems|looks)\s+(?:also\s+|all\s+)?(?:not|wrong|incorrect|false|impossible|excluded|eliminated"
    r"|ruled|tempting|a distractor|the wrong|an incorrect)"
    r"|(?:isn't|aren't|cannot|can't|doesn't|does not|would be (?:wrong|incorrect)))\b",
    re.IGNORECASE,
)
FORMULA = re.compile(r"\s*[=^_*<>\\{|]|[^,.;:]*=")
NAMED_OPTION = re.compile(r"(?<![A-Za-z\\])(?:[A-J]|[a-j](?=[).:]|\Z))(?![A-Za-z])")
LOOKALIKES = str.maketrans("АВСЕ", "ABCE")
"""Cyrillic letters that look like the letters of options."""
MAX_ANSWER_CHARS = 1000
"""Maximum length of an answer; longer text comes from a model that does not stop."""
MAX_NUMBER_CHARS = 400
"""Maximum length of a number; longer ones come from a model that repeats itself, and Python refuses to parse them."""


def final_answer(completion: str, answer_type: AnswerType = "expression", truncated: bool = False) -> str | None:
    """Return the text of a completion's final answer, or None if it states none or one above MAX_ANSWER_CHARS.

    The answer is the last statement after the reasoning: a box, boxes side by side as a list, or the text after an
    answer marker. A marker's sentence that names no single value counts only where there is no other statement. A box
    that is cut or withdrawn, and any statement inside reasoning that is cut, is no answer.
    """
    part = answer_part(completion, truncated)
    if part is None:
        return None
    found = [
        each
        for each in statements(part, answer_type == "choice")
        if not each.is_remark or _is_answer(each, answer_type)
    ]
    last = found[-1] if found else None
    if last is None or has_open_box(part, last.end) or is_withdrawn(part[last.end :], truncated):
        return None
    chosen = next((each for each in reversed(found) if not _is_skipped(each, answer_type)), last)
    answer = clean(chosen.text)
    return answer if 0 < len(answer) <= MAX_ANSWER_CHARS else None


def answer_part(completion: str, truncated: bool) -> str | None:
    """Return the text after the reasoning, up to the end of the turn; None if the reasoning is cut before its end."""
    _, separator, part = completion.rpartition(SEPARATOR)
    if not separator:
        _, separator, part = completion.rpartition(THINKING_END)
    if not separator and truncated and THINKING.match(completion):
        return None
    part = part if separator else completion
    end = TURN_END.search(part)
    return part if end is None else part[: end.start()]


def _is_answer(stated: Statement, answer_type: AnswerType) -> bool:
    """Return whether the text after `the answer is` is an answer: a letter, or a short text with a value."""
    return answer_type != "choice" or read_letter(clean(stated.text), len(OPTION_LETTERS)) is not None


def _is_skipped(stated: Statement, answer_type: AnswerType) -> bool:
    """Return whether an earlier statement counts before this one, which names no option or no single value."""
    return NAMED_OPTION.search(stated.text) is None if answer_type == "choice" else stated.is_vague


def clean(answer: str) -> str:
    """Return an answer without its markup: dollar signs around it, bold, a full stop at its end."""
    answer = answer.strip()
    for opening, closing in DELIMITERS:
        if answer.startswith(opening) and answer.rstrip(".").endswith(closing) and len(answer) > len(opening):
            inside = answer.rstrip(".")[len(opening) : -len(closing)]
            if opening not in inside:
                answer = inside.strip()
    return answer.rstrip("* ") if answer.endswith("...") else answer.rstrip("*. ")


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

    Recognized forms are `B`, `(b)`, `[B]`, `B)`, `\\text{B}`, `B) 56`, `B (56)`, `56 (B)`, `option B`, `B because …`
    and so on. A letter in a formula, an article, or a letter that is denied is no option.
    """
    text = (
        unicodedata.normalize("NFKC", plain(re.sub(r"[$`\"“”‘’]|\*\*|\\\s|\A'|'\Z", " ", answer)))
        .translate(LOOKALIKES)
        .strip()
    )
    alone = OPTION_ALONE.fullmatch(text)
    letter = alone[1].upper() if alone else _letter_with_more(text)
    return letter if letter and ord(letter) - ord("A") < options else None


def _letter_with_more(text: str) -> str | None:
    lower = OPTION_LOWER.fullmatch(text)
    if lower:
        return (lower[1] or lower[2]).upper()
    after = OPTION_AFTER_TEXT.fullmatch(text)
    if after and not NEGATION.search(after["text"]) and not NAMED_OPTION.search(after["text"]):
        return str(after["letter"])
    match = OPTION.fullmatch(text)
    if match is None or (match["open"] and match["close"] not in (")", "]")):
        return None
    rest = match["rest"]
    if rest[:1].isalnum() and not match["close"]:
        return None
    if re.fullmatch(r"[\s.:)\]]*", rest):
        return str(match["letter"])
    if DENIED_OPTION.match(rest) or ANOTHER_OPTION.match(rest):
        return None
    if match["close"]:
        return str(match["letter"]) if re.match(r"\s*\S", rest) and not re.match(r"\s*=", rest) else None
    if FORMULA.match(rest) or not REASON_AFTER_OPTION.match(rest):
        return None
    return str(match["letter"])


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
