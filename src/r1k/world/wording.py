"""Write questions as texts, and parse texts as questions."""

import random
import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from r1k.records import DIRECTIONS, Direction, Question
from r1k.text import OPTION_LETTERS, format_question
from r1k.world.catalogue import RELATIONS
from r1k.world.relations import UNDO, Operation, Problem, Relation, Values, WorldError

AnswerType = Literal["integer", "expression", "choice"]
ANSWER_TYPES: tuple[AnswerType, ...] = ("integer", "expression", "choice")
UNKNOWNS = ("x", "y", "z")
COMBINED: dict[Operation, str] = {"*": "product", "/": "quotient", "+": "sum", "-": "difference"}
"""Options of a choice: the operation on the two given quantities that yields the target."""

_IN_TERMS = re.compile(r" Write it in terms of ([xyz])\.$")
_WHICH = " What is it of the two numbers?"
_OPTIONS_LINE = re.compile(r"\n(A\) \S.*)$")
_OPTION = re.compile(r"([A-J])\) (\S+)")
_PLACEHOLDER = re.compile(r"\\\{(\w+)\\\}")


@dataclass(frozen=True)
class WorldQuestion:
    """A parsed question of the world: its given quantities, direction and answer type."""

    relation: Relation
    direction: Direction
    given: Values
    unknown: str = ""
    """The letter that given and target quantity are multiples of, for expressions."""
    options: tuple[str, ...] = ()
    """The texts of the options in the order shown, for multiple choice."""

    @property
    def answer_type(self) -> AnswerType:
        """The type of the answer."""
        return "choice" if self.options else "expression" if self.unknown else "integer"


def stem(problem: Problem, direction: Direction, wording: int, unknown: str = "") -> str:
    """Return the bare question in one of its wordings; with `unknown`, about multiples of that letter."""
    relation = problem.relation
    leading = relation.given(direction)[0]
    numbers = {name: f"{number}{unknown if name == leading else ''}" for name, number in problem.values.items()}
    text = relation.wordings(direction)[wording].format(**numbers)
    return f"{text} Write it in terms of {unknown}." if unknown else text


def make_question(
    problem: Problem, direction: Direction, answer_type: AnswerType, rng: random.Random, benchmark: str
) -> Question:
    """Return a question in a random wording, with a random letter for expressions and shuffled options for choices."""
    wording = rng.randrange(len(problem.relation.wordings(direction)))
    unknown = rng.choice(UNKNOWNS) if answer_type == "expression" else ""
    options = None
    gold = f"{problem.answer(direction)}{unknown}"
    if answer_type == "choice":
        options = rng.sample(list(COMBINED.values()), len(COMBINED))
        gold = OPTION_LETTERS[options.index(combination(problem.relation, direction))]
    return Question(
        id=f"{benchmark}-{problem.name}-{direction}",
        benchmark=benchmark,
        direction=direction,
        question=stem(problem, direction, wording, unknown) + (_WHICH if options else ""),
        options=options,
        gold=gold,
        kind=problem.relation.name,
    )


def supports(relation: Relation, answer_type: AnswerType) -> bool:
    """Return whether the relation's questions can have this answer type."""
    return {"integer": True, "expression": relation.is_proportional, "choice": relation.is_single}[answer_type]


def combination(relation: Relation, direction: Direction) -> str:
    """Return the right option of a choice about a relation of one operation."""
    forward = relation.steps[0].operation
    return COMBINED[forward if direction == "forward" else UNDO[forward]]


def question_text(question: Question) -> str:
    """Return the text that the model sees."""
    return format_question(question)


def parse_question(text: str) -> WorldQuestion:
    """Parse a question from its text; raise WorldError if it is not one of the world's."""
    text = text.strip()
    options: tuple[str, ...] = ()
    unknown = ""
    if line := _OPTIONS_LINE.search(text):
        options = tuple(option for _, option in _OPTION.findall(line[1]))
        text = text[: line.start()].removesuffix(_WHICH)
    if term := _IN_TERMS.search(text):
        unknown = term[1]
        text = text[: term.start()]
    for relation, direction, pattern in _patterns():
        if found := pattern.fullmatch(text):
            numbers = {name: _number(number, text) for name, number in found.groupdict().items()}
            leading, *others = relation.given(direction)
            letters = {name: letter for name, (_, letter) in numbers.items()}
            if letters != {leading: unknown, **dict.fromkeys(others, "")}:
                raise WorldError(
                    f"question {text!r}: its letters do not fit; only {leading} can be a multiple of a letter"
                )
            given = {name: number for name, (number, _) in numbers.items()}
            return WorldQuestion(relation, direction, given, unknown, options)
    raise WorldError(f"question {text[:200]!r} is not a question of the world; use another teacher")


def _number(text: str, question: str) -> tuple[int, str]:
    number, letter = re.fullmatch(r"(\d+)([xyz]?)", text).groups()  # type: ignore[union-attr]
    if int(number) == 0:
        raise WorldError(f"question {question!r}: a quantity is 0, but all quantities of the world are above zero")
    return int(number), letter


@cache
def _patterns() -> tuple[tuple[Relation, Direction, re.Pattern[str]], ...]:
    return tuple(
        (relation, direction, re.compile(_PLACEHOLDER.sub(r"(?P<\1>\\d+[xyz]?)", re.escape(wording))))
        for relation in RELATIONS
        for direction in DIRECTIONS
        for wording in relation.wordings(direction)
    )
