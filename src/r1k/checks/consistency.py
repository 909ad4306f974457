"""Check by rules whether the reverse answer is the premise that the reverse question omits."""

from collections.abc import Sequence
from fractions import Fraction

from r1k.checks.expressions import ROOT, states_expression
from r1k.checks.inverse import CheckVerdict, Inverse, contains_words, join_items
from r1k.checks.quantities import Quantity, all_quantities

ROUNDING_TOLERANCE = 0.02
"""Relative difference up to which two numbers may be equal after rounding."""


def consistent(inverse: Inverse) -> CheckVerdict:
    """Decide whether the reverse answer is the premise that the reverse question omits."""
    if inverse.is_proof or len(inverse.reverse_answers) != 1:
        reason = (
            "it asks for a proof" if inverse.is_proof else f"the response has {len(inverse.reverse_answers)} answers"
        )
        return CheckVerdict(None, reason)
    (answer,) = inverse.reverse_answers
    if answer.quantity is not None:
        return _consistent_quantity(inverse, answer.quantity)
    forward, reverse = inverse.forward.question, inverse.reverse.question
    both = [
        contains_words(text, answer) if answer.is_words else states_expression(text, answer.text)
        for text in (forward, reverse)
    ]
    if both == [True, False]:
        return CheckVerdict(True, f"the forward question states {answer}, and the reverse question omits it")
    if answer.constant is not None and inverse.omitted and not ROOT.search(forward):
        return _compare(answer, Quantity(Fraction(answer.constant)), inverse.omitted)
    return CheckVerdict(None, f"{answer} cannot be compared with a premise by rules")


def _consistent_quantity(inverse: Inverse, answer: Quantity) -> CheckVerdict:
    equal = next((premise for premise in inverse.omitted if premise.key == answer.key), None)
    if equal is not None:
        differ = answer.unit and equal.unit and answer.unit != equal.unit
        return CheckVerdict(None if differ else True, f"the answer is {answer}, the omitted premise is {equal}")
    elsewhere = {quantity.key for quantity in all_quantities(inverse.forward.question)}
    if answer.key in elsewhere and (not inverse.omitted or answer.key not in inverse.reverse_counts):
        return CheckVerdict(True, f"the forward question states {answer}")
    if not inverse.omitted:
        return CheckVerdict(None, "the reverse question omits no number of the forward question")
    return _compare(answer, answer, inverse.omitted)


def _compare(answer: object, quantity: Quantity, omitted: Sequence[Quantity]) -> CheckVerdict:
    reason = f"the answer is {answer}; the reverse question omits {join_items(omitted)}"
    return CheckVerdict(None if any(_is_near(quantity, premise) for premise in omitted) else False, reason)


def _is_near(answer: Quantity, premise: Quantity) -> bool:
    """Return whether a value may equal a premise after rounding or in another unit."""
    if answer.unit and premise.unit and answer.unit != premise.unit:
        return True
    return answer.key[1] == premise.key[1] and abs(answer.value - premise.value) <= ROUNDING_TOLERANCE * abs(
        premise.value
    )
