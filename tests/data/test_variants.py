import json

import pytest

from examples import make_both
from r1k.boxed import last_boxed
from r1k.config import Variant
from r1k.data.sets import make_set, read_example_pairs
from r1k.data.variants import length_ratio, make_variant, passed_problems
from r1k.errors import RecordError
from r1k.records import VERDICTS, Check, Example, read_jsonl, write_jsonl


@pytest.fixture
def raw(tmp_path):
    forward, reverse = make_both(6)
    graded = [example.model_copy(update={"grade": index % 3 != 0}) for index, example in enumerate(forward)]
    write_jsonl(tmp_path / "s1k.jsonl", graded)
    write_jsonl(tmp_path / "r1k.jsonl", reverse)
    return {"s1k": tmp_path / "s1k.jsonl", "r1k": tmp_path / "r1k.jsonl"}


def verdict(problem, index) -> Check:
    """Return a check that passes, fails or is undecided, by the index modulo 3."""
    verdicts = dict.fromkeys(VERDICTS, True) | {"consistent": [True, False, None][index % 3]}
    return Check(problem=problem, kind="k", reasons=dict.fromkeys(VERDICTS, "because"), **verdicts)


def make(raw, tmp_path, checks=None, **spec):
    place = {"forward": tmp_path / "v" / "s1k.jsonl", "reverse": tmp_path / "v" / "r1k.jsonl"}
    make_variant(**raw, variant=Variant(**spec), checks=checks, **place)
    return place["forward"], place["reverse"]


def test_both_directions_get_the_same_format_and_nothing_else_changes(raw, tmp_path):
    both = read_example_pairs(*make(raw, tmp_path, format="normalised"))
    assert len(both) == 6
    for pair, plain in zip(both, read_example_pairs(**raw), strict=True):
        for example, before in zip(pair, plain, strict=True):
            assert last_boxed(example.answer) is None and "\nAnswer: " in f"\n{example.answer}"
            assert example.model_copy(update={"answer": before.answer}) == before


def test_a_selection_keeps_the_same_problems_in_both_directions(raw, tmp_path):
    forward, reverse = make(raw, tmp_path, graded_correct=True)
    passed_problems = [example.problem for example in read_jsonl(forward, Example)]
    assert len(passed_problems) == 4
    assert [example.problem for example in read_jsonl(reverse, Example)] == passed_problems
    assert all(example.grade for example in read_jsonl(forward, Example))
    facts = json.loads(forward.with_suffix(".manifest.json").read_text())["facts"]
    assert (facts["n"], facts["num_excluded"]) == (4, 2)
    make_set("mix", s1k=forward, r1k=reverse, output=tmp_path / "v" / "mix.jsonl")
    assert len(read_jsonl(tmp_path / "v" / "mix.jsonl", Example)) == 8


def test_an_empty_selection_is_an_error(raw, tmp_path):
    none = [example.model_copy(update={"grade": None}) for example in read_jsonl(raw["s1k"], Example)]
    write_jsonl(raw["s1k"], none)
    with pytest.raises(RecordError, match=r"the variant keeps none of 6 problems; .* data\.variants"):
        make(raw, tmp_path, graded_correct=True)
    assert not (tmp_path / "v").exists()


def test_pairs_above_the_length_ratio_are_excluded(raw, tmp_path):
    """The second problem has a long reverse response, the third a long forward response."""
    for path, place in ((raw["r1k"], 1), (raw["s1k"], 2)):
        examples = read_jsonl(path, Example)
        longer = examples[place].model_copy(update={"reasoning": "And so on. " * 20})
        write_jsonl(path, [*examples[:place], longer, *examples[place + 1 :]])
    both = read_example_pairs(**raw)
    counts = [[len(f"{example.reasoning} {example.answer}".split()) for example in pair] for pair in both]
    assert [length_ratio(pair) for pair in both] == [pytest.approx(max(pair) / min(pair)) for pair in counts]
    forward, reverse = make(raw, tmp_path, length_ratio=2)
    passed_problems = [example.problem for example in read_jsonl(forward, Example)]
    assert (
        passed_problems
        == ["p000", "p003", "p004", "p005"]
        == [example.problem for example in read_jsonl(reverse, Example)]
    )
    assert Variant(length_ratio=2).selects
    with pytest.raises(RecordError, match="keeps none of 6 problems"):
        make(raw, tmp_path, length_ratio=1)


def test_a_length_ratio_below_1_is_an_error():
    with pytest.raises(ValueError, match="length_ratio"):
        Variant(length_ratio=0.5)


def test_inverses_that_fail_a_required_check_are_excluded(raw, tmp_path):
    checks = [verdict(forward.problem, index) for index, (forward, _) in enumerate(read_example_pairs(**raw))]
    write_jsonl(tmp_path / "checks.jsonl", checks)
    forward, _ = make(raw, tmp_path, require=["consistent", "reached"], checks=tmp_path / "checks.jsonl")
    expected = [check.problem for index, check in enumerate(checks) if index % 3 == 0]
    assert [example.problem for example in read_jsonl(forward, Example)] == expected


def test_missing_verdicts_are_an_error(raw, tmp_path):
    with pytest.raises(RecordError, match="requires reached: pass the verdicts with --checks"):
        make(raw, tmp_path, require=["reached"])
    write_jsonl(tmp_path / "checks.jsonl", [verdict(read_example_pairs(**raw)[0][0].problem, 0)])
    with pytest.raises(RecordError, match=r"checks\.jsonl: no verdict on 5 problems"):
        make(raw, tmp_path, require=["reached"], checks=tmp_path / "checks.jsonl")


def check_of(problem: str, **verdicts: bool | None) -> Check:
    return Check(problem=problem, kind="k", reasons={}, **(dict.fromkeys(VERDICTS, True) | verdicts))


CHECKS = [
    check_of("whole"),
    check_of("copy", distinct_question=False),
    check_of("open", consistent=None),
    check_of("both", distinct_question=False, consistent=None),
]


def test_only_required_verdicts_must_pass():
    assert passed_problems(CHECKS, []) == {"whole", "copy", "open", "both"}
    assert passed_problems(CHECKS, ["distinct_question"]) == {"whole", "open"}
    assert passed_problems(CHECKS, ["distinct_question", "reached"]) == {"whole", "open"}


def test_undecided_counts_as_failed():
    assert passed_problems(CHECKS, ["consistent"]) == {"whole", "copy"}
    assert passed_problems(CHECKS, list(VERDICTS)) == {"whole"}
