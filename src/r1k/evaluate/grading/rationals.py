"""Read rational numbers from text, without SymPy."""

import re
from fractions import Fraction

from r1k.evaluate.latex_normalize import join_thousands

DECIMAL_DIGITS = 12
"""Significant digits from which a decimal stands for the number that it rounds."""
ARITHMETIC = re.compile(
    r"(?P<sign>[+-]?)\s*(?:(?P<whole>\d+)\s*(?=\\frac))?"
    r"(?:\\frac\{(?P<over>-?\d+(?:\.\d+)?)\}\{(?P<under>-?\d+(?:\.\d+)?)\}"
    r"|(?P<value>\d+(?:\.\d*)?|\.\d+)(?:\s*/\s*(?P<divisor>\d+(?:\.\d+)?))?"
    r"(?:\s*(?:\\times|\\cdot|\*)\s*10\^\{?(?P<power>-?\d{1,4})\}?)?)"
)
DECIMAL = re.compile(r"\d*\.\d+")


def read_rational(text: str) -> Fraction | None:
    """Return the value of one number: whole, decimal, mixed, fraction or with a power of ten; None for other text."""
    match = ARITHMETIC.fullmatch(join_thousands(text).strip())
    if match is None:
        return None
    over, under = match["over"] or match["value"], match["under"] or match["divisor"] or "1"
    divisor = Fraction(under)
    if divisor == 0:
        return None
    value = Fraction(over) / divisor + int(match["whole"] or 0)
    value *= Fraction(10) ** int(match["power"] or 0)
    return -value if match["sign"] == "-" else value


def decimal_digits(*texts: str) -> int | None:
    """Return the digits to agree to where a decimal has at least DECIMAL_DIGITS significant ones; else None."""
    lengths = [len(number.replace(".", "").lstrip("0")) for text in texts for number in DECIMAL.findall(text)]
    return min(max(lengths) - 1, 15) if lengths and max(lengths) >= DECIMAL_DIGITS else None
