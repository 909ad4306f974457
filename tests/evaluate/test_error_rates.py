"""The graders' error rates on the hand-checked pairs, as measured, so that changes of the rules are visible."""

import pytest
from error_rates import Rates, rates, read_pairs, verdicts
from faulty_teacher import KEY, KEY_VARIABLE

PAIRS = read_pairs()
LITERAL, INFALLIBLE = "literal judge", "infallible judge"


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY_VARIABLE, KEY)
        return verdicts(PAIRS, tmp_path_factory.mktemp("pairs"))


def missed(accepted):
    return [pair.model_dump() for pair, verdict in zip(PAIRS, accepted, strict=True) if verdict != pair.same]


def test_every_answer_type_has_enough_pairs_without_duplicates():
    assert len(PAIRS) >= 150
    assert len({(pair.shape, pair.gold, pair.answer, str(pair.options)) for pair in PAIRS}) == len(PAIRS)
    for shape, each in rates(PAIRS, [pair.same for pair in PAIRS]).items():
        assert each.wrong >= 8 and each.right >= 15, shape
        assert (each.accepted, each.rejected) == (0, 0)


@pytest.mark.slow
def test_error_rates_of_the_rules(found):
    assert rates(PAIRS, found["rules"]) == {
        "integer": Rates(accepted=1, wrong=17, rejected=3, right=31),
        "expression": Rates(accepted=4, wrong=83, rejected=10, right=136),
        "text": Rates(accepted=1, wrong=8, rejected=9, right=15),
        "choice": Rates(accepted=0, wrong=12, rejected=2, right=23),
        "all": Rates(accepted=6, wrong=120, rejected=24, right=205),
    }, missed(found["rules"])


def test_error_rates_of_s1s_order_are_bounded_by_both_judges(found):
    counts = {grader: rates(PAIRS, accepted)["all"] for grader, accepted in found.items()}
    assert counts["s1's order, no judge: equal text"] == Rates(accepted=0, wrong=120, rejected=176, right=205)
    assert counts[f"s1's order, {LITERAL}"] == Rates(accepted=2, wrong=120, rejected=151, right=205)
    assert counts[LITERAL] == Rates(accepted=2, wrong=120, rejected=155, right=205)
    for grader in (INFALLIBLE, f"s1's order, {INFALLIBLE}"):
        assert missed(found[grader]) == []
