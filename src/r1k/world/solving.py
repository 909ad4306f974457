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
    parsed = parse_question(question)
    target, number, derivation = _derivation(parsed)
    law = _law(parsed)
    conclusion = f"So the {target} is {number}"
    if parsed.options:
        combined, letter = _chosen(parsed)
        chosen = choosing_text(parsed.options, combined)
        return Response(
            reasoning=f"{law} {_premises(parsed)} {derivation} {conclusion}, the {combined}. {chosen}",
            answer=boxed(letter),
        )
    return Response(reasoning=f"{law} {_premises(parsed)} {derivation} {conclusion}.", answer=boxed(number))


def invert(question: str, answer: str) -> str:
    """Return the reverse question of a forward one, given its final answer.

    The reverse question states the conclusion and asks for a premise. It has the same answer type, with its own options
    for a choice. Raises WorldError if the question is not a forward question of the world, or the answer is wrong.
    """
    parsed = parse_question(question)
    if parsed.direction != "forward":
        raise WorldError(f"question {question!r} is already a reverse question; invert only forward questions")
    found = _BOXED.findall(answer)
    stated = found[-1] if found else answer.removeprefix("Answer:").strip()
    right = _BOXED.findall(solve(question).answer)[-1]
    if stated != right:
        raise WorldError(f"question {question!r}: the answer {stated!r} is wrong, so that no true inverse exists")
    problem = Problem(parsed.relation, tuple(parsed.given[name] for name in parsed.relation.ranges))
    rng = random.Random(hashlib.sha256(question.encode()).hexdigest())
    return question_text(make_question(problem, "reverse", parsed.answer_type, rng, "inverse"))


def paraphrase(question: str, reasoning: str) -> str:
    """Return the reasoning of `solve` for a question, with the same steps in other words.

    The words occur in questions and in the pretraining text. Raises WorldError for any other reasoning.
    """
    if reasoning.strip() != solve(question).reasoning:
        raise WorldError(f"question {question[:200]!r}: the reasoning {reasoning[:200]!r} is not the world's own")
    parsed = parse_question(question)
    target, number, derivation = _derivation(parsed)
    subject, _, rule = _law(parsed).removesuffix(".").partition(" is ")
    law = f"{rule[0].upper()}{rule[1:]} is {subject[0].lower()}{subject[1:]}."
    given = [f"{_with_article(name)} of {number}" for name, number in _given(parsed)]
    paraphrased = f"{law} With {', '.join(given)}. {derivation} {number} is the {target}."
    if not parsed.options:
        return paraphrased
    combined, _ = _chosen(parsed)
    return f"{paraphrased} It is the {combined}. {choosing_text(parsed.options, combined)}"


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


def _derivation(parsed: WorldQuestion) -> tuple[str, str, str]:
    """Return the target, its number, and the equations that lead to it."""
    equations = parsed.relation.derive(parsed.given, parsed.direction)
    derivation = " ".join(equation_text(equation, parsed.unknown) for equation in equations)
    return _words(parsed.relation.target(parsed.direction)), f"{equations[-1].result}{parsed.unknown}", derivation


def _law(parsed: WorldQuestion) -> str:
    return parsed.relation.law if parsed.direction == "forward" else parsed.relation.inverse_law


def _premises(parsed: WorldQuestion) -> str:
    stated = [f"the {name} is {number}" for name, number in _given(parsed)]
    sentence = f"{', '.join(stated[:-1])} and {stated[-1]}."
    return sentence[0].upper() + sentence[1:]


def _given(parsed: WorldQuestion) -> list[tuple[str, str]]:
    """Return the given quantities, in words, with their numbers; only the first can be a multiple of a letter."""
    leading, *others = parsed.relation.given(parsed.direction)
    first = (_words(leading), f"{parsed.given[leading]}{parsed.unknown}")
    return [first, *((_words(name), str(parsed.given[name])) for name in others)]


def _chosen(parsed: WorldQuestion) -> tuple[str, str]:
    """Return the right option and its letter."""
    if not supports(parsed.relation, "choice"):
        raise WorldError(f"the law of {parsed.relation.name} takes several steps, so that it cannot be a choice")
    right = combination(parsed.relation, parsed.direction)
    if right not in parsed.options:
        raise WorldError(f"none of the options {', '.join(parsed.options)} is {right}; one must be right")
    return right, OPTION_LETTERS[parsed.options.index(right)]


def _with_article(name: str) -> str:
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _words(name: str) -> str:
    return name.replace("_", " ")
