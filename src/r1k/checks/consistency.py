"""Is the reverse answer the premise that the reverse question left out: by rules, where the answer is exact."""

from collections.abc import Sequence
from fractions import Fraction

from r1k.checks.expressions import ROOT, states
from r1k.checks.inverse import Inverse, Verdict, listed, says
from r1k.checks.quantities import Quantity, mentioned

NEAR = 0.02
"""Relative difference up to which a number may be another one, rounded."""


def consistent(inverse: Inverse) -> Verdict:
    """The reverse answer is the premise that the reverse question left out."""
    if inverse.is_proof or len(inverse.answers) != 1:
        reason = "it asks for a proof" if inverse.is_proof else f"the response has {len(inverse.answers)} answers"
        return Verdict(None, reason)
    (answer,) = inverse.answers
    if answer.quantity is not None:
        return _consistent_quantity(inverse, answer.quantity)
    forward, reverse = inverse.forward.question, inverse.reverse.question
    both = [says(text, answer) if answer.is_words else states(text, answer.text) for text in (forward, reverse)]
    if both == [True, False]:
        return Verdict(True, f"the forward question states {answer}, and the reverse one leaves it out")
    if answer.constant is not None and inverse.left_out and not ROOT.search(forward):
        return _compared(answer, Quantity(Fraction(answer.constant)), inverse.left_out)
    return Verdict(None, f"{answer} cannot be compared with a premise by rules")


def _consistent_quantity(inverse: Inverse, answer: Quantity) -> Verdict:
    equal = next((premise for premise in inverse.left_out if premise.key == answer.key), None)
    if equal is not None:
        differ = answer.unit and equal.unit and answer.unit != equal.unit
        return Verdict(None if differ else True, f"the answer is {answer}, the premise left out is {equal}")
    elsewhere = {quantity.key for quantity in mentioned(inverse.forward.question)}
    if answer.key in elsewhere and (not inverse.left_out or answer.key not in inverse.repeated):
        return Verdict(True, f"the forward question states {answer}")
    if not inverse.left_out:
        return Verdict(None, "no number of the forward question was left out")
    return _compared(answer, answer, inverse.left_out)


def _compared(answer: object, quantity: Quantity, left_out: Sequence[Quantity]) -> Verdict:
    said = f"the answer is {answer}, left out {'are' if len(left_out) > 1 else 'is'} {listed(left_out)}"
    return Verdict(None if any(_is_near(quantity, premise) for premise in left_out) else False, said)


def _is_near(answer: Quantity, premise: Quantity) -> bool:
    """A rounded value, or perhaps the same one in another unit."""
    if answer.unit and premise.unit and answer.unit != premise.unit:
        return True
    return answer.key[1] == premise.key[1] and abs(answer.value - premise.value) <= NEAR * abs(premise.value)
