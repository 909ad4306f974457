from collections import Counter

import pytest

from examples import lines, make_both
from r1k.config import Data, WorldSource
from r1k.data.sets import REVERSE_INSTRUCTION, disjoint, half, make_set, pairs, probe, read_example_pairs
from r1k.errors import RecordError
from r1k.records import Example, Pair, ProbePair, SFTExample, read_jsonl, write_jsonl

DATA = Data(source=WorldSource(kind="world", problems=8), probe_train=2, probe_held_out=3)


def test_mix_is_the_union(tmp_path, both_files):
    s1k, r1k = both_files
    make_set("mix", s1k=s1k, r1k=r1k, output=tmp_path / "mix.jsonl")
    assert Counter(map(str, lines(tmp_path / "mix.jsonl"))) == Counter(map(str, lines(s1k) + lines(r1k)))


def test_half_is_half_of_the_problems_in_both_directions(tmp_path, both_files):
    s1k, r1k = both_files
    make_set("half", s1k=s1k, r1k=r1k, data=DATA, output=tmp_path / "half.jsonl")
    examples = read_jsonl(tmp_path / "half.jsonl", Example)
    assert Counter(example.direction for example in examples) == {"forward": 4, "reverse": 4}
    assert set(Counter(example.problem for example in examples).values()) == {2}


def test_disjoint_has_each_problem_once_and_both_directions_equally(tmp_path, both_files):
    s1k, r1k = both_files
    make_set("disjoint", s1k=s1k, r1k=r1k, data=DATA, output=tmp_path / "disjoint.jsonl")
    examples = read_jsonl(tmp_path / "disjoint.jsonl", Example)
    assert [example.problem for example in examples] == [f"p{k:03d}" for k in range(8)]
    assert Counter(example.direction for example in examples) == {"forward": 4, "reverse": 4}


def test_disjoint_balances_directions_within_and_outside_the_held_out_problems():
    forward, reverse = make_both(21)
    both = list(zip(forward, reverse, strict=True))
    held_out = {pair.problem for pair in probe(both, 4, 6, 0) if pair.split == "held_out"}
    counts = Counter((example.problem in held_out, example.direction) for example in disjoint(both, 0))
    assert counts == {(True, "forward"): 3, (True, "reverse"): 3, (False, "forward"): 8, (False, "reverse"): 7}
    directions = [
        {example.problem: example.direction for example in disjoint(*args)} for args in ((both, 0), (both, 1))
    ]
    assert directions[0] != directions[1]
    assert directions[0] == {example.problem: example.direction for example in disjoint(both[::-1], 0)}


def test_revthink_has_three_tasks_per_problem(tmp_path, both_files):
    s1k, r1k = both_files
    make_set("revthink", s1k=s1k, r1k=r1k, output=tmp_path / "revthink.jsonl")
    examples_of_set = read_jsonl(tmp_path / "revthink.jsonl", SFTExample)
    assert len(examples_of_set) == 24
    for forward, task, reverse in zip(examples_of_set[::3], examples_of_set[1::3], examples_of_set[2::3], strict=True):
        assert forward.problem == task.problem == reverse.problem
        assert (forward.direction, reverse.direction) == ("forward", "reverse")
        assert task.question == REVERSE_INSTRUCTION + forward.question
        assert (task.reasoning, task.response) == (None, reverse.question)
    examples = {example.id: example for path in both_files for example in read_jsonl(path, Example)}
    assert [Example(**example.model_dump()) for example in examples_of_set if example.reasoning] == [
        examples[example.id] for example in examples_of_set if example.id in examples
    ]
    with pytest.raises(RecordError, match=r"revthink\.jsonl:2: field 'reasoning'"):
        read_jsonl(tmp_path / "revthink.jsonl", Example)


def test_a_pair_prefers_the_direction_of_its_prompt(tmp_path, both_files):
    s1k, r1k = both_files
    make_set("pairs", s1k=s1k, r1k=r1k, output=tmp_path / "pairs.jsonl")
    examples = {
        (example.problem, example.direction): example for path in both_files for example in read_jsonl(path, Example)
    }
    records = read_jsonl(tmp_path / "pairs.jsonl", Pair)
    assert len(records) == 16
    for pair in records:
        other = {"forward": "reverse", "reverse": "forward"}[pair.direction]
        assert pair.question == examples[pair.problem, pair.direction].question
        assert pair.chosen == examples[pair.problem, pair.direction].response
        assert pair.rejected == examples[pair.problem, other].response


def test_probe_problems_are_split_and_in_both_directions(tmp_path, both_files):
    s1k, r1k = both_files
    make_set("probe", s1k=s1k, r1k=r1k, data=DATA, output=tmp_path / "probe.jsonl")
    records = read_jsonl(tmp_path / "probe.jsonl", ProbePair)
    assert Counter((pair.split, pair.direction) for pair in records) == {
        ("train", "forward"): 2,
        ("train", "reverse"): 2,
        ("held_out", "forward"): 3,
        ("held_out", "reverse"): 3,
    }
    train = {pair.problem for pair in records if pair.split == "train"}
    assert not train & {pair.problem for pair in records if pair.split == "held_out"}


def test_selections_depend_on_the_seed_and_not_on_the_order_of_files():
    forward, reverse = make_both(20)
    both = list(zip(forward, reverse, strict=True))
    chosen = {example.problem for example in half(both, 0)}
    assert chosen == {example.problem for example in half(both[::-1], 0)} != {e.problem for e in half(both, 1)}
    with pytest.raises(RecordError, match="21 probe problems are requested of 20"):
        probe(both, 20, 1, 0)


def test_the_ends_of_chosen_and_rejected_responses_have_equal_distributions():
    forward, reverse = make_both(20)
    records = pairs(list(zip(forward, reverse, strict=True)))
    for end in (slice(0, 1), slice(-1, None)):
        for side in ("reasoning", "answer"):
            chosen = Counter(getattr(pair.chosen, side).encode()[end] for pair in records)
            rejected = Counter(getattr(pair.rejected, side).encode()[end] for pair in records)
            assert chosen == rejected


def test_a_problem_without_a_pair_is_named(both_files):
    s1k, r1k = both_files
    write_jsonl(r1k, read_jsonl(r1k, Example)[1:])
    with pytest.raises(RecordError, match=r"r1k\.jsonl: 1 problems have no pair here, the first is 'p000'"):
        read_example_pairs(s1k, r1k)


def test_swapped_files_are_an_error(both_files):
    s1k, r1k = both_files
    with pytest.raises(RecordError, match="field 'direction' must be 'forward'"):
        read_example_pairs(r1k, s1k)
