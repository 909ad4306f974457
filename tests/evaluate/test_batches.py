"""Batches of prompts of similar length within a limit."""

import random

from r1k.evaluate.batches import batches
from r1k.evaluate.prompts import Prompt


def prompts(*lengths: int, limit: int = 10) -> list[Prompt]:
    return [Prompt(ids=[place + 1] * length, max_new_tokens=limit) for place, length in enumerate(lengths)]


def lengths(found: list[list[Prompt]]) -> list[list[int]]:
    return [[len(prompt.ids) for prompt in batch] for batch in found]


def test_longest_prompts_come_first_and_equal_lengths_keep_their_order():
    all_prompts = prompts(3, 9, 3, 7, 9)
    found = list(batches(all_prompts, 2))
    assert lengths(found) == [[9, 9], [7, 3], [3]]
    assert [prompt.ids[0] for batch in found for prompt in batch] == [2, 5, 4, 1, 3]


def test_a_batch_stays_within_max_tokens_and_a_longer_prompt_is_alone():
    found = list(batches(prompts(30, 20, 5, 5, 5, 1), 9, max_tokens=60))
    assert lengths(found) == [[30], [20, 5], [5, 5, 1]]
    for batch in found:
        assert len(batch) * (max(len(p.ids) for p in batch) + 10) <= 60
    assert lengths(list(batches(prompts(90, 5), 9, max_tokens=60))) == [[90], [5]]


def test_remaining_prompts_form_the_same_batches():
    rng = random.Random(0)
    all_prompts = prompts(*(rng.randint(1, 30) for _ in range(50)))
    for ceiling in (None, 150):
        whole = list(batches(all_prompts, 4, ceiling))
        assert sorted(prompt.key for batch in whole for prompt in batch) == sorted(prompt.key for prompt in all_prompts)
        for done in range(len(whole)):
            gone = {prompt.key for batch in whole[:done] for prompt in batch}
            assert list(batches([p for p in all_prompts if p.key not in gone], 4, ceiling)) == whole[done:]
