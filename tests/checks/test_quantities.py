from fractions import Fraction

import pytest

from r1k.checks.quantities import Quantity, all_quantities, read_quantity, stated_quantities


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("A train of 12 cars runs at 6.5 m/s.", [12, "13/2"]),
        ("$y(n)=1 / 3(x(n)+x(n-1))$", ["1/3", 1]),
        ("It weighs 6.25 \\times 10^{-3} kg, or 6.25e-3 kg.", ["1/160", "1/160"]),
        ("three of the 1,200 fish", [3, 1200]),
        ("images of size 32x32 with 1 channel", [32, 32, 1]),
        ("It is one of the best.", []),
        ("2.2.1. Derive it for 7 moles.", [7]),
        ("A3 Express it for 7.", [7]),
        ("(12) Find 5.", [5]),
        ("A body has a mass of 5. What is its weight of 4. then?", [5, 4]),
        ("2 trains run.", [2]),
        ("$n_{1}, n_2$ and $x^{3}$ and $v_t^2$ of 7", [7]),
        ("What is it of 6 and 7? A) 13 B) 42 C) 1", [6, 7]),
        ("It falls from $-4$ to −5.", [-4, -5]),
    ],
)
def test_what_a_question_states(text, values):
    assert [quantity.value for quantity in stated_quantities(text)] == [Fraction(value) for value in values]


def test_all_quantities_include_indices_and_exponents():
    assert [quantity.value for quantity in all_quantities("(b) $x^{3}$ of $n_{70}$")] == [3, 70]


@pytest.mark.parametrize(
    ("answer", "quantity"),
    [
        ("12", Quantity(Fraction(12))),
        ("\\dfrac{1}{3}", Quantity(Fraction(1, 3))),
        ("16y", Quantity(Fraction(16), "y")),
        ("9.8 \\, \\text{K/km}", Quantity(Fraction(49, 5), unit="K")),
        ("6.21 \\times 10^{-21} \\text{ J}", Quantity(Fraction(621, 10**23), unit="J")),
        ("300 kelvins", Quantity(Fraction(300), unit="K")),
        ("25\\%", Quantity(Fraction(1, 4) * 100, unit="%")),
        ("37^{\\circ}\\text{C}", Quantity(Fraction(37), unit="°C")),
        ("4kTR", None),
        ("4 k T R", None),
        ("12 and 13", None),
        ("x = 5", None),
        ("2^{10}", None),
        ("three tagged fish", None),
    ],
)
def test_an_answer_of_one_quantity_is_parsed(answer, quantity):
    assert read_quantity(answer) == quantity


def test_the_choice_of_letter_does_not_matter():
    assert Quantity(Fraction(2), "x").key == Quantity(Fraction(2), "y").key != Quantity(Fraction(2)).key
