"""Can a printed percentage come from a whole number of right answers?"""

from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

TENTH = Decimal("0.1")


@dataclass(frozen=True)
class Counts:
    """The counts behind a percentage with one decimal: those that round to it, and those that it cuts off."""

    rounded: tuple[int, ...]
    cut: tuple[int, ...]


def grim(value: Decimal, n: int) -> Counts:
    """The GRIM test (Brown and Heathers, Social Psychological and Personality Science 8, 2017).

    `value` is in percent, with one decimal, of `n` answers. Halves are rounded up. Both kinds are empty for a
    percentage that no count gives.
    """
    near = range(max(0, int(value * n / 100) - 1), min(n, int(value * n / 100) + 2) + 1)
    exact = {k: Decimal(100 * k) / n for k in near}
    rounded = tuple(k for k, share in exact.items() if share.quantize(TENTH, ROUND_HALF_UP) == value)
    cut = tuple(k for k, share in exact.items() if share.quantize(TENTH, ROUND_DOWN) == value and k not in rounded)
    return Counts(rounded, cut)
