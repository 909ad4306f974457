"""Records of evaluation: answers, verdicts and scores."""

from pydantic import Field

from r1k.records.files import Record
from r1k.records.names import Direction, Text


class Sample(Record):
    """What a model generated for a benchmark question."""

    id: Text = Field(description="id of the question")
    benchmark: Text
    sample: int = Field(default=0, ge=0, description="index among the answers to the question, from 0")
    prompt: Text = Field(description="the model's input, chat template included")
    completion: str
    tokens: int = Field(ge=0, description="tokens of the answer")
    truncated: bool = Field(description="the answer reached the limit of new tokens before its end")
    seed: int | None = Field(default=None, ge=0, description="seed of sampling; null for a greedy answer")


class JudgeVerdict(Record):
    """A judge model's verdict on an answer; equal answers to a question share one verdict.

    The judge compares the answer with the gold answer. For a multiple-choice question it reads the letter from the
    answer instead, and does not know the gold answer.
    """

    question: Text = Field(description="id of the question")
    gold: Text
    extracted: Text = Field(description="the text that the judge got")
    equivalent: bool | None = Field(
        description="whether the answer, or the letter read from it, is the gold answer; null if the judge gave no "
        "verdict"
    )
    letter: str | None = Field(
        default=None,
        description="multiple choice: the option that the answer picks; null if it picks none, and without a verdict",
    )
    rationale: str = Field(
        description="the judge's answer, after an error if it is unusable; or the reason for not calling the judge"
    )
    request: str | None = Field(
        default=None, description="key of the request in the journal; null if the judge was not called"
    )


class Graded(Record):
    """The grade of an answer. An answer that cannot be read is wrong; there is no default answer."""

    id: Text = Field(description="id of the question")
    benchmark: Text
    sample: int = Field(default=0, ge=0, description="index among the answers to the question, from 0")
    direction: Direction | None
    gold: Text
    extracted: str | None = Field(
        description="the text that the configured grader graded, or the letter that the judge read from it; null if "
        "nothing was extracted"
    )
    correct: bool = Field(description="verdict of the configured grader")
    rule: Text = Field(
        description="what decided: integer, letter, expression, text, judge; or why the answer counts as wrong: "
        "unparsed, timeout (of the rules), undecided (no verdict of the judge)"
    )
    rules: bool | None = Field(
        default=None,
        description="whether the rules accept the answer, also if the judge decides; null if they cannot read the gold "
        "answer",
    )
    rules_rule: Text | None = Field(
        default=None, description="what decided by the rules, as in `rule`, or unparsed_gold"
    )
    judge: bool | None = Field(default=None, description="whether the judge accepts the answer; null without a verdict")
    judge_rationale: str | None = Field(default=None, description="the judge's answer; null if it was not called")
    last_number: str | None = Field(description="last number of the completion, in any format")
    last_number_correct: bool | None = Field(description="null if the gold answer is not a number")
    truncated: bool


class Tally(Record):
    """Counts over answers, and accuracy with its 95 % Wilson interval."""

    n: int = Field(ge=1)
    correct: int = Field(ge=0)
    unparsed: int = Field(ge=0, description="answers from which the grader could not read an answer")
    unread: int = Field(default=0, ge=0, description="those of them from which nothing was extracted")
    timed_out: int = Field(default=0, ge=0, description="answers on which the rules ran out of time")
    undecided: int = Field(default=0, ge=0, description="answers without a needed verdict of the judge")
    unparsed_gold: int = Field(default=0, ge=0, description="answers whose gold answer the rules cannot read")
    truncated: int = Field(ge=0)
    last_number_correct: int | None = Field(description="null if the gold answers are not numbers")
    accuracy: float = Field(ge=0, le=1)
    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)


class Score(Record):
    """A run's result on a benchmark: over all questions, and by direction if the benchmark marks it."""

    run: Text
    seed: int
    benchmark: Text
    all: Tally
    forward: Tally | None = None
    reverse: Tally | None = None
