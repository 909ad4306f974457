"""Questions as texts, and texts read back as questions."""

import random
import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from r1k.records import DIRECTIONS, Direction, Question
from r1k.text import OPTION_LETTERS, format_question
from r1k.world.catalogue import RELATIONS
from r1k.world.relations import Problem, Relation, Values, WorldError

Shape = Literal["integer", "expression", "choice"]
SHAPES: tuple[Shape, ...] = ("integer", "expression", "choice")
UNKNOWNS = ("x", "y", "z")
OPTIONS = 4

_IN_TERMS = re.compile(r" Write it in terms of ([xyz])\.$")
_OPTIONS_LINE = re.compile(r"\n(A\) \S.*)$")
_OPTION = re.compile(r"([A-J])\) (\S+)")
_PLACEHOLDER = re.compile(r"\\\{(\w+)\\\}")


@dataclass(frozen=True)
class Asked:
    """A question of the world, understood: what is given, in which direction, and in which shape it is answered."""

    relation: Relation
    direction: Direction
    given: Values
    unknown: str = ""
    """The letter that given and asked quantity are multiples of, for expressions."""
    options: tuple[str, ...] = ()
    """The texts of the options in the order shown, for multiple choice."""

    @property
    def shape(self) -> Shape:
        return "choice" if self.options else "expression" if self.unknown else "integer"


def stem(problem: Problem, direction: Direction, wording: int, unknown: str = "") -> str:
    """The bare question in one of its wordings; with `unknown`, about multiples of that letter."""
    relation = problem.relation
    leading = relation.given(direction)[0]
    numbers = {name: f"{number}{unknown if name == leading else ''}" for name, number in problem.values.items()}
    text = relation.wordings(direction)[wording].format(**numbers)
    return f"{text} Write it in terms of {unknown}." if unknown else text


def ask(problem: Problem, direction: Direction, shape: Shape, chance: random.Random, benchmark: str) -> Question:
    """A question in a random wording; for expressions in a random letter, for a choice with shuffled options."""
    wording = chance.randrange(len(problem.relation.wordings(direction)))
    unknown = chance.choice(UNKNOWNS) if shape == "expression" else ""
    right = str(problem.answer(direction))
    options = None
    gold = right + unknown
    if shape == "choice":
        options = [right, *map(str, chance.sample(near_misses(problem, direction), OPTIONS - 1))]
        chance.shuffle(options)
        gold = OPTION_LETTERS[options.index(right)]
    return Question(
        id=f"{benchmark}-{problem.name}-{direction}",
        benchmark=benchmark,
        direction=direction,
        question=stem(problem, direction, wording, unknown),
        options=options,
        gold=gold,
        kind=problem.relation.name,
    )


def near_misses(problem: Problem, direction: Direction) -> list[int]:
    """Wrong answers that a slip could give: a premise read one off, or the answer a step or two off."""
    stride = next(iter(problem.relation.ranges.values())).step if direction == "reverse" else 1
    right = problem.answer(direction)
    wrong = {right + stride * off for off in (-2, -1, 1, 2)}
    if direction == "forward":
        for place, numbers in enumerate(problem.relation.ranges.values()):
            for off in (-numbers.step, numbers.step):
                premises = list(problem.premises)
                premises[place] += off
                wrong.add(Problem(problem.relation, tuple(premises)).answer(direction))
    return sorted(number for number in wrong if number > 0 and number != right)


def question_text(question: Question) -> str:
    """What the model is shown."""
    return format_question(question)


def read(text: str) -> Asked:
    """Understand a question from its text alone; WorldError where it is none of the world's."""
    text = text.strip()
    options: tuple[str, ...] = ()
    unknown = ""
    if line := _OPTIONS_LINE.search(text):
        options = tuple(option for _, option in _OPTION.findall(line[1]))
        text = text[: line.start()]
    if term := _IN_TERMS.search(text):
        unknown = term[1]
        text = text[: term.start()]
    for relation, direction, pattern in _patterns():
        if found := pattern.fullmatch(text):
            numbers = {name: _number(number, text) for name, number in found.groupdict().items()}
            leading, *others = relation.given(direction)
            letters = {name: letter for name, (_, letter) in numbers.items()}
            if letters != {leading: unknown, **dict.fromkeys(others, "")}:
                raise WorldError(f"question {text!r}: its letters do not fit; only {leading} can be a multiple of one")
            given = {name: number for name, (number, _) in numbers.items()}
            return Asked(relation, direction, given, unknown, options)
    raise WorldError(f"question {text[:200]!r} is none of the world's; ask another teacher")


def _number(text: str, question: str) -> tuple[int, str]:
    number, letter = re.fullmatch(r"(\d+)([xyz]?)", text).groups()  # type: ignore[union-attr]
    if int(number) == 0:
        raise WorldError(f"question {question!r}: a quantity is 0; the world's are above zero")
    return int(number), letter


@cache
def _patterns() -> tuple[tuple[Relation, Direction, re.Pattern[str]], ...]:
    return tuple(
        (relation, direction, re.compile(_PLACEHOLDER.sub(r"(?P<\1>\\d+[xyz]?)", re.escape(wording))))
        for relation in RELATIONS
        for direction in DIRECTIONS
        for wording in relation.wordings(direction)
    )
