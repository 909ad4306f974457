"""An inverse, parsed once: what its two questions state, and what their answers are."""

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
"""Numbers that occur in bounds or in words (`at the origin`, `single`); their absence from a text proves nothing."""


@dataclass(frozen=True)
class CheckVerdict:
    """A verdict and its reason; `passed` is None if it is undecided."""

    passed: bool | None
    reason: str


@dataclass(frozen=True)
class Inverse:
    """A forward example and its reverse one, parsed once."""

    forward: Example
    reverse: Example

    @cached_property
    def reverse_answers(self) -> list[FinalAnswer]:
        """The final answers of the reverse response."""
        return final_answers(self.reverse)

    @cached_property
    def forward_answers(self) -> list[FinalAnswer]:
        """The answers of the forward problem."""
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
        """The numbers that the forward question states and the reverse question does not.

        Repetitions of a number are no evidence, except if one number alone occurs once less often: then two premises
        are equal.
        """
        lacking = self.forward_counts - self.reverse_counts
        omitted = [key for key in lacking if key not in self.reverse_counts]
        if not omitted and lacking.total() == 1:
            omitted = list(lacking)
        stated_as = {quantity.key: quantity for quantity in stated_quantities(self.forward.question)}
        return [stated_as[key] for key in omitted if stated_as[key].value not in BOUNDS]

    @cached_property
    def is_proof(self) -> bool:
        """Whether the reverse question asks for a proof."""
        return PROOF.match(self.reverse.question) is not None


def contains_words(text: str, answer: FinalAnswer) -> bool:
    """Return whether a text contains the answer's words in order."""
    return f" {' '.join(answer.tokens)} " in f" {' '.join(tokens(text))} "


def join_items(items: Sequence[object]) -> str:
    """Return the items, separated by commas."""
    return ", ".join(str(item) for item in items)
