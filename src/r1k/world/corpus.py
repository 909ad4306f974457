"""Pretraining text: the world's arithmetic, its worked problems, and a little of the notation that chats use.

Worked problems are of the pretraining pool alone. Nothing here shows a chat turn that is reasoned and answered, nor
an answer in a box after a chain of thought: a model of this text can have the skill, not the form.
"""

import random
from collections.abc import Callable, Iterator
from functools import cache

from r1k.records import DIRECTIONS
from r1k.text import OPTION_LETTERS
from r1k.world.catalogue import RELATIONS
from r1k.world.pools import pooled
from r1k.world.relations import Equation, Problem, problems_of
from r1k.world.solving import choosing_text, equation_text, solve
from r1k.world.wording import COMBINED, SHAPES, UNKNOWNS, ask, fits, question_text

SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."


def documents(seed: int) -> Iterator[str]:
    """Endless pretraining text, a document at a time; the same for the same seed in every process."""
    chance = random.Random(f"documents:{seed}")
    kinds, weights = zip(*KINDS.items(), strict=True)
    while True:
        (kind,) = chance.choices(kinds, weights)
        yield kind(chance)


@cache
def numbers() -> frozenset[int]:
    """Every number that a question, a chain of thought or an option of the world can hold."""
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
    """The equations of each relation's chains, once each: tables to learn by heart, whoever's problem they serve."""
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


def _arithmetic(chance: random.Random) -> str:
    unknown = chance.choice(("", "", "", *UNKNOWNS))
    return " ".join(equation_text(chance.choice(chance.choice(_equations())), unknown) for _ in range(8))


def _worked(chance: random.Random) -> str:
    problem = _problem(chance)
    shapes = [shape for shape in SHAPES if fits(problem.relation, shape)]
    text = question_text(ask(problem, chance.choice(DIRECTIONS), chance.choice(shapes), chance, "pretraining"))
    return f"{text}\n{solve(text).reasoning}"


def _options(chance: random.Random) -> str:
    shown = chance.sample(list(COMBINED.values()), len(COMBINED))
    line = " ".join(f"{letter}) {text}" for letter, text in zip(OPTION_LETTERS, shown, strict=False))
    asked = " ".join(f"It is the {text}. {choosing_text(shown, text)}" for text in chance.sample(shown, len(shown)))
    return f"{line}\n{asked}"


def _lookup(chance: random.Random) -> str:
    """Quantities in one order, then in another: to tell by its name which number is which."""
    told = [(name, _number(chance)) for name in chance.sample(_names(), chance.randint(3, 6))]
    first = ", ".join(f"a {name} of {number}" for name, number in told)
    again = ", ".join(f"the {name} is {number}" for name, number in chance.sample(told, len(told)))
    return f"With {first}.\n{again[0].upper()}{again[1:]}."


def _copying(chance: random.Random) -> str:
    sequence = " ".join(_number(chance) for _ in range(chance.randint(3, 8)))
    return f"{sequence}\n{sequence}"


def _definition(chance: random.Random) -> str:
    relation = chance.choice(RELATIONS)
    word, law = chance.choice(((relation.conclusion, relation.law), (relation.asked, relation.inverse_law)))
    turns = (("system", SYSTEM), ("user", f"What is the {word.replace('_', ' ')}?"), ("assistant", law))
    return "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in turns)


def _notation(chance: random.Random) -> str:
    thing = chance.choice((_number(chance), chance.choice(OPTION_LETTERS[: len(COMBINED)])))
    return chance.choice(
        (
            f"The text \\boxed{{{thing}}} is {thing} in a box.",
            f"In a box, {thing} is \\boxed{{{thing}}}, and \\boxed{{{thing}}} is {thing}.",
            f"The word Answer: and the word answer say that {thing} was asked.",
            f"To think is to reason. Who does think of {thing} can answer.",
        )
    )


def _problem(chance: random.Random) -> Problem:
    return chance.choice(chance.choice(pooled("pretraining")))


def _number(chance: random.Random) -> str:
    return f"{chance.choice(_sorted_numbers())}{chance.choice(('', '', *UNKNOWNS))}"


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
"""How often each kind of document comes."""
