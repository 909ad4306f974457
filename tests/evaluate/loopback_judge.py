"""Judges on loopback, behind the server that the teacher's tests make fail, for what needs a judge's verdicts here.

Neither says anything of how well gpt-4o-mini judges.
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
    """Finds answers equivalent that are one when case, spaces, braces and what only sets LaTeX are left out."""

    model = "literal"

    def solve(self, question: str) -> Response:
        slots = PROMPT.parse(question)
        assert slots is not None, "this judge reads its own prompt alone"
        word = "yes" if self.same(**slots) else "no"
        return Response(reasoning="as told", answer=f"The one is {slots['given']}.\n\nVerdict: {word}")

    def same(self, question: str, gold: str, given: str) -> bool:
        return squeezed(gold) == squeezed(given)


class InfallibleJudge(LiteralJudge):
    """Knows the truth of each question's answer, by the question without its options."""

    model = "infallible"

    def __init__(self, truth: Mapping[str, bool]) -> None:
        self._truth = truth

    def same(self, question: str, gold: str, given: str) -> bool:
        return self._truth[re.split(r"\sA\)", question)[0]]


def judge_server(answerer: LiteralJudge) -> FaultyServer:
    """A server of this judge, not yet running."""
    server = FaultyServer()
    server.answerer = answerer
    return server


def judge_at(server: FaultyServer, **changes: object) -> Judge:
    """The config's section; `changes` are keys of it, or of its `asking`."""
    asking = {"concurrency": 4, "timeout": 20} | {
        key: changes.pop(key) for key in set(changes) & set(Client.model_fields)
    }
    place = {"base_url": server.url, "model": server.answerer.model, "api_key_env": KEY_VARIABLE}
    return Judge(**(place | changes), client=asking)


def squeezed(answer: str) -> str:
    return SETTING.sub("", plain(answer.replace("\\dfrac", "\\frac"))).casefold()
