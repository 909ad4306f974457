"""What a relation of the world is: a chain of whole-number steps that can be walked in both directions.

A chain starts from one premise, takes the others and constants step by step, and ends in the conclusion. Forward, all
premises are given and the conclusion is asked. Reverse, the conclusion and all premises but the first are given, the
first is asked, and the steps are undone from the last to the first.
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
    """A text that is no question of the world, or more problems than the world has."""


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
    """The equation of one operation; WorldError where its result is no whole number above zero."""
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
                raise WorldError(f"{left}/{right} is no whole number")
    if result < 1:
        raise WorldError(f"{left}{operation}{right} is not above zero")
    return Equation(left, operation, right, result)


@dataclass(frozen=True)
class Relation:
    """A law with its wordings. Premises and conclusion are named by the words that the texts use for them."""

    name: str
    field: str
    ranges: Mapping[str, range]
    """The premises and the numbers they take; the first is where the chain starts and what the inverse asks for."""
    steps: tuple[Step, ...]
    conclusion: str
    law: str
    """Says how the conclusion follows from the premises."""
    inverse_law: str
    """Says how the first premise follows from the conclusion and the others."""
    forward: tuple[str, ...]
    """Wordings of the question for the conclusion; `{name}` stands for a quantity's number."""
    reverse: tuple[str, ...]

    @cached_property
    def asked(self) -> str:
        """The premise that the inverse asks for."""
        return next(iter(self.ranges))

    @cached_property
    def others(self) -> tuple[str, ...]:
        """The premises that are given in both directions."""
        return tuple(self.ranges)[1:]

    @cached_property
    def is_proportional(self) -> bool:
        """Does the conclusion grow in proportion with the first premise? Then both can be multiples of a letter."""
        return all(step.operation in "*/" for step in self.steps)

    @cached_property
    def is_single(self) -> bool:
        """Is the law one operation on two quantities? Then its calculation can be an option among others."""
        return len(self.steps) == 1 and len(self.ranges) == 2

    def wordings(self, direction: Direction) -> tuple[str, ...]:
        return self.forward if direction == "forward" else self.reverse

    def target(self, direction: Direction) -> str:
        """The quantity that is asked."""
        return self.conclusion if direction == "forward" else self.asked

    def given(self, direction: Direction) -> tuple[str, ...]:
        """The quantities that a question states."""
        return (self.asked if direction == "forward" else self.conclusion, *self.others)

    def derive(self, given: Values, direction: Direction) -> list[Equation]:
        """The equations from the given quantities to the asked one; WorldError where they leave the whole numbers."""
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
        return f"{self.relation.name}-{'-'.join(map(str, self.premises))}"

    @cached_property
    def values(self) -> dict[str, int]:
        """The number of every quantity, the conclusion's last."""
        values = dict(zip(self.relation.ranges, self.premises, strict=True))
        return values | {self.relation.conclusion: self.relation.derive(values, "forward")[-1].result}

    def answer(self, direction: Direction) -> int:
        return self.values[self.relation.target(direction)]


def problems_of(relation: Relation) -> list[Problem]:
    """Every problem of a relation."""
    return [Problem(relation, premises) for premises in product(*relation.ranges.values())]
