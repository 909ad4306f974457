"""Numbers and their intervals, as tables and figures print them and as CSVs hold them."""

import math


def typeset(value: float, form: str) -> str:
    """A number in a format of Python's, as `+.3f`, with a true minus sign."""
    return f"{value:{form}}".replace("-", "\N{MINUS SIGN}")


def with_ends(found: tuple[float, float, float], form: str) -> str:
    """`0.32 [0.26, 0.38]`, of value, low and high; the value alone where its ends are NaN."""
    value, low, high = (typeset(part, form) for part in found)
    return value if math.isnan(found[1]) else f"{value} [{low}, {high}]"


def cell(value: float) -> float | str:
    """A number for a CSV, to six decimals; NaN is empty."""
    return "" if math.isnan(value) else round(value, 6)
