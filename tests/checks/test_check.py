import json
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction

import pytest

from examples import lines, make_both
from r1k.checks.check import check, check_inverse
from r1k.checks.near_duplicates import nearest_questions
from r1k.checks.quantities import stated_quantities
from r1k.checks.verdicts import distinct_question
from r1k.config import Checks
from r1k.data.s1k import read_examples
from r1k.data.sets import ExamplePair
from r1k.records import VERDICTS, Check, Example, TeacherMetadata, VerdictName, read_jsonl
from r1k.world import forward_examples, invert, solve
from r1k.world.catalogue import RELATIONS
from r1k.world.relations import WorldError
from r1k.world.wording import WorldQuestion, parse_question

NEAR_DUPLICATE_THRESHOLD = Checks().near_duplicate_threshold
SEEDS = range(2)
PROBLEMS = 387
"""Size of the world's training pool."""

Failing = dict[VerdictName, bool | None]


def inverted(forward: Example) -> Example:
    question = invert(forward.question, forward.answer)
    response = solve(question)
    teacher_metadata = TeacherMetadata(model="world", prompts={}, requests=[], finish_reason="stop")
    return Example(
        id=f"{forward.problem}-reverse",
        direction="reverse",
        question=question,
        problem=forward.problem,
        kind=forward.kind,
        reasoning=response.reasoning,
        answer=response.answer,
        teacher_metadata=teacher_metadata,
    )


@pytest.fixture(scope="module")
def worlds() -> dict[int, list[ExamplePair]]:
    return {seed: [(one, inverted(one)) for one in forward_examples(PROBLEMS, seed)] for seed in SEEDS}


def not_passed(found: Check) -> Failing:
    return {name: found.passed(name) for name in VERDICTS if found.passed(name) is not True}


@pytest.mark.parametrize("seed", SEEDS)
def test_the_worlds_inverses_pass_every_check(worlds, seed):
    found = check(worlds[seed], NEAR_DUPLICATE_THRESHOLD)
    assert [not_passed(one) for one in found] == [{}] * PROBLEMS
    assert {one.kind for one in found} == {relation.name for relation in RELATIONS}


# Each function corrupts an inverse in one way; None if it does not apply


def is_ambiguous(forward: Example, reverse: Example) -> bool:
    """Return whether rules cannot tell two quantities apart: a triangle of height 2 has equal base and area."""
    return quantities(parse_question(reverse.question))[0] in parse_question(forward.question).given.values()


def quantities(parsed: WorldQuestion) -> tuple[int, int]:
    """Return the conclusion that a reverse question states, and the premise that it asks for."""
    return parsed.given[parsed.relation.conclusion], parsed.relation.derive(parsed.given, "reverse")[-1].result


def with_number(question: str, old: str, new: str) -> str | None:
    words = question.replace("?", " ?").replace(",", " ,").replace(".", " .").split(" ")
    if words.count(old) != 1:
        return None
    changed = " ".join(new if word == old else word for word in words)
    return changed.replace(" ?", "?").replace(" ,", ",").replace(" .", ".")


def answering(reverse: Example, value: int) -> Example:
    parsed = parse_question(reverse.question)
    if not parsed.options:
        return reverse.model_copy(update={"answer": f"\\boxed{{{value}{parsed.unknown}}}"})
    right = quantities(parsed)[1]
    reasoning = reverse.reasoning.replace(f"{right}, the", f"{value}, the")
    return reverse.model_copy(update={"reasoning": reasoning})


def states_its_answer(forward: Example, reverse: Example, other: ExamplePair) -> Example:
    parsed = parse_question(reverse.question)
    question = f"It is {quantities(parsed)[1]}{parsed.unknown}. {reverse.question}"
    return reverse.model_copy(update={"question": question})


def asks_the_forward_question(forward: Example, reverse: Example, other: ExamplePair) -> Example:
    changes = {"question": forward.question, "reasoning": forward.reasoning, "answer": forward.answer}
    return reverse.model_copy(update=changes)


def asks_it_in_other_words(forward: Example, reverse: Example, other: ExamplePair) -> Example | None:
    parsed = parse_question(forward.question)
    if parsed.options:
        return None
    leading, other_premise = parsed.relation.given("forward")
    first = f"{parsed.given[leading]}{parsed.unknown}"
    given = f"the {leading} is {first}, the {other_premise} {parsed.given[other_premise]}"
    question = f"Let us suppose that {given}: work out the {parsed.relation.conclusion}!"
    return reverse.model_copy(update={"question": question, "answer": forward.answer})


def values(forward: Example, reverse: Example) -> set[Fraction]:
    return {quantity.value for one in (forward, reverse) for quantity in stated_quantities(one.question)}


def is_new(value: int, known: set[Fraction]) -> bool:
    return not any(abs(value - number) <= number / 50 for number in known)


def changes_a_number(forward: Example, reverse: Example, other: ExamplePair) -> Example | None:
    parsed, known = parse_question(reverse.question), values(forward, reverse)
    kept = str(parsed.given[parsed.relation.others[0]])
    for value in range(2, 30):
        changed = with_number(reverse.question, kept, str(value))
        try:
            response = solve(changed or "")
        except WorldError:
            continue
        if value not in known and is_new(quantities(parse_question(changed))[1], known | {Fraction(value)}):
            return reverse.model_copy(update={"question": changed, **response.model_dump()})
    return None


def drops_the_forward_answer(forward: Example, reverse: Example, other: ExamplePair) -> Example | None:
    parsed = parse_question(reverse.question)
    question = with_number(reverse.question, f"{quantities(parsed)[0]}{parsed.unknown}", "some")
    return None if question is None else reverse.model_copy(update={"question": question})


def has_another_answer(forward: Example, reverse: Example, other: ExamplePair) -> Example | None:
    value = quantities(parse_question(other[1].question))[1]
    return answering(reverse, value) if is_new(value, values(forward, reverse)) else None


def has_another_question(forward: Example, reverse: Example, other: ExamplePair) -> Example | None:
    shared = values(forward, reverse) & values(other[1], other[1])
    if shared or parse_question(reverse.question).options or parse_question(other[1].question).options:
        return None
    return reverse.model_copy(update={"question": other[1].question.lower()})


def is_truncated(forward: Example, reverse: Example, other: ExamplePair) -> Example:
    teacher_metadata = reverse.teacher_metadata.model_copy(update={"finish_reason": "length"})
    return reverse.model_copy(update={"answer": "So we are asked for", "teacher_metadata": teacher_metadata})


def is_incomplete(forward: Example, reverse: Example, other: ExamplePair) -> Example:
    teacher_metadata = reverse.teacher_metadata.model_copy(update={"finish_reason": "length"})
    return reverse.model_copy(update={"teacher_metadata": teacher_metadata})


CORRUPTIONS: list[tuple[Callable[[Example, Example, ExamplePair], Example | None], Failing]] = [
    (states_its_answer, {"answer_hidden": False}),
    (
        asks_the_forward_question,
        {"asks_for_given": False, "uses_answer": False, "consistent": None, "distinct_question": False},
    ),
    (asks_it_in_other_words, {"asks_for_given": False, "uses_answer": False, "consistent": None}),
    (changes_a_number, {"asks_for_given": None, "consistent": False}),
    (drops_the_forward_answer, {"uses_answer": False}),
    (has_another_answer, {"asks_for_given": None, "consistent": False}),
    (has_another_question, {"uses_answer": False, "distinct_question": False}),
    (is_truncated, {"answer_hidden": None, "asks_for_given": None, "consistent": None, "reached": False}),
    (is_incomplete, {"reached": False}),
]


@pytest.mark.parametrize(("corrupt", "expected"), CORRUPTIONS, ids=[corrupt.__name__ for corrupt, _ in CORRUPTIONS])
def test_a_corrupted_inverse_fails_exactly_the_affected_checks(worlds, corrupt, expected):
    kinds: Counter[str] = Counter()
    for both in worlds.values():
        for index, (forward, reverse) in enumerate(both):
            other = both[index - 1]
            corrupted = None if is_ambiguous(forward, reverse) else corrupt(forward, reverse, other)
            if corrupted is None:
                continue
            found = check([(forward, corrupted), other], NEAR_DUPLICATE_THRESHOLD)[0]
            assert not_passed(found) == expected, (
                forward.question,
                corrupted.question,
                corrupted.answer,
                found.reasons,
            )
            kinds[found.kind] += 1
    assert set(kinds) == {relation.name for relation in RELATIONS}
    assert kinds.total() > 150


@pytest.mark.parametrize(
    ("reason", "reached"), [("eos_token", True), ("END_TURN", True), ("MAX_TOKENS", False), ("weather", None)]
)
def test_the_finish_reason_decides_whether_a_response_is_complete(worlds, reason, reached):
    forward, reverse = worlds[0][0]
    teacher_metadata = reverse.teacher_metadata.model_copy(update={"finish_reason": reason})
    both = [(forward, reverse.model_copy(update={"teacher_metadata": teacher_metadata}))]
    (found,) = check(both, NEAR_DUPLICATE_THRESHOLD)
    assert found.reached is reached


def test_without_a_finish_reason_only_the_text_decides(worlds):
    forward, reverse = worlds[0][0]
    (found,) = check([(forward, reverse.model_copy(update={"teacher_metadata": None}))], NEAR_DUPLICATE_THRESHOLD)
    assert found.reached is True


# Real rows


def real_both(shared_data) -> list[ExamplePair]:
    rows, found = lines(shared_data / "s1k_r1k_20.jsonl"), []
    examples = read_examples((("a row", row) for row in rows), None, kind="s1k")
    for row, forward in zip(rows, examples, strict=True):
        reverse = forward.model_copy(
            update={
                "id": f"{forward.problem}-reverse",
                "direction": "reverse",
                "question": row["reverse_question"],
                "reasoning": row["reverse_thinking"],
                "answer": row["reverse_attempt"],
                "gold": None,
            }
        )
        found.append((forward, reverse))
    return found


def by_outcome(found: Sequence[Check], name: VerdictName) -> dict[bool | None, list[int]]:
    return {
        outcome: [index for index, one in enumerate(found) if one.passed(name) is outcome]
        for outcome in (True, False, None)
    }


def test_verdicts_on_real_rows_equal_those_of_a_human_reader(shared_data):
    found = check(real_both(shared_data), NEAR_DUPLICATE_THRESHOLD)
    assert by_outcome(found, "answer_hidden")[False] == [9, 10, 18]  # coefficients of the stated formula; two proofs
    assert by_outcome(found, "answer_hidden")[None] == [4, 5]
    assert by_outcome(found, "asks_for_given")[True] == [1, 2, 3, 7, 8]
    assert by_outcome(found, "asks_for_given")[None] == [5, 11, 17, 19]
    assert by_outcome(found, "uses_answer")[False] == [16, 19]
    assert by_outcome(found, "uses_answer")[None] == [3, 5, 6, 10, 11, 12, 18]
    assert by_outcome(found, "consistent")[True] == [1, 2, 3, 7, 8]
    assert by_outcome(found, "consistent")[False] == [
        19
    ]  # the area is four times as large, but the answer is another ratio
    assert by_outcome(found, "reached")[False] == [18]  # its displayed formulas, including the box, are missing
    assert by_outcome(found, "distinct_question") == {True: list(range(20)), False: [], None: []}


def test_a_repeated_real_question_is_a_near_duplicate(shared_data):
    both = real_both(shared_data)
    for index, (forward, reverse) in enumerate(both):
        original = both[index - 1][index % 2]
        copied = reverse.model_copy(update={"question": f"A9 {original.question.replace('$', '')} Explain."})
        nearest = nearest_questions([*both[:index], (forward, copied), *both[index + 1 :]])
        found = distinct_question(nearest.get(forward.problem), NEAR_DUPLICATE_THRESHOLD)
        assert found.passed is False and original.id in found.reason


def test_checks_are_written_in_order_with_their_counts(tmp_path, both_files):
    s1k, r1k = both_files
    output = tmp_path / "checks.jsonl"
    check_inverse(checks=Checks(), s1k=s1k, r1k=r1k, output=output, journal=tmp_path / "judge.jsonl")
    found = read_jsonl(output, Check)
    assert [one.problem for one in found] == [one.problem for one in make_both(8)[0]]
    facts = json.loads(output.with_suffix(".manifest.json").read_text())["facts"]
    assert facts["verdicts"]["consistent"] == {"passed": 8, "failed": 0, "undecided": 0}
    assert not (tmp_path / "judge.jsonl").exists()
