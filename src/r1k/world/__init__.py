"""The embedded default: invertible quantitative problems with exact answers, their reasoning and their inverses.

Questions have the answer types of the paper's benchmarks: an integer (AIME), a boxed expression (MATH500: a multiple of
a letter), or one of four options (GPQA). Training, pretraining and the benchmarks of each answer type draw from
disjoint pools of problems; a problem and its inverse count as one problem.
"""

import random

from r1k.records import DIRECTIONS, Example, Question
from r1k.text import OPTION_LETTERS
from r1k.world.corpus import documents, numbers
from r1k.world.pools import draw
from r1k.world.relations import Problem, WorldError
from r1k.world.solving import invert, paraphrase, solve
from r1k.world.wording import ANSWER_TYPES, AnswerType, make_question, question_text, supports

__all__ = [
    "ANSWER_TYPES",
    "AnswerType",
    "WorldError",
    "documents",
    "forward_examples",
    "invert",
    "numbers",
    "paraphrase",
    "questions",
    "solve",
]


def forward_examples(problems: int, seed: int) -> list[Example]:
    """Return forward examples of `problems` training problems, whose answer types alternate.

    Raises WorldError if the training pool holds fewer problems.
    """
    rng = random.Random(f"examples:{seed}")
    drawn = draw("training", problems, str(seed))
    return [_example(problem, ANSWER_TYPES[place % len(ANSWER_TYPES)], rng) for place, problem in enumerate(drawn)]


def questions(
    benchmark: str, answer_type: AnswerType, per_direction: int, seed: int, shuffle_seed: int
) -> list[Question]:
    """Return a benchmark of `per_direction` problems, each asked in both directions, forward questions first.

    Benchmarks of one answer type draw from one pool; benchmarks of different answer types, and training, share no
    problem. `shuffle_seed` decides only the order of the options. Raises WorldError if the pool holds fewer problems.
    """
    drawn = draw(answer_type, per_direction, str(seed))
    rng = random.Random(f"questions:{seed}")
    found = [
        make_question(problem, direction, answer_type, rng, benchmark) for direction in DIRECTIONS for problem in drawn
    ]
    return [_shuffled(question, shuffle_seed) for question in found]


def _example(problem: Problem, answer_type: AnswerType, rng: random.Random) -> Example:
    supported = answer_type if supports(problem.relation, answer_type) else "integer"
    question = make_question(problem, "forward", supported, rng, "training")
    text = question_text(question)
    response = solve(text)
    return Example(
        id=f"{problem.name}-forward",
        problem=problem.name,
        direction="forward",
        question=text,
        reasoning=response.reasoning,
        answer=response.answer,
        gold=question.gold,
        kind=problem.relation.name,
    )


def _shuffled(question: Question, seed: int) -> Question:
    if question.options is None:
        return question
    right = question.options[OPTION_LETTERS.index(question.gold)]
    options = sorted(question.options)
    random.Random(f"options:{seed}:{question.id}").shuffle(options)
    return question.model_copy(update={"options": options, "gold": OPTION_LETTERS[options.index(right)]})
