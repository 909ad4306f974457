"""Near-copies among questions: the same numbers, and mostly the same words in the same order."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from r1k.checks.quantities import Key, stated_quantities
from r1k.records import Example

MARKUP = re.compile(r"\\(?:left|right|[(){}\[\],;:! ])|\$")
TOKEN = re.compile(r"[^\W\d_]+|\d+(?:\.\d+)?")
SHINGLE_WORDS = 3
"""Words in a shingle."""

Shingle = tuple[str, ...]


@dataclass(frozen=True)
class NearestQuestion:
    """The question that is most like another: its example's id, and the share of shingles in common, from 0 to 1."""

    id: str
    similarity: float


def nearest_questions(both: Sequence[tuple[Example, Example]]) -> dict[str, NearestQuestion]:
    """By problem, the question nearest to the reverse one, of all others in both directions.

    Only questions of the same numbers are compared: with others it is another problem, however it is worded. A problem
    is left out where no such question has a shingle in common with its own.
    """
    groups: dict[frozenset[Key], list[Example]] = defaultdict(list)
    for example in (example for pair in both for example in pair):
        groups[frozenset(quantity.key for quantity in stated_quantities(example.question))].append(example)
    return {problem: nearest for group in groups.values() for problem, nearest in _nearest(group)}


def _nearest(group: Sequence[Example]) -> Iterator[tuple[str, NearestQuestion]]:
    runs = [shingles(example.question) for example in group]
    holders: dict[Shingle, list[int]] = defaultdict(list)
    for place, run in enumerate(runs):
        for shingle in run:
            holders[shingle].append(place)
    for place, example in enumerate(group):
        common = Counter(other for shingle in runs[place] for other in holders[shingle])
        if example.direction == "reverse" and len(common) > 1:
            alike = {
                other: times / (len(runs[place]) + len(runs[other]) - times)
                for other, times in common.items()
                if other != place
            }
            nearest = max(alike, key=lambda other: alike[other])
            yield example.problem, NearestQuestion(group[nearest].id, alike[nearest])


def shingles(question: str) -> frozenset[Shingle]:
    """The runs of three words of a question, numbers among them, without its setting."""
    words = TOKEN.findall(MARKUP.sub(" ", question).casefold())
    return frozenset(
        tuple(words[place : place + SHINGLE_WORDS]) for place in range(max(1, len(words) - SHINGLE_WORDS + 1))
    )
