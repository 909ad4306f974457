"""Pretraining text: the world's arithmetic, its worked problems, and some chat notation.

Worked problems come only from the pretraining pool. No text shows a chat turn with reasoning and answer, or a box after
a chain of thought, so that the base model can have the skill but not the format.
"""

import random
from collections.abc import Callable, Iterator
from functools import cache

from r1k.records import DIRECTIONS
from r1k.text import OPTION_LETTERS
from r1k.world.catalogue import RELATIONS
from r1k.world.pools import problems_by_relation
from r1k.world.relations import Equation, Problem, problems_of
from r1k.world.solving import choosing_text, equation_text, solve
from r1k.world.wording import ANSWER_TYPES, COMBINED, UNKNOWNS, make_question, question_text, supports

SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."


def documents(seed: int) -> Iterator[str]:
    """Yield endless pretraining documents, the same for the same seed in every process."""
    rng = random.Random(f"documents:{seed}")
    kinds, weights = zip(*KINDS.items(), strict=True)
    while True:
        (kind,) = rng.choices(kinds, weights)
        yield kind(rng)


@cache
def numbers() -> frozenset[int]:
    """Return every number that a question, a chain of thought or an option of the world can contain."""
    found: set[int] = set()
    for relation in RELATIONS:
        for problem in problems_of(relation):
            found.update(problem.values.values())
            for direction in DIRECTIONS:
                for equation in relation.derive(problem.values, direction):
                    found.update((equation.left, equation.right, equation.result))
    return frozenset(found)


@cache
def _equations() -> tuple[tuple[Equation, ...], ...]:
    """Return the distinct equations of each relation's chains, from the problems of all pools."""
    return tuple(
        tuple(
            dict.fromkeys(
                equation
                for problem in problems_of(relation)
                for direction in DIRECTIONS
                for equation in relation.derive(problem.values, direction)
            )
        )
        for relation in RELATIONS
    )


def _arithmetic(rng: random.Random) -> str:
    unknown = rng.choice(("", "", "", *UNKNOWNS))
    return " ".join(equation_text(rng.choice(rng.choice(_equations())), unknown) for _ in range(8))


def _worked(rng: random.Random) -> str:
    problem = _problem(rng)
    answer_types = [answer_type for answer_type in ANSWER_TYPES if supports(problem.relation, answer_type)]
    text = question_text(make_question(problem, rng.choice(DIRECTIONS), rng.choice(answer_types), rng, "pretraining"))
    return f"{text}\n{solve(text).reasoning}"


def _options(rng: random.Random) -> str:
    shown = rng.sample(list(COMBINED.values()), len(COMBINED))
    line = " ".join(f"{letter}) {text}" for letter, text in zip(OPTION_LETTERS, shown, strict=False))
    choices = " ".join(f"It is the {text}. {choosing_text(shown, text)}" for text in rng.sample(shown, len(shown)))
    return f"{line}\n{choices}"


def _lookup(rng: random.Random) -> str:
    """Return quantities in one order, then in another, which teaches the mapping from names to numbers."""
    quantities = [(name, _number(rng)) for name in rng.sample(_names(), rng.randint(3, 6))]
    first = ", ".join(f"a {name} of {number}" for name, number in quantities)
    again = ", ".join(f"the {name} is {number}" for name, number in rng.sample(quantities, len(quantities)))
    return f"With {first}.\n{again[0].upper()}{again[1:]}."


def _copying(rng: random.Random) -> str:
    sequence = " ".join(_number(rng) for _ in range(rng.randint(3, 8)))
    return f"{sequence}\n{sequence}"


def _definition(rng: random.Random) -> str:
    relation = rng.choice(RELATIONS)
    word, law = rng.choice(((relation.conclusion, relation.law), (relation.first_premise, relation.inverse_law)))
    turns = (("system", SYSTEM), ("user", f"What is the {word.replace('_', ' ')}?"), ("assistant", law))
    return "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in turns)


def _notation(rng: random.Random) -> str:
    thing = rng.choice((_number(rng), rng.choice(OPTION_LETTERS[: len(COMBINED)])))
    return rng.choice(
        (
            f"The text \\boxed{{{thing}}} is {thing} in a box.",
            f"In a box, {thing} is \\boxed{{{thing}}}, and \\boxed{{{thing}}} is {thing}.",
            f"The word Answer: and the word answer say that {thing} was asked.",
            f"To think is to reason. Who does think of {thing} can answer.",
        )
    )


def _problem(rng: random.Random) -> Problem:
    return rng.choice(rng.choice(problems_by_relation("pretraining")))


def _number(rng: random.Random) -> str:
    return f"{rng.choice(_sorted_numbers())}{rng.choice(('', '', *UNKNOWNS))}"


@cache
def _sorted_numbers() -> tuple[int, ...]:
    return tuple(sorted(numbers()))


@cache
def _names() -> tuple[str, ...]:
    names = {name for relation in RELATIONS for name in (*relation.ranges, relation.conclusion)}
    return tuple(sorted(name.replace("_", " ") for name in names))


KINDS: dict[Callable[[random.Random], str], float] = {
    _arithmetic: 0.14,
    _worked: 0.60,
    _options: 0.12,
    _lookup: 0.06,
    _copying: 0.02,
    _definition: 0.03,
    _notation: 0.03,
}
"""Weight of each kind of document."""
