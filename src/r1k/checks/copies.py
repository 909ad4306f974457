"""Near-copies among questions: the same numbers, and mostly the same words in the same order."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from r1k.checks.quantities import stated
from r1k.records import Example

MARKUP = re.compile(r"\\(?:left|right|[(){}\[\],;:! ])|\$")
TOKEN = re.compile(r"[^\W\d_]+|\d+(?:\.\d+)?")
RUN = 3
"""Words in a shingle."""


@dataclass(frozen=True)
class Nearest:
    """The question that is most like another: its example's id, and the share of shingles in common, from 0 to 1."""

    id: str
    similarity: float


def nearest_questions(both: Sequence[tuple[Example, Example]]) -> dict[str, Nearest]:
    """By problem, the question nearest to the reverse one, of all others in both directions.

    Only questions of the same numbers are compared: with others it is another problem, however it is worded. A problem
    whose numbers no other question has is left out.
    """
    groups: dict[frozenset[object], list[tuple[Example, frozenset[object]]]] = defaultdict(list)
    for example in (example for pair in both for example in pair):
        numbers = frozenset(quantity.key for quantity in stated(example.question))
        groups[numbers].append((example, shingles(example.question)))
    return {
        example.problem: max(others, key=lambda near: near.similarity)
        for group in groups.values()
        for example, ours in group
        if example.direction == "reverse" and (others := _compared(example, ours, group))
    }


def _compared(
    example: Example, ours: frozenset[object], group: Iterable[tuple[Example, frozenset[object]]]
) -> list[Nearest]:
    return [Nearest(other.id, jaccard(ours, theirs)) for other, theirs in group if other.id != example.id]


def shingles(question: str) -> frozenset[object]:
    """The runs of three words of a question, numbers among them, without its setting."""
    words = TOKEN.findall(MARKUP.sub(" ", question).casefold())
    return frozenset(tuple(words[place : place + RUN]) for place in range(max(1, len(words) - RUN + 1)))


def jaccard(ours: frozenset[object], theirs: frozenset[object]) -> float:
    """Of what either has, the share that both have."""
    return len(ours & theirs) / len(ours | theirs)
