"""Records of data: examples, pairs, checks, paraphrases and benchmark questions."""

from collections.abc import Iterable
from pathlib import Path

from pydantic import Field

from r1k.errors import RecordError
from r1k.records.files import Record
from r1k.records.names import Direction, Split, Text, VerdictName


class Response(Record):
    """A response to a prompt: chain of thought and final answer."""

    reasoning: Text
    answer: Text


class TeacherMetadata(Record):
    """The provenance of a teacher's response."""

    model: Text
    prompts: dict[str, str] = Field(description="digest of each prompt's text, by prompt name")
    requests: list[str] = Field(description="keys of the requests in the journal, in the order they were sent")
    finish_reason: Text
    tokens: int | None = Field(default=None, description="completion tokens, as the server counts them")


class SFTExample(Record):
    """A question and its response, an example of SFT."""

    id: Text
    problem: Text = Field(description="shared by the forward and the reverse example of one problem")
    direction: Direction
    question: Text
    reasoning: Text | None = Field(
        description="null if the response is only an answer (the reverse questions of `revthink`)"
    )
    answer: Text
    gold: str | None = Field(default=None, description="gold answer, if known")
    kind: Text = Field(description="source of the problem: s1K's source_type, or the relation of the embedded world")
    grade: bool | None = Field(default=None, description="whether the answer was graded correct (s1K's deepseek_grade)")
    teacher_metadata: TeacherMetadata | None = None

    @property
    def response(self) -> Response | str:
        """Reasoning and answer, or only a text."""
        return self.answer if self.reasoning is None else Response(reasoning=self.reasoning, answer=self.answer)


class Example(SFTExample):
    """A question and its response with reasoning, in one direction (`s1k`, `r1k`, `mix`, `half`, `disjoint`)."""

    reasoning: Text

    @property
    def response(self) -> Response:
        """Reasoning and answer."""
        return Response(reasoning=self.reasoning, answer=self.answer)


class Check(Record):
    """Verdicts on whether a reverse example is a true inverse; null if neither rules nor judge decided."""

    problem: Text
    kind: Text
    answer_hidden: bool | None = Field(description="the reverse question does not state its own answer")
    asks_for_given: bool | None = Field(description="the forward question states what the reverse answer gives")
    uses_answer: bool | None = Field(description="the reverse question uses the forward answer as a premise")
    consistent: bool | None = Field(description="the reverse answer equals the premise that the reverse question omits")
    reached: bool | None = Field(
        description="the teacher's response is not truncated and has an answer that can be parsed"
    )
    distinct_question: bool | None = Field(
        description="the reverse question is not a near-duplicate of another question"
    )
    reasons: dict[VerdictName, Text] = Field(description="the evidence of each verdict")

    def passed(self, verdict: VerdictName) -> bool | None:
        """Return the verdict of that name."""
        found: bool | None = getattr(self, verdict)
        return found


class Pair(Record):
    """A preference pair: `chosen` reasons in the prompt's direction, `rejected` in the opposite direction."""

    id: Text
    problem: Text
    direction: Direction = Field(description="of the prompt")
    question: Text
    chosen: Response
    rejected: Response


class ProbePair(Pair):
    """A pair whose log-probabilities are tracked over training."""

    split: Split = Field(description="whether the probed runs train on the problem")


class Paraphrase(Record):
    """A probe response's reasoning, paraphrased by the teacher; the answer is unchanged."""

    problem: Text
    direction: Direction = Field(description="of the response")
    reasoning: Text
    whole: bool = Field(description="false if it covers only the start of the reasoning, as far as the probe reads")
    model: Text
    request: Text = Field(description="key of the request in the journal")

    @property
    def id(self) -> str:
        """Problem and direction."""
        return f"{self.problem}/{self.direction}"


class Question(Record):
    """A benchmark question."""

    id: Text
    benchmark: Text
    direction: Direction | None = Field(default=None, description="null if the benchmark does not mark it")
    question: Text
    options: list[Text] | None = Field(default=None, description="options in display order, for multiple choice")
    gold: Text = Field(description="gold answer: a number, an expression, or the letter of an option")
    kind: Text


def by_problem(path: Path, examples: Iterable[Example]) -> dict[str, Example]:
    """Return examples of one direction, by problem; raises RecordError if a problem occurs twice."""
    found: dict[str, Example] = {}
    for example in examples:
        if example.problem in found:
            raise RecordError(f"{path}: field 'problem': {example.problem!r} occurs twice; keep one of the two")
        found[example.problem] = example
    return found
