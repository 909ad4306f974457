"""Judges on loopback, behind the server whose faults the teacher's tests inject, for tests that need verdicts.

They say nothing about how well gpt-4o-mini judges.
"""

import re
from collections.abc import Mapping

from faulty_teacher import KEY_VARIABLE, FaultyServer

from r1k.config import Client, Judge
from r1k.evaluate.extract import plain
from r1k.evaluate.judge import PROMPT
from r1k.records import Response

SETTING = re.compile(r"\\(?:[dt]frac|left|right|[,;:! ])|[\s{}$]")


class LiteralJudge:
    """Accepts answers that are equal up to case, spaces, braces and LaTeX layout commands."""

    model = "literal"

    def solve(self, question: str) -> Response:
        slots = PROMPT.parse(question)
        assert slots is not None, "this judge reads its own prompt alone"
        word = "yes" if self.same(**slots) else "no"
        return Response(reasoning="by comparison", answer=f"The one is {slots['given']}.\n\nVerdict: {word}")

    def same(self, question: str, gold: str, given: str) -> bool:
        return compact(gold) == compact(given)


class InfallibleJudge(LiteralJudge):
    """Knows the truth for each question's answer, by the question without its options."""

    model = "infallible"

    def __init__(self, truth: Mapping[str, bool]) -> None:
        self._truth = truth

    def same(self, question: str, gold: str, given: str) -> bool:
        return self._truth[re.split(r"\sA\)", question)[0]]


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
