"""Find near-duplicates among questions: the same numbers, and mostly the same words in the same order."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from r1k.checks.quantities import Key, stated_quantities
from r1k.records import Example

MARKUP = re.compile(r"\\(?:left|right|[(){}\[\],;:! ])|\$")
TOKEN = re.compile(r"[^\W\d_]+|\d+(?:\.\d+)?")
SHINGLE_WORDS = 3
"""Words per shingle."""

Shingle = tuple[str, ...]


@dataclass(frozen=True)
class NearestQuestion:
    """The question most similar to another: its example's id, and the share of common shingles, from 0 to 1."""

    id: str
    similarity: float


def nearest_questions(pairs: Sequence[tuple[Example, Example]]) -> dict[str, NearestQuestion]:
    """Return by problem the question nearest to the reverse one, among all other questions of both directions.

    Only questions with the same numbers are compared, because different numbers make a different problem. A problem is
    missing if no such question shares a shingle with its reverse question.
    """
    groups: dict[frozenset[Key], list[Example]] = defaultdict(list)
    for example in (example for pair in pairs for example in pair):
        groups[frozenset(quantity.key for quantity in stated_quantities(example.question))].append(example)
    return {problem: nearest for group in groups.values() for problem, nearest in _nearest(group)}


def _nearest(group: Sequence[Example]) -> Iterator[tuple[str, NearestQuestion]]:
    shingle_sets = [shingles(example.question) for example in group]
    holders: dict[Shingle, list[int]] = defaultdict(list)
    for place, found in enumerate(shingle_sets):
        for shingle in found:
            holders[shingle].append(place)
    for place, example in enumerate(group):
        common = Counter(other for shingle in shingle_sets[place] for other in holders[shingle])
        if example.direction == "reverse" and len(common) > 1:
            similarity = {
                other: times / (len(shingle_sets[place]) + len(shingle_sets[other]) - times)
                for other, times in common.items()
                if other != place
            }
            nearest = max(similarity, key=lambda other: similarity[other])
            yield example.problem, NearestQuestion(group[nearest].id, similarity[nearest])


def shingles(question: str) -> frozenset[Shingle]:
    """Return all sequences of three words or numbers of a question, without its markup."""
    words = TOKEN.findall(MARKUP.sub(" ", question).casefold())
    return frozenset(
        tuple(words[place : place + SHINGLE_WORDS]) for place in range(max(1, len(words) - SHINGLE_WORDS + 1))
    )
