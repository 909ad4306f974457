"""Relations of the world: chains of whole-number steps that work in both directions.

A chain starts from one premise, applies the other premises and constants step by step, and ends in the conclusion. A
forward question states all premises and asks for the conclusion. A reverse question states the conclusion and all
premises but the first, and asks for the first; its solution undoes the steps from the last to the first.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Literal

from r1k.errors import R1kError
from r1k.records import Direction

Operation = Literal["*", "/", "+", "-"]
Values = Mapping[str, int]

UNDO: dict[Operation, Operation] = {"*": "/", "/": "*", "+": "-", "-": "+"}


class WorldError(R1kError):
    """A text is not a question of the world, or a request exceeds the number of its problems."""


@dataclass(frozen=True)
class Step:
    """One operation of a chain. `by` is a constant or the name of a premise."""

    operation: Operation
    by: int | str


@dataclass(frozen=True)
class Equation:
    """`left operation right = result`, in whole numbers."""

    left: int
    operation: Operation
    right: int
    result: int


def calculate(left: int, operation: Operation, right: int) -> Equation:
    """Return the equation of one operation; raise WorldError if its result is not a positive whole number."""
    match operation:
        case "*":
            result = left * right
        case "+":
            result = left + right
        case "-":
            result = left - right
        case "/":
            result, rest = divmod(left, right) if right else (0, 1)
            if rest:
                raise WorldError(f"{left}/{right} is not a whole number")
    if result < 1:
        raise WorldError(f"{left}{operation}{right} is not above zero")
    return Equation(left, operation, right, result)


@dataclass(frozen=True)
class Relation:
    """A law with its wordings. Premises and conclusion are named by the words that the texts use for them."""

    name: str
    field: str
    ranges: Mapping[str, range]
    """Premises and their values; the chain starts from the first, and the inverse asks for it."""
    steps: tuple[Step, ...]
    conclusion: str
    law: str
    """How the conclusion follows from the premises."""
    inverse_law: str
    """How the first premise follows from the conclusion and the others."""
    forward: tuple[str, ...]
    """Wordings of the question for the conclusion; `{name}` is the placeholder of a quantity's number."""
    reverse: tuple[str, ...]

    @cached_property
    def first_premise(self) -> str:
        """The premise that the inverse asks for."""
        return next(iter(self.ranges))

    @cached_property
    def others(self) -> tuple[str, ...]:
        """The premises that both directions state."""
        return tuple(self.ranges)[1:]

    @cached_property
    def is_proportional(self) -> bool:
        """Whether the conclusion is proportional to the first premise, so that both can be multiples of a letter."""
        return all(step.operation in "*/" for step in self.steps)

    @cached_property
    def is_single(self) -> bool:
        """Whether the law is one operation on two quantities, so that the operation can be an option of a choice."""
        return len(self.steps) == 1 and len(self.ranges) == 2

    def wordings(self, direction: Direction) -> tuple[str, ...]:
        """Return the wordings of the question in a direction."""
        return self.forward if direction == "forward" else self.reverse

    def target(self, direction: Direction) -> str:
        """Return the quantity that a question asks for."""
        return self.conclusion if direction == "forward" else self.first_premise

    def given(self, direction: Direction) -> tuple[str, ...]:
        """Return the quantities that a question states."""
        return (self.first_premise if direction == "forward" else self.conclusion, *self.others)

    def derive(self, given: Values, direction: Direction) -> list[Equation]:
        """Return the equations from the given quantities to the target; raise WorldError if a value is not whole."""
        steps: Iterator[Step] = iter(self.steps) if direction == "forward" else reversed(self.steps)
        value = given[self.given(direction)[0]]
        equations = []
        for step in steps:
            operation = step.operation if direction == "forward" else UNDO[step.operation]
            equations.append(calculate(value, operation, step.by if isinstance(step.by, int) else given[step.by]))
            value = equations[-1].result
        return equations


@dataclass(frozen=True)
class Problem:
    """A relation with the numbers of its premises. A problem and its inverse are the same problem."""

    relation: Relation
    premises: tuple[int, ...]

    @property
    def name(self) -> str:
        """The relation's name and the premises."""
        return f"{self.relation.name}-{'-'.join(map(str, self.premises))}"

    @cached_property
    def values(self) -> dict[str, int]:
        """The number of every quantity, the conclusion last."""
        values = dict(zip(self.relation.ranges, self.premises, strict=True))
        return values | {self.relation.conclusion: self.relation.derive(values, "forward")[-1].result}

    def answer(self, direction: Direction) -> int:
        """Return the number that a question in a direction asks for."""
        return self.values[self.relation.target(direction)]


def problems_of(relation: Relation) -> list[Problem]:
    """Return all problems of a relation."""
    return [Problem(relation, premises) for premises in product(*relation.ranges.values())]
