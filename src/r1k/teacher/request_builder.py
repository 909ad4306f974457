"""Build the requests to a teacher: a reverse question, its solution, and a paraphrase of reasoning."""

from collections.abc import Mapping
from dataclasses import dataclass

from r1k.config import EmbeddedTeacher, OpenAITeacher, ReplayTeacher
from r1k.records import Example
from r1k.teacher.journal import ChatMessage, Request
from r1k.teacher.local import local_answerer
from r1k.teacher.templates import PARAPHRASE, REVERSE_QUESTION, SOLVE, Template


@dataclass(frozen=True)
class RequestBuilder:
    """Builds the requests to one teacher."""

    model: str
    sampling: Mapping[str, float]

    def reverse_question(self, example: Example) -> Request:
        """Return the request for a reverse question, given the forward question and its final answer."""
        return self._request(REVERSE_QUESTION, question=example.question, answer=example.answer)

    def solve(self, reverse_question: str) -> Request:
        """Return the request for reasoning and answer, given only the reverse question."""
        return self._request(SOLVE, question=reverse_question)

    def paraphrase(self, question: str, reasoning: str) -> Request:
        """Return the request for a question's reasoning in other words."""
        return self._request(PARAPHRASE, question=question, reasoning=reasoning)

    def _request(self, template: Template, **slots: str) -> Request:
        return Request(
            prompt_name=template.name,
            prompt_digest=template.digest,
            model=self.model,
            messages=[ChatMessage(content=template.render(**slots))],
            sampling=dict(self.sampling),
        )


def make_request_builder(teacher: EmbeddedTeacher | ReplayTeacher | OpenAITeacher) -> RequestBuilder:
    """Return the request builder of a configured teacher."""
    if isinstance(teacher, OpenAITeacher):
        return RequestBuilder(
            teacher.model, {} if teacher.temperature is None else {"temperature": teacher.temperature}
        )
    return RequestBuilder(local_answerer(teacher).model, {})
