"""An inverse, read once: what its two questions state, and what their answers are."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from r1k.checks.answers import FinalAnswer, final_answers, forward_answers, tokens
from r1k.checks.quantities import Key, Quantity, stated_quantities
from r1k.records import Example

PROOF = re.compile(r"\W*(?:prove|show|demonstrate)\b|.*\bprove that\b", re.IGNORECASE | re.DOTALL)
BOUNDS = (0, 1)
"""Numbers that stand in bounds, and are often said otherwise (`at the origin`, `single`): no sign of anything."""


@dataclass(frozen=True)
class CheckVerdict:
    """Passed, failed, or None for undecided; and what it stands on."""

    passed: bool | None
    reason: str


@dataclass(frozen=True)
class Inverse:
    """A forward example and its reverse one, read once."""

    forward: Example
    reverse: Example

    @cached_property
    def reverse_answers(self) -> list[FinalAnswer]:
        """What the reverse response ends with."""
        return final_answers(self.reverse)

    @cached_property
    def forward_answers(self) -> list[FinalAnswer]:
        return forward_answers(self.forward)

    @cached_property
    def forward_counts(self) -> Counter[Key]:
        """How often the forward question states each number."""
        return Counter(quantity.key for quantity in stated_quantities(self.forward.question))

    @cached_property
    def reverse_counts(self) -> Counter[Key]:
        """How often the reverse question states each number."""
        return Counter(quantity.key for quantity in stated_quantities(self.reverse.question))

    @cached_property
    def omitted(self) -> list[Quantity]:
        """The numbers that the forward question states and the reverse one does not.

        How often a number is repeated says little, but where one alone is stated once less: two premises were equal.
        """
        lacking = self.forward_counts - self.reverse_counts
        gone = [key for key in lacking if key not in self.reverse_counts]
        if not gone and lacking.total() == 1:
            gone = list(lacking)
        stated_as = {quantity.key: quantity for quantity in stated_quantities(self.forward.question)}
        return [stated_as[key] for key in gone if stated_as[key].value not in BOUNDS]

    @cached_property
    def is_proof(self) -> bool:
        return PROOF.match(self.reverse.question) is not None


def contains_words(text: str, answer: FinalAnswer) -> bool:
    return f" {' '.join(answer.tokens)} " in f" {' '.join(tokens(text))} "


def join_items(items: Sequence[object]) -> str:
    return ", ".join(str(item) for item in items)
