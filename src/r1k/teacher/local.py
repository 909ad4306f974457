"""The teachers that need no network: the world's own solver, and pairs that were recorded before."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

import r1k.world
from r1k.config import EmbeddedTeacher, OpenAITeacher, ReplayTeacher
from r1k.errors import RecordError, TeacherError, field_path
from r1k.files import directory_digest, file_digest
from r1k.records import Response, Text

Recorded = TypeVar("Found", str, Response)


class Answerer(Protocol):
    """Who answers behind the server. An R1kError says that it has no answer, and why."""

    @property
    def model(self) -> str:
        """The name that the answers go by; another one whenever the answers may differ."""

    def reverse_question(self, question: str, answer: str) -> str:
        """The reverse of a question with this final answer."""

    def solve(self, question: str) -> Response:
        """Chain of thought and answer."""

    def paraphrase(self, question: str, reasoning: str) -> str:
        """The reasoning to a question, in other words."""


class WorldAnswerer:
    """Turns the world's problems round and solves them; WorldError for a text that is none of them."""

    def __init__(self) -> None:
        self.model = f"world-{directory_digest(Path(r1k.world.__file__).parent, '*.py')[:16]}"

    def reverse_question(self, question: str, answer: str) -> str:
        """The inverse problem."""
        return r1k.world.invert(question, answer)

    def solve(self, question: str) -> Response:
        """Worked out step by step."""
        return r1k.world.solve(question)

    def paraphrase(self, question: str, reasoning: str) -> str:
        """The world's own reasoning, reworded."""
        return r1k.world.paraphrase(question, reasoning)


class RecordedPair(BaseModel):
    """The columns of a replayed file that are used; the others are let pass."""

    model_config = ConfigDict(extra="ignore")

    question: Text
    reverse_question: Text
    reverse_thinking: Text
    reverse_attempt: Text


class ReplayAnswerer:
    """Answers from a file of recorded pairs, by the exact text of a question; TeacherError for one it does not hold."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reverse: dict[str, str] = {}
        self._responses: dict[str, Response] = {}
        for number, pair in _pairs(path):
            response = Response(reasoning=pair.reverse_thinking, answer=pair.reverse_attempt)
            reverse_question = pair.reverse_question.strip()
            if self._reverse.setdefault(pair.question.strip(), reverse_question) != reverse_question:
                raise RecordError(f"{path}:{number}: field 'question': recorded before with another reverse; keep one")
            if self._responses.setdefault(reverse_question, response) != response:
                raise RecordError(
                    f"{path}:{number}: field 'reverse_question': recorded before with another response; keep one"
                )
        self.model = f"replay-{file_digest(path)[:16]}"

    def reverse_question(self, question: str, answer: str) -> str:
        """The recorded reverse question; the answer is not compared."""
        return self._look_up(self._reverse, "question", question)

    def solve(self, question: str) -> Response:
        """The recorded response to a reverse question."""
        return self._look_up(self._responses, "reverse_question", question)

    def paraphrase(self, question: str, reasoning: str) -> str:
        """There are none."""
        raise TeacherError(
            f"{self.path}: holds no paraphrases; leave them out of probe.tracked, or take another teacher"
        )

    def _look_up(self, recorded: Mapping[str, Recorded], column: str, question: str) -> Recorded:
        if question.strip() not in recorded:
            raise TeacherError(
                f"{self.path}: holds no row whose `{column}` is {question.strip()[:300]!r}; "
                "add one, or leave the problem out"
            )
        return recorded[question.strip()]


def _pairs(path: Path) -> list[tuple[int, RecordedPair]]:
    if not path.is_file():
        raise RecordError(f"{path}: no such file; correct teacher.path")
    pairs = []
    with path.open(encoding="utf-8") as handle:
        for number, line in enumerate(handle, start=1):
            try:
                pairs.append((number, RecordedPair.model_validate_json(line)))
            except ValidationError as error:
                first = error.errors()[0]
                where = f"field {field_path(first['loc'])!r}: " if first["loc"] else ""
                raise RecordError(f"{path}:{number}: {where}{first['msg']}; mend the line, or remove it") from error
    return pairs


def local_answerer(teacher: EmbeddedTeacher | ReplayTeacher | OpenAITeacher) -> Answerer:
    """Who answers for a teacher on loopback; TeacherError for one that is served elsewhere."""
    match teacher:
        case EmbeddedTeacher():
            return WorldAnswerer()
        case ReplayTeacher(path=path):
            return ReplayAnswerer(path)
        case OpenAITeacher(base_url=base_url):
            raise TeacherError(f"teacher.kind: openai is served at {base_url}; embedded and replay are served here")
