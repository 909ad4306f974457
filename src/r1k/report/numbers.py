"""Rounding and number formats of every table, figure and CSV."""

import math
from dataclasses import fields
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from r1k.intervals import Interval

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

MINUS = "\N{MINUS SIGN}"


def percent(share: float, decimals: int = 1) -> Decimal:
    """Return a share of one in percent; halves round up, and zero has no sign."""
    # Adding 0 makes Decimal's negative zero positive.
    return Decimal(str(round(100 * share, 9))).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP) + 0


def percent_ends(found: Interval, decimals: int = 1) -> str:
    """Return the ends of an interval of shares, `[42.1, 51.0]`; empty if they are unknown."""
    return f"[{percent(found.low, decimals)}, {percent(found.high, decimals)}]" if found.known else ""


def points(difference: float) -> str:
    """Return a difference of shares in percent points, with its sign: `+4.0`."""
    return f"{percent(difference):+}"


def points_ends(found: Interval) -> str:
    """Return the ends of an interval of differences, `[-0.3, +8.2]`; empty if they are unknown."""
    return f"[{points(found.low)}, {points(found.high)}]" if found.known else ""


def format_number(value: float, form: str) -> str:
    """Return a number in a Python format such as `+.3f`, with a true minus sign."""
    return f"{value:{form}}".replace("-", MINUS)


def number_ends(found: Interval, form: str) -> str:
    """Return the ends of an interval, `[0.26, 0.38]`; empty if they are unknown."""
    return f"[{format_number(found.low, form)}, {format_number(found.high, form)}]" if found.known else ""


def format_interval(found: Interval, form: str) -> str:
    """Return a value and its ends, `0.32 [0.26, 0.38]`; the value alone if the ends are unknown."""
    return f"{format_number(found.value, form)} {number_ends(found, form)}".rstrip()


def csv_number(value: float | None) -> float | str:
    """Return a number for a CSV, rounded to six decimals; empty for None and NaN."""
    return "" if value is None or math.isnan(value) else round(value, 6)


def csv_interval(found: Interval | None, *columns: str) -> dict[str, float | str]:
    """Return CSV columns for value, low end and high end, or for as many of them as are named."""
    values = (None, None, None) if found is None else (found.value, found.low, found.high)
    return {column: csv_number(value) for column, value in zip(columns, values, strict=False)}


def flat_fields(record: "DataclassInstance") -> dict[str, Any]:
    """Return a dataclass's fields by name; an interval gives its value, then `low` and `high`."""
    row: dict[str, Any] = {}
    for field in fields(record):
        value = getattr(record, field.name)
        if isinstance(value, Interval):
            row |= {field.name: value.value, "low": value.low, "high": value.high}
        else:
            row[field.name] = value
    return row
