"""Batches of similar length under a ceiling."""

import random

from r1k.evaluate.batches import batches
from r1k.evaluate.prompts import Prompt


def prompts(*lengths: int, limit: int = 10) -> list[Prompt]:
    return [Prompt(ids=[place + 1] * length, max_new_tokens=limit) for place, length in enumerate(lengths)]


def lengths(found: list[list[Prompt]]) -> list[list[int]]:
    return [[len(prompt.ids) for prompt in batch] for batch in found]


def test_the_longest_come_first_and_those_of_one_length_in_their_order():
    asked = prompts(3, 9, 3, 7, 9)
    found = list(batches(asked, 2))
    assert lengths(found) == [[9, 9], [7, 3], [3]]
    assert [prompt.ids[0] for batch in found for prompt in batch] == [2, 5, 4, 1, 3]


def test_a_batch_stays_below_its_ceiling_and_what_exceeds_it_goes_alone():
    found = list(batches(prompts(30, 20, 5, 5, 5, 1), 9, tokens=60))
    assert lengths(found) == [[30], [20, 5], [5, 5, 1]]
    for batch in found:
        assert len(batch) * (max(len(p.ids) for p in batch) + 10) <= 60
    assert lengths(list(batches(prompts(90, 5), 9, tokens=60))) == [[90], [5]]


def test_the_rest_falls_into_the_batches_that_it_would_have_fallen_into():
    dice = random.Random(0)
    asked = prompts(*(dice.randint(1, 30) for _ in range(50)))
    for ceiling in (None, 150):
        whole = list(batches(asked, 4, ceiling))
        assert sorted(prompt.key for batch in whole for prompt in batch) == sorted(prompt.key for prompt in asked)
        for done in range(len(whole)):
            gone = {prompt.key for batch in whole[:done] for prompt in batch}
            assert list(batches([p for p in asked if p.key not in gone], 4, ceiling)) == whole[done:]
