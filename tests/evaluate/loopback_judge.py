"""Judges on loopback, behind the server whose faults the teacher's tests inject, for tests that need verdicts.

They say nothing about how well gpt-4o-mini judges.
"""

import re
from collections.abc import Mapping

from faulty_teacher import KEY_VARIABLE, FaultyServer

from r1k.config import Client, Judge
from r1k.evaluate.extract import plain
from r1k.evaluate.judge import LETTER_PROMPT, PROMPT
from r1k.records import Response

SETTING = re.compile(r"\\(?:[dt]frac|left|right|[,;:! ])|[\s{}$]")
OPTION = re.compile(r"\s([A-J])\) ")


class LiteralJudge:
    """Accepts answers that are equal up to case, spaces, braces and LaTeX layout commands, to the right answer or, for
    multiple choice, to a letter; or that state one option's text."""

    model = "literal"

    def solve(self, question: str) -> Response:
        slots = LETTER_PROMPT.parse(question)
        if slots is not None:
            verdict = f"Letter: {self.letter(**slots) or 'none'}"
        else:
            slots = PROMPT.parse(question)
            assert slots is not None, "this judge reads its own prompts alone"
            verdict = f"Verdict: {'yes' if self.same(**slots) else 'no'}"
        return Response(reasoning="by comparison", answer=f"The one is {slots['given']}.\n\n{verdict}")

    def same(self, question: str, gold: str, given: str) -> bool:
        return compact(gold) == compact(given)

    def letter(self, question: str, given: str) -> str | None:
        _, *found = OPTION.split(question)
        options = dict(zip(found[::2], found[1::2], strict=True))
        answer = compact(given)
        same = [letter for letter, text in options.items() if answer == letter.casefold() or compact(text) in answer]
        return same[0] if len(same) == 1 else None


class InfallibleJudge(LiteralJudge):
    """Knows the truth for each question's answer, and each question's gold answer, by the question without options."""

    model = "infallible"

    def __init__(self, truth: Mapping[str, bool], golds: Mapping[str, str]) -> None:
        self._truth, self._golds = truth, golds

    def same(self, question: str, gold: str, given: str) -> bool:
        return self._truth[question]

    def letter(self, question: str, given: str) -> str | None:
        bare = OPTION.split(question)[0]
        return self._golds[bare] if self._truth[bare] else None


def judge_server(answerer: LiteralJudge) -> FaultyServer:
    """Return a server of this judge, not started yet."""
    server = FaultyServer()
    server.answerer = answerer
    return server


def judge_at(server: FaultyServer, **overrides: object) -> Judge:
    """Return the config's section; `overrides` are keys of it or of its `client`."""
    client = {"concurrency": 4, "timeout": 20} | {
        key: overrides.pop(key) for key in set(overrides) & set(Client.model_fields)
    }
    place = {"base_url": server.url, "model": server.answerer.model, "api_key_env": KEY_VARIABLE}
    return Judge(**(place | overrides), client=client)


def compact(answer: str) -> str:
    return SETTING.sub("", plain(answer.replace("\\dfrac", "\\frac"))).casefold()
