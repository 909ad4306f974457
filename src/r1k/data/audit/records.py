"""Records of the audit: an overlap, the facts of an example, and the summary."""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from r1k.errors import RecordError
from r1k.intervals import Interval
from r1k.records import Direction, Record, Text, iterate_jsonl

OverlapPlace = Literal["question", "response"]
End = Literal["first", "last"]


class Overlap(Record):
    """An overlap of an example with a benchmark question: at least an 8-gram, or all words of a shorter question.

    `r1k.data.audit.contamination` defines words and 8-grams.
    """

    problem: Text
    direction: Direction
    where: OverlapPlace = Field(description="in the example's question, or in its response (reasoning, answer)")
    benchmark: Text
    question: Text = Field(description="id of the benchmark question")
    ngrams: int = Field(ge=0, description="distinct 8-grams of the benchmark question that the example contains")
    question_ngrams: int = Field(ge=0, description="distinct 8-grams of the benchmark question")
    longest: int = Field(ge=1, description="words of the longest common sequence")
    words: int = Field(
        ge=1, description="words of the benchmark question; equal to `longest` if the example contains all of it"
    )
    exact: bool = Field(description="the example's question is the benchmark question, word for word")
    text: Text | None = Field(
        description="the longest common sequence, in lower case; null if the benchmark is not redistributable"
    )

    @property
    def id(self) -> str:
        """Problem, direction, place and benchmark question."""
        return f"{self.problem}/{self.direction}/{self.where}/{self.question}"


class ExampleFacts(Record):
    """Lengths and format of an example. Lengths are in tokens, as in training before truncation."""

    id: Text = Field(description="of the example")
    problem: Text
    direction: Direction
    kind: Text
    grade: bool | None
    prompt: int = Field(gt=0, description="tokens of the prompt, chat template included")
    response: int = Field(gt=0, description="tokens of the response, separators and end of turn included")
    answer: int = Field(gt=0, description="tokens of the response from the answer's separator on")
    boxed: bool = Field(description=r"the answer holds a complete \boxed{…}")
    says_answer: bool = Field(description="the answer holds `Answer:`")
    starts_with_answer: bool = Field(description="the answer starts with `Answer:`")
    trained_with_answer: bool = Field(
        description="the same in training, which puts `Answer: ` before an answer without it"
    )
    stray_marks: list[str] = Field(
        description="reasoning tags and special tokens, such as `</think>`, as text in question, reasoning or answer"
    )
    ascii: float = Field(ge=0, le=1, description="share of ASCII among all characters of question, reasoning, answer")
    scripts: dict[str, int] = Field(description="their letters by script, the first word of a letter's Unicode name")


class Share(Record):
    """A count out of `n`."""

    count: int = Field(ge=0)
    n: int = Field(ge=0)
    interval: Interval | None = Field(description="`count / n` with Wilson's 95 % interval; null if `n` is 0")


class Quantiles(Record):
    """A distribution, in tokens."""

    n: int = Field(ge=1)
    mean: float
    minimum: int
    p25: float
    median: float
    p75: float
    p95: float
    maximum: int


class Truncation(Record):
    """What a training run with this `max_length` cuts off the ends of responses."""

    limit: int = Field(gt=0, description="tokens of prompt and response")
    examples: Share = Field(description="examples with a truncated response")
    tokens: int = Field(ge=0, description="tokens cut off, over all examples")


class OverlapSummary(Record):
    """Contamination of one set of texts by one benchmark."""

    benchmark: Text
    direction: Direction
    where: OverlapPlace
    examples: Share = Field(description="examples that share at least an 8-gram, or all words of a shorter question")
    questions: Share = Field(description="benchmark questions that overlap with an example")
    ngrams: int = Field(ge=0, description="sum over overlaps of the distinct 8-grams shared")
    longest: int = Field(ge=0, description="words of the longest overlap")
    exact: int = Field(ge=0, description="examples whose question is a benchmark question, word for word")
    too_short: int = Field(ge=0, description="benchmark questions below 8 words: only exact duplicates are found")


class FormatSummary(Record):
    """Answer formats, scripts, grades and lengths of one direction."""

    direction: Direction
    boxed: Share
    says_answer: Share
    starts_with_answer: Share
    trained_with_answer: Share
    stray_marks: Share = Field(description="examples that hold a reasoning tag or a special token as text")
    correct: Share = Field(description="graded correct, among the graded examples")
    ungraded: int = Field(ge=0)
    ascii: float = Field(description="mean over examples of the share of ASCII among characters")
    scripts: dict[str, float] = Field(description="shares of all letters by script, most frequent first")
    examples_by_script: dict[str, int] = Field(description="examples with at least 1 % of their letters in a script")
    prompt: Quantiles
    response: Quantiles
    answer: Quantiles
    truncations: list[Truncation]


class Separability(Record):
    """How well a bag of tokens distinguishes chosen from rejected responses. Chance is 0.5."""

    prompts: Literal["all", "forward", "reverse"] = Field(
        description="direction of the prompts, which the classifier does not see"
    )
    end: End = Field(description="which tokens of a response the classifier sees")
    tokens: int = Field(gt=0, description="number of these tokens")
    n: int = Field(gt=0, description="responses, half of them chosen")
    problems: int = Field(gt=0)
    accuracy: Interval = Field(description="with its 95 % bootstrap interval over problems")
    auc: Interval = Field(description="with its 95 % bootstrap interval over problems")


class Audit(Record):
    """The summary of an audit."""

    base: Text = Field(description="the base model whose tokenizer counts tokens")
    problems: int
    contamination: list[OverlapSummary]
    formats: list[FormatSummary]
    separability: list[Separability]


def read_audit(path: Path) -> Audit:
    """Return the content of an `audit.json`; raise RecordError if it is invalid."""
    if not path.is_file():
        raise RecordError(f"{path}: no such file; make it with `snakemake {path}`")
    try:
        return Audit.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        raise RecordError(f"{path}: not an audit ({error.errors()[0]['msg']}); rebuild it") from error


def read_overlaps(path: Path) -> list[Overlap]:
    """Return the overlaps of a `contamination.jsonl`, which may be empty; raise RecordError if a line is invalid."""
    return [overlap for _, overlap in iterate_jsonl(path, Overlap)]
