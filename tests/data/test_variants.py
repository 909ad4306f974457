import json

import pytest
from pydantic import ValidationError

from examples import make_both
from r1k.boxed import last_boxed
from r1k.config import Variant
from r1k.data.sets import make_set, read_example_pairs
from r1k.data.variants import length_ratio, make_variant, passed_problems
from r1k.errors import RecordError
from r1k.records import VERDICTS, Check, Example, Question, read_jsonl, write_jsonl


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


def make(raw, tmp_path, checks=None, questions=(), **spec):
    place = {"forward": tmp_path / "v" / "s1k.jsonl", "reverse": tmp_path / "v" / "r1k.jsonl"}
    make_variant(**raw, variant=Variant(**spec), checks=checks, questions=questions, **place)
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


COPIED = "In a far town, a box holds $8$ rows of $9$ eggs, and somebody asks: how many eggs are in it?"


@pytest.fixture
def contaminated(raw, tmp_path):
    """Problem 1 has a copy in its forward question, 2 a reworded copy in its reverse question, 3 a phrase in its
    forward question, 4 a copy in its reverse response; 0 and 5 have nothing in common with the benchmark."""
    changes = {
        ("s1k", 1): {"question": COPIED.replace("$8$", "$ 8 $").replace("town,", "town")},
        ("r1k", 2): {"question": COPIED.replace("$8$", "$11$")},
        ("s1k", 3): {"question": f"{' '.join(COPIED.split()[:9])} stones of equal weight. How heavy is it?"},
        ("r1k", 4): {"reasoning": f"The other one was this. {COPIED} So 72."},
    }
    for name, path in raw.items():
        examples = read_jsonl(path, Example)
        write_jsonl(path, (e.model_copy(update=changes.get((name, k), {})) for k, e in enumerate(examples)))
    question = Question(id="b-0", benchmark="b", question=COPIED, gold="72", kind="k")
    other = Question(id="c-0", benchmark="c", question="Who?", gold="1", kind="k")
    paths = [tmp_path / "b.jsonl", tmp_path / "c.jsonl"]
    for path, one in zip(paths, (question, other), strict=True):
        write_jsonl(path, [one])
    return paths


@pytest.mark.parametrize(
    ("limits", "left_out"),
    [
        ({"question": "copy"}, [1]),
        ({"question": "reworded"}, [1, 2]),
        ({"question": "phrase"}, [1, 2, 3]),
        ({"response": "copy"}, [4]),
        ({"response": "phrase"}, [4]),
        ({"question": "copy", "response": "copy"}, [1, 4]),
        ({"question": "phrase", "response": "phrase"}, [1, 2, 3, 4]),
    ],
)
def test_contaminated_problems_are_left_out_in_both_directions_and_counted(
    raw, contaminated, tmp_path, limits, left_out
):
    forward, reverse = make(raw, tmp_path, exclude_contaminated=limits, questions=contaminated)
    kept = [f"p{k:03d}" for k in range(6) if k not in left_out]
    for path in (forward, reverse):
        assert [example.problem for example in read_jsonl(path, Example)] == kept
        manifest = json.loads(path.with_suffix(".manifest.json").read_text())
        facts = manifest["facts"]
        assert (facts["n"], facts["num_excluded"]) == (len(kept), len(left_out))
        assert facts["excluded_by"] == {"exclude_contaminated": len(left_out)}
        assert len(manifest["inputs"]["questions"]) == 2
    assert Variant(exclude_contaminated=limits).selects


def test_a_problem_that_several_keys_exclude_counts_for_each(raw, contaminated, tmp_path):
    forward, _ = make(
        raw, tmp_path, exclude_contaminated={"question": "phrase"}, graded_correct=True, questions=contaminated
    )
    facts = json.loads(forward.with_suffix(".manifest.json").read_text())["facts"]
    # Problems 0 and 3 are graded wrong, and 1, 2 and 3 are contaminated.
    assert facts["excluded_by"] == {"graded_correct": 2, "exclude_contaminated": 3}
    assert (facts["n"], facts["num_excluded"]) == (2, 4)


def test_a_variant_needs_the_questions_and_keeps_some_problem(raw, contaminated, tmp_path):
    with pytest.raises(RecordError, match=r"excludes contaminated problems: pass .* with --questions"):
        make(raw, tmp_path, exclude_contaminated={"question": "copy"})
    everything = tmp_path / "all.jsonl"
    questions = [e.question for e in read_jsonl(raw["s1k"], Example)]
    write_jsonl(
        everything,
        (Question(id=f"b-{k}", benchmark="b", question=q, gold="1", kind="k") for k, q in enumerate(questions)),
    )
    with pytest.raises(RecordError, match="keeps none of 6 problems"):
        make(raw, tmp_path, exclude_contaminated={"question": "copy"}, questions=[everything])


@pytest.mark.parametrize(
    "limits", [{}, {"question": None}, {"question": "exact"}, {"question": ["copy"]}, {"answer": "copy"}, "copy", True]
)
def test_a_filter_that_means_nothing_is_a_config_error(limits):
    with pytest.raises(ValidationError):
        Variant(exclude_contaminated=limits)


def test_a_variant_that_keeps_contaminated_problems_has_its_digest_of_before():
    assert Variant().model_dump() == {"format": "as_is", "graded_correct": False, "require": [], "length_ratio": None}
    set_to = Variant(exclude_contaminated={"question": "copy"}).model_dump(mode="json")
    assert set_to["exclude_contaminated"] == {"question": "copy", "response": None}
    assert Variant.model_validate(set_to).exclude_contaminated.question == "copy"
