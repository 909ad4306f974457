"""The GRIM test: whether a printed percentage can come from a whole number of correct answers."""

from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

TENTH = Decimal("0.1")


@dataclass(frozen=True)
class GrimCounts:
    """The counts that give a percentage with one decimal: by rounding, and by truncation alone."""

    rounded: tuple[int, ...]
    cut: tuple[int, ...]


def grim(value: Decimal, n: int) -> GrimCounts:
    """Return the counts of `n` answers that give the percentage `value`, which has one decimal; halves round up.

    Both tuples are empty for a percentage that no count gives. The test is that of Brown and Heathers (Social
    Psychological and Personality Science 8, 2017).
    """
    near = range(max(0, int(value * n / 100) - 1), min(n, int(value * n / 100) + 2) + 1)
    exact = {k: Decimal(100 * k) / n for k in near}
    rounded = tuple(k for k, share in exact.items() if share.quantize(TENTH, ROUND_HALF_UP) == value)
    cut = tuple(k for k, share in exact.items() if share.quantize(TENTH, ROUND_DOWN) == value and k not in rounded)
    return GrimCounts(rounded, cut)
