"""Assign every problem to one pool, by a digest of its name."""

import hashlib
import random
from collections.abc import Sequence
from functools import cache
from typing import Literal

from r1k.world.catalogue import RELATIONS
from r1k.world.relations import Problem, Relation, WorldError, problems_of
from r1k.world.wording import supports

Pool = Literal["pretraining", "training", "integer", "expression", "choice"]

SHARES: dict[Pool, int] = {"pretraining": 40, "training": 27, "integer": 11, "expression": 11, "choice": 11}
"""Percent of the problems. Benchmarks have one pool per answer type."""


def pool_of(problem: Problem) -> Pool:
    """Return the pool of a problem, the same in every process and for both directions."""
    place = int.from_bytes(hashlib.sha256(problem.name.encode()).digest()[:8], "big") % 100
    for pool, share in SHARES.items():
        if place < share:
            return pool
        place -= share
    raise AssertionError("the shares of the pools must add up to 100")


@cache
def problems_by_relation(pool: Pool) -> tuple[tuple[Problem, ...], ...]:
    """Return the problems of a pool, one tuple per relation that has any.

    A benchmark pool has the name of its answer type, and holds only relations that support it.
    """
    relations = [relation for relation in RELATIONS if _is_in_pool(relation, pool)]
    groups = (tuple(p for p in problems_of(relation) if pool_of(p) == pool) for relation in relations)
    return tuple(group for group in groups if group)


def _is_in_pool(relation: Relation, pool: Pool) -> bool:
    return pool == "pretraining" or pool == "training" or supports(relation, pool)


def draw(pool: Pool, n: int, seed: str) -> list[Problem]:
    """Return `n` different problems of a pool, spread evenly over its relations; raise WorldError for too many."""
    groups = problems_by_relation(pool)
    available = sum(map(len, groups))
    if n > available:
        raise WorldError(
            f"{n} problems are requested from the world's {pool} pool, which holds {available}; request fewer"
        )
    rng = random.Random(f"{pool}:{seed}")
    shuffled = [rng.sample(group, len(group)) for group in groups]
    chosen = _in_turn(shuffled)[:n]
    rng.shuffle(chosen)
    return chosen


def _in_turn(groups: Sequence[Sequence[Problem]]) -> list[Problem]:
    """Return the first of each group, then the second of each, and so on."""
    longest = max(map(len, groups))
    return [group[place] for place in range(longest) for group in groups if place < len(group)]
