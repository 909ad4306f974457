"""Teachers that need no network: the world's own solver, and recorded pairs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

import r1k.world
from r1k.config import EmbeddedTeacher, OpenAITeacher, ReplayTeacher
from r1k.errors import RecordError, TeacherError, field_path
from r1k.files import directory_digest, file_digest
from r1k.records import Response, Text, iterate_lines

Recorded = TypeVar("Recorded", str, Response)


class Answerer(Protocol):
    """Computes the answers behind a loopback server. It raises R1kError, with the reason, if it has no answer."""

    @property
    def model(self) -> str:
        """The name of the model, which differs whenever the answers may differ."""

    def reverse_question(self, question: str, answer: str) -> str:
        """Return the reverse of a question with this final answer."""

    def solve(self, question: str) -> Response:
        """Return chain of thought and answer."""

    def paraphrase(self, question: str, reasoning: str) -> str:
        """Return the reasoning to a question in other words."""


class WorldAnswerer:
    """Inverts and solves the world's problems; raises WorldError for any other text."""

    def __init__(self) -> None:
        self.model = f"world-{directory_digest(Path(r1k.world.__file__).parent, '*.py')[:16]}"

    def reverse_question(self, question: str, answer: str) -> str:
        """Return the reverse question."""
        return r1k.world.invert(question, answer)

    def solve(self, question: str) -> Response:
        """Return the solution, step by step."""
        return r1k.world.solve(question)

    def paraphrase(self, question: str, reasoning: str) -> str:
        """Return a paraphrase of the world's own reasoning."""
        return r1k.world.paraphrase(question, reasoning)


class RecordedPair(BaseModel):
    """The columns that a replayed file needs; other columns are ignored."""

    model_config = ConfigDict(extra="ignore")

    question: Text
    reverse_question: Text
    reverse_thinking: Text
    reverse_attempt: Text


class ReplayAnswerer:
    """Returns recorded answers by the exact text of a question; raises TeacherError for any other question."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reverse: dict[str, str] = {}
        self._responses: dict[str, Response] = {}
        for number, pair in _pairs(path):
            response = Response(reasoning=pair.reverse_thinking, answer=pair.reverse_attempt)
            reverse_question = pair.reverse_question.strip()
            if self._reverse.setdefault(pair.question.strip(), reverse_question) != reverse_question:
                raise RecordError(
                    f"{path}:{number}: field 'question': recorded twice with different reverse questions; keep one"
                )
            if self._responses.setdefault(reverse_question, response) != response:
                raise RecordError(
                    f"{path}:{number}: field 'reverse_question': recorded twice with different responses; keep one"
                )
        self.model = f"replay-{file_digest(path)[:16]}"

    def reverse_question(self, question: str, answer: str) -> str:
        """Return the recorded reverse question; the answer is not compared."""
        return self._look_up(self._reverse, "question", question)

    def solve(self, question: str) -> Response:
        """Return the recorded response to a reverse question."""
        return self._look_up(self._responses, "reverse_question", question)

    def paraphrase(self, question: str, reasoning: str) -> str:
        """Raise TeacherError: recordings have no paraphrases."""
        raise TeacherError(f"{self.path}: holds no paraphrases; remove them from probe.tracked, or use another teacher")

    def _look_up(self, recorded: Mapping[str, Recorded], column: str, question: str) -> Recorded:
        if question.strip() not in recorded:
            raise TeacherError(
                f"{self.path}: holds no row whose `{column}` is {question.strip()[:300]!r}; "
                "add one, or remove the problem"
            )
        return recorded[question.strip()]


def _pairs(path: Path) -> list[tuple[int, RecordedPair]]:
    if not path.exists():
        raise RecordError(f"{path}: no such file; correct teacher.path")
    pairs = []
    for number, line in iterate_lines(path):
        try:
            pairs.append((number, RecordedPair.model_validate_json(line)))
        except ValidationError as error:
            first = error.errors()[0]
            where = f"field {field_path(first['loc'])!r}: " if first["loc"] else ""
            raise RecordError(f"{path}:{number}: {where}{first['msg']}; correct or remove the line") from error
    return pairs


def local_answerer(teacher: EmbeddedTeacher | ReplayTeacher | OpenAITeacher) -> Answerer:
    """Return the answerer of a teacher on loopback; raise TeacherError for a remote teacher."""
    match teacher:
        case EmbeddedTeacher():
            return WorldAnswerer()
        case ReplayTeacher(path=path):
            return ReplayAnswerer(path)
        case OpenAITeacher(base_url=base_url):
            raise TeacherError(
                f"teacher.kind: openai is served at {base_url}; only embedded and replay teachers are served locally"
            )
