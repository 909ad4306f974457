"""Records of the evaluation: answers, verdicts and scores."""

from pydantic import Field

from r1k.records.files import Record
from r1k.records.names import Direction, Text


class Sample(Record):
    """What a model generated for a benchmark question."""

    id: Text = Field(description="of the question")
    benchmark: Text
    sample: int = Field(default=0, ge=0, description="index among the answers to the question, from 0")
    prompt: Text = Field(description="as given to the model, chat template included")
    completion: str
    tokens: int = Field(ge=0)
    truncated: bool = Field(description="the answer reached the limit of new tokens before its end")
    seed: int | None = Field(default=None, ge=0, description="of sampling; null for a greedy answer")


class JudgeVerdict(Record):
    """A judge model's verdict on an answer; all equal answers to a question share it."""

    question: Text = Field(description="its id")
    gold: Text
    extracted: Text
    equivalent: bool | None = Field(description="null: the judge gave no verdict")
    rationale: str = Field(description="the judge's words, after what is wrong with them; or why it was not asked")
    request: str | None = Field(default=None, description="key of the request in the journal; null: not asked")


class Graded(Record):
    """A verdict on a sample. An answer that cannot be parsed is wrong, never a default answer."""

    id: Text = Field(description="of the question")
    benchmark: Text
    sample: int = Field(default=0, ge=0, description="index among the answers to the question, from 0")
    direction: Direction | None
    gold: Text
    extracted: str | None
    correct: bool = Field(description="by the grader of the config")
    rule: Text = Field(
        description="what decided: integer, letter, math-verify, text, judge; and against the answer: unparsed, "
        "timeout (of the rules), undecided (no verdict of the judge)"
    )
    rules: bool | None = Field(default=None, description="whether the rules accept it, whoever decides")
    judge: bool | None = Field(default=None, description="whether the judge accepts it; null: not asked, or no verdict")
    judge_rationale: str | None = Field(default=None, description="the judge's words; null: not asked")
    last_number: str | None = Field(description="the last number of the completion, whatever its format")
    last_number_correct: bool | None = Field(description="null where the gold answer is not a number")
    truncated: bool


class Tally(Record):
    """Counts over questions, with the accuracy's Wilson interval at 95 %."""

    n: int = Field(ge=1)
    correct: int = Field(ge=0)
    unparsed: int = Field(ge=0)
    truncated: int = Field(ge=0)
    last_number_correct: int | None = Field(description="null where the gold answers are not numbers")
    accuracy: float = Field(ge=0, le=1)
    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)


class Score(Record):
    """A run's result on a benchmark: over all questions, and by direction where the benchmark marks it."""

    run: Text
    seed: int
    benchmark: Text
    all: Tally
    forward: Tally | None = None
    reverse: Tally | None = None
