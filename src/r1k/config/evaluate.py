"""Benchmarks, generation and grading."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from r1k.config.section import Dtype, Revision, Section, title_field
from r1k.config.servers import Judge

Grader = Literal["rules", "s1", "judge"]
AnswerType = Literal["integer", "expression", "choice"]
EXPECTED = "number of questions; any other number is an error"


class WorldQuestions(Section):
    """Questions of the embedded world in both directions; none is a training or probe problem."""

    kind: Literal["world"]
    per_direction: int = Field(gt=0, description="questions per direction")
    seed: int = Field(default=0, description="seed of the draw")


class QuestionFields(Section):
    """Names of a benchmark's columns."""

    question: str = Field(default="problem", description="column of the question")
    answer: str = Field(
        default="answer", description="column of the gold answer (for multiple choice, the option's text)"
    )
    distractors: list[str] = Field(default=[], description="columns of the wrong options, for multiple choice")
    subject: str | None = Field(default=None, description="column of the subject, if there is one")


class FileQuestions(Section):
    """A JSONL file of questions."""

    kind: Literal["file"]
    path: Path = Field(description="the file, relative to the working directory")
    fields: QuestionFields = Field(default=QuestionFields(), description="names of its columns")
    n: int = Field(gt=0, description=EXPECTED)


class HubQuestions(Section):
    """A dataset of the Hugging Face hub."""

    kind: Literal["hub"]
    repo: str = Field(description="dataset id")
    config: str | None = Field(default=None, description="configuration of the dataset, where it has several")
    revision: Revision = Field(description="commit, 40 hexadecimal digits; `main` is resolved and recorded")
    split: str = Field(description="split of the dataset")
    fields: QuestionFields = Field(default=QuestionFields(), description="names of its columns")
    n: int = Field(gt=0, description=EXPECTED)


class TaskQuestions(Section):
    """A generative lm-eval task: its prompts and targets, answered and graded like every benchmark."""

    kind: Literal["lm_eval"]
    task: str = Field(description="name of the task")
    folder: Path | None = Field(
        default=None, description="folder of your own task files, relative to the working directory; unset: lm-eval's"
    )
    n: int = Field(gt=0, description=EXPECTED)


class Benchmark(Section):
    """One column of the tables."""

    title: str | None = title_field()
    answer_type: AnswerType = Field(description="type of the answers, which decides how they are graded")
    source: WorldQuestions | FileQuestions | HubQuestions | TaskQuestions = Field(
        discriminator="kind", description="where the questions come from"
    )
    shuffle_seed: int = Field(default=0, description="seed of the order of the options, for multiple choice")
    repeats: int = Field(
        default=1,
        gt=0,
        exclude=True,
        description="answers per question. One is greedy; several are sampled, as section `evaluate` says, and appear "
        "only in the tables of paired tests",
    )
    redistributable: bool = Field(
        default=False,
        exclude=True,
        description="whether the audit and the pages may print the text of its questions and of answers to them. Leave "
        "it false where questions must not be published (GPQA): ids alone are then printed. The embedded world's "
        "always may be",
    )

    @property
    def shuffles(self) -> bool:
        """Whether the options of its questions are put in random order."""
        return self.answer_type == "choice"

    @property
    def has_directions(self) -> bool:
        """Whether each of its questions is forward or reverse."""
        return isinstance(self.source, WorldQuestions)

    @property
    def may_be_quoted(self) -> bool:
        """Whether its text may be printed."""
        return self.redistributable or isinstance(self.source, WorldQuestions)


class BudgetForcing(Section):
    """s1's budget forcing: limits of a model's thinking that are enforced while it decodes (Muennighoff et al. 2025,
    section 3.1)."""

    num_waits: int = Field(default=0, ge=0, description="times that `Wait` replaces an answer's end of thinking")
    min_thinking_tokens: int | None = Field(
        default=None, gt=0, description="replace the end of thinking only before this many tokens; unset: always"
    )
    max_thinking_tokens: int | None = Field(
        default=None, gt=0, description="end the thinking at this many tokens and ask for the final answer"
    )

    @model_validator(mode="after")
    def _forces(self) -> Self:
        if not self.num_waits and self.max_thinking_tokens is None:
            raise ValueError("forces nothing; set num_waits or max_thinking_tokens, or leave budget_forcing out")
        if self.min_thinking_tokens is not None and not self.num_waits:
            raise ValueError("min_thinking_tokens: acts with num_waits alone; set num_waits")
        return self


class Evaluate(Section):
    """Generation, greedy or sampled, and grading, which changes no answer."""

    max_new_tokens: int = Field(
        default=32768, gt=0, description="maximum tokens of an answer; longer ones are truncated"
    )
    batch_size: int = Field(
        default=1, gt=0, exclude=True, description="answers generated at once per GPU; sets memory, not results"
    )
    tokens_per_batch: int | None = Field(
        default=None,
        gt=0,
        exclude=True,
        description="maximum tokens of a batch with transformers, counting padded prompts and full-length answers; "
        "sets memory, not results; unset: none",
    )
    dtype: Dtype = Field(default="bfloat16", description="data type of the model")
    engine: Literal["auto", "transformers", "vllm"] = Field(
        default="auto", description="generation engine; `auto`: vLLM where there is a GPU, transformers elsewhere"
    )
    temperature: float = Field(default=0.6, gt=0, description="sampling temperature, for benchmarks with `repeats`")
    top_p: float = Field(default=0.95, gt=0, le=1, description="nucleus sampling, for benchmarks with `repeats`")
    seed: int = Field(
        default=0,
        ge=0,
        description="seed of sampling, from which each answer gets its own; for benchmarks with `repeats`",
    )
    budget_forcing: BudgetForcing | None = Field(default=None, description="s1's budget forcing; unset: none")
    gpus: int = Field(
        default=1,
        gt=0,
        exclude=True,
        description="GPUs of a generation job; one process per GPU answers its share of the questions",
    )
    grader: Grader = Field(
        default="rules",
        exclude=True,
        description="who decides whether an answer is right. `rules`: integers and letters by comparison, everything "
        "else part by part; a judge, if there is one, decides where these cannot. `s1`: two strings of digits, or a "
        "letter alone, by comparison, everything else by the judge, as in s1's evaluation. `judge`: the judge alone. "
        "An answer that cannot be read is wrong in all three",
    )
    judge: Judge | None = Field(
        default=None,
        exclude=True,
        description="model that is asked whether an answer is equivalent to the gold answer and, for multiple choice, "
        "which option the answer picks. Its verdicts are kept beside those of the rules, and the table `disagreements` "
        "shows where they differ",
    )
    min_judged_rate: float = Field(
        default=0.9,
        gt=0,
        le=1,
        exclude=True,
        description="share of the answers put to the judge that must get a verdict, per run and benchmark; fewer are "
        "an error. With grader `s1` or `judge`, an answer without a verdict is wrong, and counted",
    )

    @model_validator(mode="after")
    def _has_its_judge(self) -> Self:
        if self.grader != "rules" and self.judge is None:
            raise ValueError(f"grader: {self.grader} needs evaluate.judge; add it, or set grader: rules")
        if self.judge is None and "min_judged_rate" in self.model_fields_set:
            raise ValueError("min_judged_rate: does nothing without evaluate.judge; remove it, or add a judge")
        return self
