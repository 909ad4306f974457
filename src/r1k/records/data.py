"""Records of the data: examples, pairs, checks, paraphrases and benchmark questions."""

from collections.abc import Iterable
from pathlib import Path

from pydantic import Field

from r1k.errors import RecordError
from r1k.records.files import Record
from r1k.records.names import Direction, Split, Text, VerdictName


class Response(Record):
    """A response to a prompt: a chain of thought and the answer that it reaches."""

    reasoning: Text
    answer: Text


class TeacherMetadata(Record):
    """Where a teacher's response came from."""

    model: Text
    prompts: dict[str, str] = Field(description="prompt name to the digest of its text")
    requests: list[str] = Field(description="digests of the journalled requests, in the order they were sent")
    finish_reason: Text
    tokens: int | None = Field(default=None, description="completion tokens that the server counted")


class SFTExample(Record):
    """A question and its response: what SFT reads."""

    id: Text
    problem: Text = Field(description="shared by the forward and the reverse example of one problem")
    direction: Direction
    question: Text
    reasoning: Text | None = Field(
        description="null: the response is the answer alone (the reverse questions of `revthink`)"
    )
    answer: Text
    gold: str | None = Field(default=None, description="the gold answer, where one is known")
    kind: Text = Field(description="where the problem is from: s1K's source_type, or the world's relation")
    grade: bool | None = Field(default=None, description="whether the answer was graded correct (s1K's deepseek_grade)")
    teacher_metadata: TeacherMetadata | None = None

    @property
    def response(self) -> Response | str:
        """Reasoning and answer, or a text alone."""
        return self.answer if self.reasoning is None else Response(reasoning=self.reasoning, answer=self.answer)


class Example(SFTExample):
    """A question with its reasoned response, in one direction (`s1k`, `r1k`, `mix`, `half`, `disjoint`)."""

    reasoning: Text

    @property
    def response(self) -> Response:
        """Reasoning and answer."""
        return Response(reasoning=self.reasoning, answer=self.answer)


class Check(Record):
    """Whether a reverse example is a true inverse. Null: neither the rules nor the judge could decide."""

    problem: Text
    kind: Text
    answer_hidden: bool | None = Field(description="the reverse question does not state its own answer")
    asks_for_given: bool | None = Field(description="the forward question states what the reverse answer gives")
    uses_answer: bool | None = Field(description="the forward answer is a premise of the reverse question")
    consistent: bool | None = Field(description="the reverse answer is the premise that the reverse question left out")
    reached: bool | None = Field(
        description="the teacher's response ended by itself, with an answer that can be parsed"
    )
    distinct_question: bool | None = Field(description="the reverse question is no near-duplicate of another question")
    reasons: dict[VerdictName, Text] = Field(description="the evidence of each verdict")

    def passed(self, verdict: VerdictName) -> bool | None:
        """Return one verdict, by its name."""
        found: bool | None = getattr(self, verdict)
        return found


class Pair(Record):
    """A preference: `chosen` is the response of the prompt's own direction, `rejected` that of the other direction."""

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
    """The reasoning of a probe response in the teacher's words; the response's answer stays as it is."""

    problem: Text
    direction: Direction = Field(description="of the response")
    reasoning: Text
    whole: bool = Field(description="false: it covers the start of the reasoning, which is all that the probe reads")
    model: Text
    request: Text = Field(description="its key in the journal")

    @property
    def id(self) -> str:
        """Problem and direction."""
        return f"{self.problem}/{self.direction}"


class Question(Record):
    """A benchmark question."""

    id: Text
    benchmark: Text
    direction: Direction | None = Field(default=None, description="where the benchmark marks it")
    question: Text
    options: list[Text] | None = Field(default=None, description="in the order shown, for multiple choice")
    gold: Text = Field(description="the gold answer: a number, an expression, or the letter of an option")
    kind: Text


def by_problem(path: Path, examples: Iterable[Example]) -> dict[str, Example]:
    """Examples of one direction by problem; RecordError where a problem comes twice."""
    found: dict[str, Example] = {}
    for example in examples:
        if example.problem in found:
            raise RecordError(f"{path}: field 'problem': {example.problem!r} comes twice; keep one of the two")
        found[example.problem] = example
    return found
