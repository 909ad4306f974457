"""The world's public functions: examples, benchmarks, inversion and solving, all from texts."""

import random
import re
import subprocess
import sys
from itertools import islice

import pytest
from math_verify import parse, verify

from r1k.records import DIRECTIONS, Example, Question
from r1k.text import format_question, format_response
from r1k.world import ANSWER_TYPES, WorldError, documents, forward_examples, invert, numbers, questions, solve
from r1k.world.catalogue import RELATIONS
from r1k.world.pools import SHARES, pool_of, problems_by_relation
from r1k.world.relations import Problem, problems_of
from r1k.world.wording import COMBINED, make_question, parse_question, question_text, supports

PROBLEMS = [problem for relation in RELATIONS for problem in problems_of(relation)]
FORWARD = forward_examples(300, 1)


def boxed(answer: str) -> str:
    found = re.fullmatch(r"\\boxed\{([^{}]+)\}", answer)
    assert found, answer
    return found[1]


def benchmark(answer_type: str, per_direction: int = 100, seed: int = 2, shuffle_seed: int = 0) -> list[Question]:
    return questions(f"bench-{answer_type}", answer_type, per_direction, seed, shuffle_seed)


def problem_of(text: str) -> Problem:
    """Return the problem of a question in either direction."""
    parsed = parse_question(text)
    values = dict(parsed.given)
    values[parsed.relation.target(parsed.direction)] = parsed.relation.derive(values, parsed.direction)[-1].result
    return Problem(parsed.relation, tuple(values[name] for name in parsed.relation.ranges))


def test_the_catalogue_covers_all_fields_with_enough_wordings():
    assert len(RELATIONS) >= 12
    assert {relation.field for relation in RELATIONS} == {"physics", "chemistry", "geometry", "finance", "number"}
    assert len({relation.name for relation in RELATIONS}) == len(RELATIONS)
    for relation in RELATIONS:
        for direction in DIRECTIONS:
            assert len(set(relation.wordings(direction))) >= 3
            for wording in relation.wordings(direction):
                assert set(re.findall(r"\{(\w+)\}", wording)) == set(relation.given(direction))


def test_the_molecule_of_figure_1():
    forward = (
        "A gas has a temperature of 8 in units with a Boltzmann constant of 4. "
        "What is the mean kinetic energy of a molecule?"
    )
    response = solve(forward)
    assert response.answer == r"\boxed{48}"  # 3/2 k T
    assert "8/2=4. 4*3=12. 12*4=48." in response.reasoning
    reverse = invert(forward, response.answer)
    assert "48" in reverse
    assert "8" not in re.findall(r"\d+", reverse)
    assert solve(reverse).answer == r"\boxed{8}"


def test_every_problem_is_parsed_back_and_solved_in_random_wordings_and_answer_types():
    rng = random.Random(0)
    for problem in PROBLEMS:
        for direction in DIRECTIONS:
            answer_type = rng.choice(
                [answer_type for answer_type in ANSWER_TYPES if supports(problem.relation, answer_type)]
            )
            question = make_question(problem, direction, answer_type, rng, "test")
            text = question_text(question)
            parsed = parse_question(text)
            assert (parsed.relation, parsed.direction, parsed.answer_type) == (problem.relation, direction, answer_type)
            assert parsed.given == {name: problem.values[name] for name in problem.relation.given(direction)}
            assert boxed(solve(text).answer) == question.gold


def test_wordings_are_unique():
    wordings = [w for relation in RELATIONS for direction in DIRECTIONS for w in relation.wordings(direction)]
    with_numbers = [re.sub(r"\{\w+\}", "7", wording) for wording in wordings]
    assert len(set(with_numbers)) == len(wordings)


def test_reasoning_has_only_true_equations_and_ends_with_the_answer():
    for example in FORWARD:
        reverse = solve(invert(example.question, example.answer))
        for response in (example.response, reverse):
            equations = re.findall(r"(\d+)([xyz]?)([*/+-])(\d+)=(\d+)([xyz]?)\.", response.reasoning)
            assert equations
            for left, unknown, operation, right, result, unknown_after in equations:
                assert {"*": int(left) * int(right), "/": int(left) / int(right), "+": int(left) + int(right)}.get(
                    operation, int(left) - int(right)
                ) == int(result)
                assert unknown == unknown_after
            answer = boxed(response.answer)
            chosen = rf"\b{answer} is the ({'|'.join(COMBINED.values())})\.$"
            ending = chosen if answer in set("ABCD") else rf"\b{answer}\.$"
            assert re.search(ending, response.reasoning)


def test_a_reverse_question_states_the_conclusion_and_asks_for_a_premise():
    for example in FORWARD:
        problem, answer_type = problem_of(example.question), parse_question(example.question).answer_type
        text = invert(example.question, f"Answer: {example.answer}")
        parsed = parse_question(text)
        assert parsed.direction == "reverse"
        assert parsed.answer_type == answer_type
        assert parsed.given[problem.relation.conclusion] == problem.answer("forward")
        assert problem_of(text) == problem
        assert invert(example.question, boxed(example.answer)) == text


@pytest.mark.parametrize("answer", [r"\boxed{57}", "I do not know", ""])
def test_a_wrong_answer_is_not_inverted(answer):
    with pytest.raises(WorldError, match=r"is wrong"):
        invert("How many volts drive a current of 7 amperes through a resistance of 8 ohms?", answer)


def test_a_reverse_question_is_not_inverted_again():
    with pytest.raises(WorldError, match="already a reverse question"):
        invert("How many amperes does a voltage of 56 volts drive through a resistance of 8 ohms?", r"\boxed{7}")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Why is the sky blue?", "not a question of the world"),
        ("", "not a question of the world"),
        ("How many amperes does a voltage of 57 volts drive through a resistance of 8 ohms?", "not a whole number"),
        ("How many amperes does a voltage of 57 volts drive through a resistance of 0 ohms?", "above zero"),
        (
            "How many volts drive a current of 7 amperes through a resistance of 8 ohms?\nA) 1 B) 2 C) 3 D) 4",
            "none of the options",
        ),
        (
            "How many volts drive a current of 7 amperes through a resistance of 8x ohms? Write it in terms of x.",
            "letters do not fit",
        ),
        ("How many volts drive a current of 7x amperes through a resistance of 8 ohms?", "letters do not fit"),
    ],
)
def test_unanswerable_questions_are_an_error(text, reason):
    with pytest.raises(WorldError, match=reason):
        solve(text)


def test_examples_are_complete_and_cover_all_answer_types():
    assert len(FORWARD) == 300
    assert len({example.problem for example in FORWARD}) == 300
    answer_types = [parse_question(example.question).answer_type for example in FORWARD]
    assert all(answer_types.count(answer_type) >= 70 for answer_type in ANSWER_TYPES)
    assert {example.kind for example in FORWARD} == {relation.name for relation in RELATIONS}
    for example in FORWARD:
        assert isinstance(example, Example)
        assert (example.id, example.direction) == (f"{example.problem}-forward", "forward")
        assert example.gold == boxed(example.answer)


def test_the_ends_of_a_response_do_not_reveal_its_direction():
    ends: dict[str, list[tuple[str, str]]] = {"forward": [], "reverse": []}
    for example in FORWARD:
        reverse = solve(invert(example.question, example.answer))
        for direction, response in (("forward", example.response), ("reverse", reverse)):
            words = format_response(response).split()
            ends[direction].append((" ".join(words[:2]), re.sub(r"\d+|[A-D]", "_", words[-1])))
    assert set(ends["forward"]) == set(ends["reverse"])


@pytest.mark.parametrize("answer_type", ANSWER_TYPES)
def test_benchmarks_mark_directions_and_have_correct_gold_answers(answer_type):
    parsed = benchmark(answer_type)
    assert [question.direction for question in parsed] == ["forward"] * 100 + ["reverse"] * 100
    assert len({question.id for question in parsed}) == 200
    for question in parsed:
        text = format_question(question)
        assert parse_question(text).direction == question.direction
        assert parse_question(text).answer_type == answer_type
        assert boxed(solve(text).answer) == question.gold
        assert (question.options is None) == (answer_type != "choice")


def test_math_verify_can_compare_expressions():
    for question in benchmark("expression", 20):
        assert re.fullmatch(r"\d+[xyz]", question.gold)
        answer = solve(question.question).answer
        assert verify(parse(f"${question.gold}$"), parse(answer))
        assert not verify(parse(f"${question.gold}$"), parse(answer.replace("boxed{", "boxed{1")))


def test_options_differ_and_their_order_depends_only_on_the_seed():
    first, second = benchmark("choice"), benchmark("choice", shuffle_seed=1)
    assert [question.question for question in first] == [question.question for question in second]
    assert [question.options for question in first] != [question.options for question in second]
    for one, other in zip(first, second, strict=True):
        assert len(set(one.options)) == 4
        assert set(one.options) == set(other.options)
        assert one.options["ABCD".index(one.gold)] == other.options["ABCD".index(other.gold)]
    letters = [question.gold for question in first]
    assert all(30 <= letters.count(letter) <= 70 for letter in "ABCD")


def test_the_right_option_is_the_operation_on_the_given_numbers():
    meant = {"product": int.__mul__, "quotient": int.__floordiv__, "sum": int.__add__, "difference": int.__sub__}
    for question in benchmark("choice"):
        text = format_question(question)
        problem, parsed = problem_of(text), parse_question(text)
        right = question.options["ABCD".index(question.gold)]
        assert meant[right](
            *(parsed.given[name] for name in problem.relation.given(question.direction))
        ) == problem.answer(question.direction)


def test_a_law_of_several_steps_cannot_be_a_choice():
    molecule = next(problem for problem in PROBLEMS if problem.relation.name == "molecule")
    text = question_text(make_question(molecule, "forward", "integer", random.Random(0), "x"))
    with pytest.raises(WorldError, match="molecule takes several steps"):
        solve(f"{text}\nA) sum B) product C) quotient D) difference")


def test_pools_share_no_problem_and_cover_all():
    names = {pool: {p.name for group in problems_by_relation(pool) for p in group} for pool in SHARES}
    assert sum(map(len, names.values())) == len(set().union(*names.values()))
    left_out = {problem.name for problem in PROBLEMS} - set().union(*names.values())
    assert all(not supports(p.relation, pool_of(p)) for p in PROBLEMS if p.name in left_out)


def test_training_benchmarks_and_pretraining_share_no_problem():
    seen = {"training": {example.problem for example in FORWARD}}
    for answer_type in ANSWER_TYPES:
        seen[answer_type] = {problem_of(format_question(question)).name for question in benchmark(answer_type, 130)}
    seen["pretraining"] = set()
    for text in islice(documents(3), 6000):
        lines = text.split("\n")
        for whole in ("\n".join(lines[:2]), lines[0]):
            try:
                seen["pretraining"].add(problem_of(whole).name)
                break
            except WorldError:
                continue
    assert len(seen["pretraining"]) > 500
    pools = list(seen)
    for place, one in enumerate(pools):
        for other in pools[place + 1 :]:
            assert not seen[one] & seen[other], (one, other)


def test_pretraining_text_does_not_show_the_answer_format():
    texts = list(islice(documents(0), 6000))
    assert not any("<|im_start|>think" in text or "<|im_start|>answer" in text for text in texts)
    assert not any("boxed" in text and ("So the" in text or "<|im_start|>" in text) for text in texts)
    assert not any("Answer: \\boxed" in text for text in texts)
    markers = sum("<|im_start|>assistant" in text for text in texts)
    assert 0.01 < markers / len(texts) < 0.1


def test_numbers_cover_all_numbers_in_texts():
    texts = [
        format_question(q) + solve(format_question(q)).reasoning
        for answer_type in ANSWER_TYPES
        for q in benchmark(answer_type)
    ]
    texts += islice(documents(5), 2000)
    texts += [example.question + example.reasoning for example in FORWARD]
    found = {int(number) for text in texts for number in re.findall(r"\d+", text)}
    assert found <= numbers()


@pytest.mark.parametrize("ask_for", [lambda: forward_examples(10_000, 0), lambda: benchmark("integer", 10_000)])
def test_requesting_more_problems_than_the_pool_holds_is_an_error(ask_for):
    with pytest.raises(WorldError, match=r"10000 problems .* request fewer"):
        ask_for()


def test_the_seed_determines_the_selection():
    assert forward_examples(50, 1) == forward_examples(50, 1)
    assert {e.problem for e in forward_examples(50, 1)} != {e.problem for e in forward_examples(50, 2)}
    assert list(islice(documents(1), 20)) != list(islice(documents(2), 20))


def test_the_world_is_the_same_in_every_process():
    code = (
        "from itertools import islice; from hashlib import sha256; from r1k.world import *;"
        "texts = [*map(repr, forward_examples(60, 4)), *map(repr, questions('b', 'choice', 20, 5, 6)),"
        " *islice(documents(7), 200), invert(*[(e.question, e.answer) for e in forward_examples(60, 4)][2])];"
        "print(sha256(''.join(texts).encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1
