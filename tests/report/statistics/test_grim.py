from decimal import Decimal

import pytest

from r1k.report.statistics.grim import Counts, grim


@pytest.mark.parametrize(
    ("value", "n", "counts"),
    [
        ("16.7", 30, Counts((5,), ())),
        ("34.0", 198, Counts((), ())),
        ("35.8", 198, Counts((), (71,))),
        ("0.0", 30, Counts((0,), ())),
        ("100.0", 198, Counts((198,), ())),
        ("50.0", 5000, Counts((2498, 2499, 2500, 2501, 2502), (2503, 2504))),
    ],
)
def test_counts_behind_a_percentage(value, n, counts):
    found = grim(Decimal(value), n)
    if n < 1000:
        assert found == counts
    else:
        assert set(found.rounded) <= set(counts.rounded) and 2500 in found.rounded


@pytest.mark.parametrize("n", [30, 198, 500])
def test_every_count_is_behind_its_own_percentage(n):
    for k in range(n + 1):
        printed = Decimal(str(round(100 * k / n + 1e-9, 1)))
        assert k in grim(printed.quantize(Decimal("0.1")), n).rounded
