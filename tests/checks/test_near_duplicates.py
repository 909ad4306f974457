import pytest

from examples import make_both
from r1k.checks.near_duplicates import NearestQuestion, nearest_questions

BOTH = list(zip(*make_both(5), strict=True))
WORDS = "Solve the crossword puzzle: a clue, then its letters. Great dosh arranged for those looking after some kids?"


def nearest(first: str, second: str) -> NearestQuestion | None:
    """Return the nearest question to `first`, a reverse question; `second` is another problem's forward question."""
    both = [
        (BOTH[0][0], BOTH[0][1].model_copy(update={"question": first})),
        (BOTH[1][0].model_copy(update={"question": second}), BOTH[1][1]),
    ]
    return nearest_questions(both).get("p000")


def test_the_same_question_in_other_markup_has_similarity_1():
    found = nearest("A box of $60$ eggs, in \\( 4 \\) rows.", "a box of 60 eggs in 4 rows")
    assert found == NearestQuestion("p001-forward", 1.0)


def test_word_triples_are_counted():
    found = nearest("a b c d e", "a b c x e")
    assert found is not None
    assert found.similarity == pytest.approx(1 / 5)


@pytest.mark.parametrize("second", ["A box of 61 eggs, in 4 rows.", "A box of 60y eggs, in 4 rows."])
def test_questions_with_different_numbers_are_not_compared(second):
    assert nearest("A box of 60 eggs, in 4 rows.", second) is None


def test_a_question_is_not_compared_with_itself():
    assert nearest_questions(BOTH[:1]) == {}


def test_a_shared_template_is_not_a_near_duplicate():
    found = nearest(WORDS, "Solve the crossword puzzle: a clue, then its letters. Course one takes up in Canada")
    assert found is not None
    assert 0 < found.similarity < 0.4
