"""The JSONL artefacts that chain the stages, as typed records.

One record a line, UTF-8, closed to unknown fields. Reading names the file, the line and the field of the first
thing that is wrong; writing is whole or not at all.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from r1k.errors import RecordError, did_you_mean, field_path
from r1k.files import atomic_write

Text = Annotated[str, StringConstraints(min_length=1, pattern=r"\S")]
Direction = Literal["forward", "reverse"]
Split = Literal["train", "held_out"]
GreedyKind = Literal["greedy_base", "greedy_start"]
GREEDY: tuple[GreedyKind, ...] = get_args(GreedyKind)
ResponseKind = Literal[
    "own",
    "other",
    "other_problem_own",
    "other_problem_other",
    "shuffled_sentences",
    "shuffled_tokens",
    "paraphrase_own",
    "paraphrase_other",
    "greedy_base",
    "greedy_start",
]
RESPONSE_KINDS: tuple[ResponseKind, ...] = get_args(ResponseKind)
DISORDERED: tuple[ResponseKind, ...] = ("shuffled_sentences", "shuffled_tokens")
PARAPHRASED: tuple[ResponseKind, ...] = ("paraphrase_own", "paraphrase_other")
Span = Literal["all", "reasoning", "answer", "first"]
SPANS: tuple[Span, ...] = get_args(Span)
Metric = Literal["log_p", "log_p_argmax", "off_argmax", "entropy", "rank", "share_argmax", "p", "p_rival", "kl"]
METRICS: tuple[Metric, ...] = get_args(Metric)
UpdateKind = Literal["forward", "reverse", "mixed", "dpo"]
UPDATES: tuple[UpdateKind, ...] = get_args(UpdateKind)
DIRECTIONS: tuple[Direction, ...] = ("forward", "reverse")
OPPOSITE: dict[Direction, Direction] = {"forward": "reverse", "reverse": "forward"}
VerdictName = Literal["answer_hidden", "asks_for_given", "uses_answer", "consistent", "reached", "own_question"]
VERDICTS: tuple[VerdictName, ...] = get_args(VerdictName)


class Record(BaseModel):
    """A line of an artefact."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Response(Record):
    """What follows a prompt: a chain of thought and the answer that it reaches."""

    reasoning: Text
    answer: Text


class TeacherMetadata(Record):
    """Where a teacher's response came from."""

    model: Text
    prompts: dict[str, str] = Field(description="prompt name to the digest of its text")
    requests: list[str] = Field(description="digests of the journalled requests, in the order they were asked")
    finish_reason: Text
    tokens: int | None = Field(default=None, description="completion tokens that the server counted")


class SFTExample(Record):
    """A question and what is to be said to it: what SFT reads."""

    id: Text
    problem: Text = Field(description="shared by the forward and the reverse example of one problem")
    direction: Direction
    question: Text
    reasoning: Text | None = Field(
        description="null: the response is the answer alone (`revthink`'s reverse questions)"
    )
    answer: Text
    gold: str | None = Field(default=None, description="the reference answer, where one is known")
    kind: Text = Field(description="where the problem is from: s1K's source_type, or the world's relation")
    grade: bool | None = Field(default=None, description="was the answer graded correct (s1K's deepseek_grade)")
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
        return Response(reasoning=self.reasoning, answer=self.answer)


class Check(Record):
    """Is a reverse example a true inverse of its forward one. Null: neither the rules nor the judge could decide."""

    problem: Text
    kind: Text
    answer_hidden: bool | None = Field(description="the reverse question does not state its own answer")
    asks_for_given: bool | None = Field(description="what the reverse answer gives, the forward question stated")
    uses_answer: bool | None = Field(description="the forward answer is a premise of the reverse question")
    consistent: bool | None = Field(description="the reverse answer is the premise that the reverse question left out")
    reached: bool | None = Field(description="the teacher's response ended by itself, with an answer that can be read")
    own_question: bool | None = Field(description="the reverse question is no near-copy of another question")
    why: dict[VerdictName, Text] = Field(description="what each verdict stands on")

    def passed(self, verdict: VerdictName) -> bool | None:
        """One verdict, by its name."""
        found: bool | None = getattr(self, verdict)
        return found


class Pair(Record):
    """A preference: `chosen` is the response of the prompt's own direction, `rejected` that of the other."""

    id: Text
    problem: Text
    direction: Direction = Field(description="of the prompt")
    question: Text
    chosen: Response
    rejected: Response


class ProbePair(Pair):
    """A pair whose log-probabilities are followed over training."""

    split: Split = Field(description="was the problem trained on by the runs that are probed")


class Paraphrase(Record):
    """The reasoning of a response of the probe, in the teacher's words; the response's answer stays as it is."""

    problem: Text
    direction: Direction = Field(description="of the response")
    reasoning: Text
    whole: bool = Field(description="else it is of the reasoning's start, which is all that the probe reads")
    model: Text
    request: Text = Field(description="its key in the journal")

    @property
    def id(self) -> str:
        return f"{self.problem}/{self.direction}"


class Question(Record):
    """A benchmark question."""

    id: Text
    benchmark: Text
    direction: Direction | None = Field(default=None, description="where the benchmark marks it")
    question: Text
    options: list[Text] | None = Field(default=None, description="in the order shown, for multiple choice")
    gold: Text = Field(description="the right answer: a number, an expression, or the letter of an option")
    kind: Text


class Sample(Record):
    """What a model generated for a benchmark question."""

    id: Text = Field(description="of the question")
    benchmark: Text
    sample: int = Field(default=0, ge=0, description="which of the question's answers, from 0")
    prompt: Text = Field(description="as given to the model, chat template included")
    completion: str
    tokens: int = Field(ge=0)
    truncated: bool = Field(description="the limit of new tokens was reached before the end of the answer")
    seed: int | None = Field(default=None, ge=0, description="of the draw; null for a greedy answer")


class Judged(Record):
    """What a judge model said of an answer to a question. All equal answers to it share the verdict."""

    question: Text = Field(description="its id")
    gold: Text
    extracted: Text
    equivalent: bool | None = Field(description="null: the judge gave no verdict")
    said: str = Field(description="its words, after what is wrong with them; or why it was not asked")
    request: str | None = Field(default=None, description="name of the request in the journal; null: not asked")


class Graded(Record):
    """A verdict on a sample. What cannot be read is unparsed and wrong, never a default answer."""

    id: Text = Field(description="of the question")
    benchmark: Text
    sample: int = Field(default=0, ge=0, description="which of the question's answers, from 0")
    direction: Direction | None
    gold: Text
    extracted: str | None
    correct: bool = Field(description="by the grader of the config")
    rule: Text = Field(
        description="what decided: integer, letter, math-verify, text, judge; and against the answer: unparsed, "
        "timeout (of the rules), undecided (no verdict of the judge)"
    )
    rules: bool | None = Field(default=None, description="is it right by the rules, whatever decides")
    judge: bool | None = Field(default=None, description="and by the judge; null: not asked, or no verdict")
    judge_said: str | None = Field(default=None, description="its words; null: not asked")
    last_number: str | None = Field(description="the last number of the completion, whatever its format")
    last_number_correct: bool | None = Field(description="null where the gold answer is no number")
    truncated: bool


class Tally(Record):
    """Counts over questions, with the accuracy's Wilson interval at 95 %."""

    n: int = Field(ge=1)
    correct: int = Field(ge=0)
    unparsed: int = Field(ge=0)
    truncated: int = Field(ge=0)
    last_number_correct: int | None = Field(description="null where the gold answers are no numbers")
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


class LogProb(Record):
    """The log-probability of one response at one checkpoint, in nats."""

    run: Text
    seed: int
    step: int = Field(ge=0, description="optimizer steps; 0 is the model before this run's training")
    epoch: float = Field(ge=0)
    split: Split
    problem: Text
    direction: Direction = Field(description="of the prompt")
    response: Literal["chosen", "rejected"]
    tokens: int = Field(gt=0, description="response tokens that were scored")
    truncated: bool = Field(description="the response was longer than the probe's limit")
    sum: float = Field(le=0)
    mean: float = Field(le=0)

    @property
    def id(self) -> str:
        return f"{self.step}/{self.split}/{self.problem}/{self.direction}/{self.response}"


class Greedy(Record):
    """A model's own response to a probe prompt, the likeliest token at each place, as it was before a training."""

    kind: GreedyKind = Field(description="by the base, or by the run that the training starts from")
    problem: Text
    direction: Direction = Field(description="of the prompt")
    ids: list[int] = Field(min_length=1, description="its tokens, the end of the turn included where it ended")
    ended: bool = Field(description="by itself; else it was cut at the limit")
    text: str

    @property
    def id(self) -> str:
        return f"{self.kind}/{self.problem}/{self.direction}"


class Tracked(Record):
    """What a model makes of one span of one response at one checkpoint: means over the span's tokens.

    At each token stands what the model predicts there, having read the prompt and the response up to it. What is left
    of one after `p` and `p_rival` lies on all other tokens.
    """

    run: Text
    seed: int
    step: int = Field(ge=0, description="optimizer steps; 0 is the model before this run's training")
    epoch: float = Field(ge=0)
    split: Split
    problem: Text = Field(description="whose prompt it is")
    direction: Direction = Field(description="of the prompt")
    response: ResponseKind
    of: Text = Field(description="the problem whose response it is")
    span: Span
    tokens: int = Field(gt=0, description="tokens of the span")
    truncated: bool = Field(description="the response was longer than the probe's limit")
    log_p: float = Field(le=0, description="log-probability of the token, nats")
    log_p_argmax: float = Field(le=0, description="log-probability of the likeliest token, nats")
    off_argmax: float = Field(ge=0, le=1, description="probability of all but the likeliest token")
    entropy: float = Field(ge=0, description="nats")
    rank: float = Field(ge=1, description="1 where the token is the likeliest")
    share_argmax: float = Field(ge=0, le=1, description="share of the tokens that are the likeliest")
    p: float = Field(ge=0, le=1, description="probability of the token")
    p_rival: float = Field(ge=0, le=1, description="probability of the likeliest token, 0 where it is the token itself")
    kl: float = Field(ge=0, description="KL divergence from the model of step 0, which predicts there too, nats")

    @property
    def id(self) -> str:
        return f"{self.step}/{self.split}/{self.problem}/{self.direction}/{self.response}/{self.span}"


class Influence(Record):
    """What one step of gradient descent on an example, or on a problem's examples, does to one response.

    Ren and Sutherland 2024: to first order the change is `eta` x `a` x `kernel` x `g`, which is `predicted`.
    """

    run: Text
    seed: int
    step: int = Field(gt=0, description="optimizer steps of the run, after which its model was taken")
    update: UpdateKind = Field(
        description="the loss of the step: SFT's on the problem's `forward` or `reverse` example, the mean of both "
        "(`mixed`), or DPO's on both of its pairs, with this model as the reference (`dpo`)"
    )
    trained: Text = Field(description="the problem of the step")
    split: Split = Field(description="of the problem that is measured")
    problem: Text
    direction: Direction = Field(description="of the prompt")
    response: Literal["own", "other"] = Field(description="that of the prompt's direction, or of the other one")
    tokens: int = Field(gt=0, description="response tokens that were scored")
    length: float = Field(gt=0, description="of the step, as a share of the norm of the adapter's parameters")
    eta: float = Field(gt=0, description="its learning rate: what the loss's gradient was multiplied by")
    predicted: float = Field(description="first-order change of the response's mean log-probability, nats a token")
    measured: float = Field(description="the change itself, nats a token")
    cosine: float = Field(description="of the gradient of the mean log-probability and the step")
    a: float = Field(ge=0, description="|A|: its norm on the logits; times sqrt(tokens), a token's root mean square")
    g: float = Field(ge=0, description="|G|: norm of the loss's gradient on the logits")
    kernel: float = Field(description="K between the unit vectors of A and -G: above 0 where the step raises it")
    kernel_square: float = Field(ge=0, description="|K|^2, the squared Frobenius norm, estimated by random directions")

    @property
    def id(self) -> str:
        where = f"{self.split}/{self.problem}/{self.direction}/{self.response}"
        return f"{self.update}/{self.trained}/{where}/{self.length}"


R = TypeVar("R", bound=Record)


def iterate_jsonl(path: Path, model: type[R]) -> Iterator[tuple[int, R]]:
    """Yield line number and record, lazily.

    Raises RecordError naming file, line and field for a missing file, a broken line, or a field that is missing,
    empty, unknown or of a wrong type.
    """
    if not path.is_file():
        raise RecordError(f"{path}: no such file; make it with `snakemake {path}`")
    with path.open(encoding="utf-8") as handle:
        for number, line in enumerate(handle, start=1):
            if not line.strip():
                raise RecordError(f"{path}:{number}: empty line; remove it")
            try:
                yield number, model.model_validate_json(line)
            except ValidationError as error:
                raise RecordError(f"{path}:{number}: {_explain(error, model)}") from error


def read_jsonl(path: Path, model: type[R]) -> list[R]:
    """Read a whole artefact; besides `iterate_jsonl`'s errors, an empty file or a repeated `id` is one.

    Of several answers to a question, `id` and `sample` together may not be repeated.
    """
    records: list[R] = []
    seen: dict[tuple[str, int], int] = {}
    for number, record in iterate_jsonl(path, model):
        identity, sample = getattr(record, "id", None), getattr(record, "sample", 0)
        if identity is not None and (identity, sample) in seen:
            which = f" (sample {sample})" if sample else ""
            raise RecordError(
                f"{path}:{number}: field 'id': {identity!r}{which} is already that of line {seen[identity, sample]}; "
                "ids must be unique: remove or rename one of the two"
            )
        if identity is not None:
            seen[identity, sample] = number
        records.append(record)
    if not records:
        raise RecordError(f"{path}: holds no records; rebuild it with `snakemake --force {path}`")
    return records


def write_jsonl(path: Path, records: Iterable[Record]) -> None:
    """Write one record a line, whole or not at all."""
    with atomic_write(path) as handle:
        for record in records:
            handle.write(record.model_dump_json() + "\n")


def by_problem(path: Path, examples: Iterable[Example]) -> dict[str, Example]:
    """Examples of one direction by problem; RecordError where a problem comes twice."""
    found: dict[str, Example] = {}
    for example in examples:
        if example.problem in found:
            raise RecordError(f"{path}: field 'problem': {example.problem!r} comes twice; keep one of the two")
        found[example.problem] = example
    return found


def _explain(error: ValidationError, model: type[Record]) -> str:
    first = error.errors()[0]
    where = field_path(first["loc"])
    match first["type"]:
        case "json_invalid":
            return f"not a line of JSON ({first['ctx']['error']}); mend or remove the line, or rebuild the file"
        case "missing":
            return f"field {where!r} is missing; add it, or rebuild the file"
        case "extra_forbidden":
            return (
                f"field {where!r} is not one of {model.__name__}'s{did_you_mean(where, model.model_fields)}; remove it"
            )
        case "string_too_short" | "string_pattern_mismatch":
            return f"field {where!r} is empty; fill it, or leave the record out"
        case _:
            return f"field {where!r}: {first['msg']} (got {first['input']!r:.80})"
