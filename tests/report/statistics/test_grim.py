from decimal import Decimal

import pytest

from r1k.report.statistics.grim import GrimCounts, grim


@pytest.mark.parametrize(
    ("value", "n", "counts"),
    [
        ("16.7", 30, GrimCounts((5,), ())),
        ("34.0", 198, GrimCounts((), ())),
        ("35.8", 198, GrimCounts((), (71,))),
        ("0.0", 30, GrimCounts((0,), ())),
        ("100.0", 198, GrimCounts((198,), ())),
    ],
)
def test_counts_behind_a_percentage(value, n, counts):
    assert grim(Decimal(value), n) == counts


@pytest.mark.parametrize("n", [30, 198, 500])
def test_every_count_is_behind_its_own_percentage(n):
    for k in range(n + 1):
        printed = Decimal(str(round(100 * k / n + 1e-9, 1)))
        assert k in grim(printed.quantize(Decimal("0.1")), n).rounded
