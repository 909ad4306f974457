"""Parse the quantities that a text states into comparable values."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from r1k.evaluate.extract import NUMBER, SPACING, WRAPPED, plain, read_number

NUMERALS = {
    word: str(number)
    for number, word in enumerate(
        ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"), start=2
    )
}
"""Numbers in words, from 2; `one` is more often a pronoun than a number."""

LARGEST_EXPONENT = 300

NUMERAL = re.compile(rf"\b(?:{'|'.join(NUMERALS)})\b", re.IGNORECASE)
DEGREES = re.compile(r"\^\s*\{?\\circ\}?\s*(?:\\?(?:text|mathrm)\{)?C?\}?")
LABEL = re.compile(r"\A\s*(?:\(\w{1,3}\)|[a-z]\.|[A-Z]\d{1,2}|\d+(?:\.\d+){2,}\.?|\d+\.)(?=\s)")
"""The number of a question: `(b)`, `d.`, `A3`, `2.2.1.`."""

OPTIONS = re.compile(r"\s\(?A[).]\s.*?\s\(?B[).]\s.*\Z", re.DOTALL)
SCRIPT = re.compile(r"[_^]\s*(?:\{[^{}]*\}|\\?\w)")
POWER_OF_TEN = re.compile(
    r"(?P<mantissa>\d+(?:\.\d+)?)"
    r"(?:\s*(?:\\times|\\cdot|[×·*])\s*10\s*\^\s*\{?\s*(?P<power>[+-]?\d+)\s*\}?|[eE](?P<exponent>[+-]?\d+)(?!\w))"
)
LETTER = re.compile(r"[xyz](?!\w)")
"""Letters that can follow a number as an unknown; other letters are units."""

UNIT = re.compile(r"\s*\\?([A-Za-zµΩ°%$]+)")
UNITS = {
    name: names.split()[0]
    for names in (
        "m metre metres meter meters",
        "cm centimetre centimetres centimeter centimeters",
        "mm millimetre millimetres millimeter millimeters",
        "km kilometre kilometres kilometer kilometers",
        "g gram grams",
        "kg kilogram kilograms",
        "mg milligram milligrams",
        "s second seconds",
        "min minute minutes",
        "h hour hours",
        "day days",
        "year years",
        "K kelvin kelvins",
        "°C °",
        "J joule joules",
        "kJ kilojoule kilojoules",
        "eV",
        "N newton newtons",
        "V volt volts",
        "A ampere amperes amp amps",
        "W watt watts",
        "Ω ohm ohms Omega",
        "Pa pascal pascals",
        "kPa",
        "atm",
        "L litre litres liter liters",
        "mL millilitre millilitres milliliter milliliters",
        "mol mole moles",
        "Hz hertz",
        "% percent",
        "$ dollar dollars",
    )
    for name in names.split()
}

Key = tuple[Fraction, bool]
"""A value, and whether it is a multiple of a letter; the choice of letter does not matter."""


@dataclass(frozen=True)
class Quantity:
    """A number as a text states it: its value, the letter that it multiplies, and its unit if known."""

    value: Fraction
    letter: str = ""
    unit: str = ""

    @property
    def key(self) -> Key:
        """The compared part; units have too many spellings to distinguish two numbers."""
        return self.value, bool(self.letter)

    def __str__(self) -> str:
        short = f"{float(self.value):.6g}"
        value = short if Fraction(short) == self.value else str(self.value)
        return f"{value}{self.letter}{' ' if self.unit else ''}{self.unit}"


@lru_cache(maxsize=4096)
def stated_quantities(question: str) -> tuple[Quantity, ...]:
    """Return the quantities of a question, without those in its label, options, indices and exponents."""
    return tuple(_quantities(SCRIPT.sub(" ", _normalize(without_options(LABEL.sub("", question, count=1))))))


@lru_cache(maxsize=4096)
def all_quantities(question: str) -> tuple[Quantity, ...]:
    """Return every number of a question except its label."""
    return tuple(_quantities(_normalize(LABEL.sub("", question, count=1))))


def without_options(question: str) -> str:
    """Return a question without the answer options at its end."""
    return OPTIONS.sub("", question)


def read_quantity(answer: str) -> Quantity | None:
    """Return the quantity that makes up a whole answer, with or without a known unit; None for others (`4kTR`)."""
    text = _normalize(plain(answer)).strip()
    found = next(_quantities(text), None)
    match = NUMBER.match(text)
    if found is None or match is None:
        return None
    rest = text[match.end() :].strip()
    if rest == found.letter:
        return found
    unit = re.fullmatch(r"\\?[A-Za-zµΩ°%$]+(?:\s*[/·]\s*[A-Za-z]+(?:\^\{?-?\d\}?)?)?", rest)
    return found if unit and found.unit else None


def _normalize(text: str) -> str:
    text = WRAPPED.sub(r" \1", SPACING.sub(" ", DEGREES.sub("°", text)))
    text = NUMERAL.sub(_in_digits, POWER_OF_TEN.sub(_written_out, text))
    return text.replace("−", "-").replace("{,}", ",")


def _in_digits(match: re.Match[str]) -> str:
    return NUMERALS[match.group().lower()]


def _written_out(match: re.Match[str]) -> str:
    power = int(match["power"] or match["exponent"])
    if abs(power) > LARGEST_EXPONENT:
        return match.group()
    value = Fraction(match["mantissa"]) * Fraction(10) ** power
    return f"{value.numerator}/{value.denominator}" if value.denominator > 1 else str(value.numerator)


def _quantities(text: str) -> Iterator[Quantity]:
    for match in NUMBER.finditer(text):
        value = read_number(match.group())
        if value is None:
            continue
        letter = LETTER.match(text, match.end())
        unit = None if letter else UNIT.match(text, match.end())
        yield Quantity(value, letter.group() if letter else "", UNITS.get(unit[1], "") if unit else "")
