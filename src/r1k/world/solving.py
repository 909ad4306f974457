"""The world's own teacher: solve, invert and paraphrase questions, given only their texts."""

import hashlib
import random
import re
from collections.abc import Sequence

from r1k.records import Response
from r1k.text import OPTION_LETTERS
from r1k.world.relations import Equation, Problem, WorldError
from r1k.world.wording import WorldQuestion, combination, make_question, parse_question, question_text, supports

_BOXED = re.compile(r"\\boxed\{([^{}]*)\}")


def solve(question: str) -> Response:
    """Return chain of thought and answer for a question of the world, in either direction and of any answer type.

    The text may contain options in the format of `r1k.text.format_question`. Raises WorldError if the question cannot
    be parsed, has no whole-number answer, or offers no right option.
    """
    asked = parse_question(question)
    target, number, worked = _worked(asked)
    law = _law(asked)
    conclusion = f"So the {target} is {number}"
    if asked.options:
        combined, letter = _chosen(asked)
        chosen = choosing_text(asked.options, combined)
        return Response(
            reasoning=f"{law} {_premises(asked)} {worked} {conclusion}, the {combined}. {chosen}",
            answer=boxed(letter),
        )
    return Response(reasoning=f"{law} {_premises(asked)} {worked} {conclusion}.", answer=boxed(number))


def invert(question: str, answer: str) -> str:
    """Return the reverse question of a forward one, given its final answer.

    The reverse question states the conclusion and asks for a premise. It has the same answer type, with its own options
    for a choice. Raises WorldError if the question is not a forward question of the world, or the answer is wrong.
    """
    asked = parse_question(question)
    if asked.direction != "forward":
        raise WorldError(f"question {question!r} is already a reverse question; invert only forward questions")
    found = _BOXED.findall(answer)
    stated = found[-1] if found else answer.removeprefix("Answer:").strip()
    right = _BOXED.findall(solve(question).answer)[-1]
    if stated != right:
        raise WorldError(f"question {question!r}: the answer {stated!r} is wrong, so that no true inverse exists")
    problem = Problem(asked.relation, tuple(asked.given[name] for name in asked.relation.ranges))
    rng = random.Random(hashlib.sha256(question.encode()).hexdigest())
    return question_text(make_question(problem, "reverse", asked.answer_type, rng, "inverse"))


def paraphrase(question: str, reasoning: str) -> str:
    """Return the reasoning of `solve` for a question, with the same steps in other words.

    The words occur in questions and in the pretraining text. Raises WorldError for any other reasoning.
    """
    if reasoning.strip() != solve(question).reasoning:
        raise WorldError(f"question {question[:200]!r}: the reasoning {reasoning[:200]!r} is not the world's own")
    asked = parse_question(question)
    target, number, worked = _worked(asked)
    subject, _, rule = _law(asked).removesuffix(".").partition(" is ")
    law = f"{rule[0].upper()}{rule[1:]} is {subject[0].lower()}{subject[1:]}."
    given = [f"{_with_article(name)} of {number}" for name, number in _given(asked)]
    paraphrased = f"{law} With {', '.join(given)}. {worked} {number} is the {target}."
    if not asked.options:
        return paraphrased
    combined, _ = _chosen(asked)
    return f"{paraphrased} It is the {combined}. {choosing_text(asked.options, combined)}"


def boxed(answer: str) -> str:
    """Return an answer in the format of all answers."""
    return f"\\boxed{{{answer}}}"


def equation_text(equation: Equation, unknown: str = "") -> str:
    """Return an equation such as `7x*8=56x.`, without spaces to save tokens."""
    return f"{equation.left}{unknown}{equation.operation}{equation.right}={equation.result}{unknown}."


def choosing_text(options: Sequence[str], right: str) -> str:
    """Return the options up to the right one: `A is the sum, B is the product.`

    A small model learns the step from a letter to its option, but not the step from an option back to its letter within
    the available training time.
    """
    looked_at = zip(OPTION_LETTERS, options[: options.index(right) + 1], strict=False)
    return ", ".join(f"{letter} is the {option}" for letter, option in looked_at) + "."


def _worked(asked: WorldQuestion) -> tuple[str, str, str]:
    """Return the target, its number, and the equations that lead to it."""
    equations = asked.relation.derive(asked.given, asked.direction)
    worked = " ".join(equation_text(equation, asked.unknown) for equation in equations)
    return _words(asked.relation.target(asked.direction)), f"{equations[-1].result}{asked.unknown}", worked


def _law(asked: WorldQuestion) -> str:
    return asked.relation.law if asked.direction == "forward" else asked.relation.inverse_law


def _premises(asked: WorldQuestion) -> str:
    stated = [f"the {name} is {number}" for name, number in _given(asked)]
    sentence = f"{', '.join(stated[:-1])} and {stated[-1]}."
    return sentence[0].upper() + sentence[1:]


def _given(asked: WorldQuestion) -> list[tuple[str, str]]:
    """Return the given quantities, in words, with their numbers; only the first can be a multiple of a letter."""
    leading, *others = asked.relation.given(asked.direction)
    first = (_words(leading), f"{asked.given[leading]}{asked.unknown}")
    return [first, *((_words(name), str(asked.given[name])) for name in others)]


def _chosen(asked: WorldQuestion) -> tuple[str, str]:
    """Return the right option and its letter."""
    if not supports(asked.relation, "choice"):
        raise WorldError(f"the law of {asked.relation.name} takes several steps, so that it cannot be a choice")
    right = combination(asked.relation, asked.direction)
    if right not in asked.options:
        raise WorldError(f"none of the options {', '.join(asked.options)} is {right}; one must be right")
    return right, OPTION_LETTERS[asked.options.index(right)]


def _with_article(name: str) -> str:
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _words(name: str) -> str:
    return name.replace("_", " ")
