"""Benchmarks, generation and grading."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from r1k.config.section import Revision, Section
from r1k.config.servers import Judge

Grader = Literal["rules", "s1", "judge"]


class WorldQuestions(Section):
    """Questions of the embedded world, in both directions, none of them a training or probe problem."""

    kind: Literal["world"]
    per_direction: int = Field(gt=0, description="questions of each direction")
    seed: int = Field(default=0, description="of the draw")


class QuestionFields(Section):
    """Names of the columns of a benchmark."""

    question: str = Field(default="problem", description="column of the question")
    answer: str = Field(
        default="answer", description="column of the right answer (the option's text for multiple choice)"
    )
    wrong: list[str] = Field(default=[], description="columns of the wrong options, for multiple choice")
    kind: str | None = Field(default=None, description="column of the subject, if any")


class FileQuestions(Section):
    """A JSONL file of questions."""

    kind: Literal["file"]
    path: Path = Field(description="the file, relative to the working directory")
    fields: QuestionFields = Field(default=QuestionFields(), description="its columns")
    n: int = Field(gt=0, description="questions expected; another number is an error")


class HubQuestions(Section):
    """A dataset of the hub."""

    kind: Literal["hub"]
    repo: str = Field(description="dataset id")
    config: str | None = Field(default=None, description="dataset configuration, where it has several")
    revision: Revision = Field(description="commit, 40 hexadecimal digits; `main` is resolved and recorded")
    split: str = Field(description="split of the dataset")
    fields: QuestionFields = Field(default=QuestionFields(), description="its columns")
    n: int = Field(gt=0, description="questions expected; another number is an error")


class TaskQuestions(Section):
    """A task of lm-eval that generates: its prompts and targets, answered and graded like all others."""

    kind: Literal["lm_eval"]
    task: str = Field(description="the task's name")
    folder: Path | None = Field(
        default=None, description="task files of your own, relative to the working directory; unset: lm-eval's"
    )
    n: int = Field(gt=0, description="questions expected; another number is an error")


class Benchmark(Section):
    """One column of the tables."""

    title: str = Field(description="the column's heading")
    shape: Literal["integer", "expression", "choice"] = Field(description="what an answer is, and so how it is graded")
    source: WorldQuestions | FileQuestions | HubQuestions | TaskQuestions = Field(
        discriminator="kind", description="the questions"
    )
    shuffle_seed: int = Field(default=0, description="of the order of the options, for multiple choice")
    samples: int = Field(
        default=1,
        gt=0,
        exclude=True,
        description="answers to each question: one is greedy; several are drawn, as section `evaluate` says, and shown "
        "in the robust tables alone",
    )
    quotable: bool = Field(
        default=False,
        exclude=True,
        description="audit, disagreements and page of answers may show what data share with its questions, and answers "
        "to them; leave it where they must not be published, as GPQA's: only their ids are then shown. The world's may "
        "always be",
    )

    @property
    def may_be_quoted(self) -> bool:
        return self.quotable or isinstance(self.source, WorldQuestions)


class BudgetForcing(Section):
    """How long a model thinks, set from outside as s1 does (Muennighoff et al. 2025, section 3.1)."""

    waits: int = Field(default=0, ge=0, description="times that `Wait` takes the place of an answer's end of thinking")
    min_thinking_tokens: int | None = Field(
        default=None, gt=0, description="only an end before so many tokens of thinking is replaced; unset: every one"
    )
    max_thinking_tokens: int | None = Field(
        default=None, gt=0, description="thinking that reaches so many tokens is ended, and the final answer asked for"
    )

    @model_validator(mode="after")
    def _forces(self) -> Self:
        if not self.waits and self.max_thinking_tokens is None:
            raise ValueError("forces nothing; set waits or max_thinking_tokens, or leave budget_forcing out")
        if self.min_thinking_tokens is not None and not self.waits:
            raise ValueError("min_thinking_tokens: is for waits; say how many at most")
        return self


class Evaluate(Section):
    """Generation: a greedy answer to each question, or several that are drawn; and grading, which changes no answer."""

    max_new_tokens: int = Field(default=32768, gt=0, description="limit of an answer; one that reaches it is truncated")
    batch_size: int = Field(
        default=1, gt=0, description="answers generated at once, on each GPU; memory, not result (but for rounding)"
    )
    tokens_per_batch: int | None = Field(
        default=None,
        gt=0,
        description="ceiling on the tokens of a batch of transformers, padded prompts and answers at their limit; "
        "unset: none",
    )
    precision: Literal["bf16", "fp32"] = Field(default="bf16", description="of the model")
    engine: Literal["auto", "transformers", "vllm"] = Field(
        default="auto", description="what generates; `auto`: vLLM where there is a GPU, transformers elsewhere"
    )
    temperature: float = Field(default=0.6, gt=0, description="of answers that are drawn")
    top_p: float = Field(default=0.95, gt=0, le=1, description="share of the probability that answers are drawn from")
    seed: int = Field(default=0, ge=0, description="of the draws; each answer has a seed of its own, made from it")
    budget_forcing: BudgetForcing | None = Field(default=None, description="s1's budget forcing; unset: none")
    gpus: int = Field(
        default=1,
        gt=0,
        exclude=True,
        description="GPUs that a generating job asks for; a process on each answers its share of the questions",
    )
    grader: Grader = Field(
        default="rules",
        exclude=True,
        description="who decides whether an answer is right. `rules`: whole numbers, letters and words as such, else "
        "math-verify. `s1`: two numbers of digits alone are compared, all else is the judge's, as in s1's evaluation. "
        "`judge`: the judge alone. What cannot be read is wrong for all three",
    )
    judge: Judge | None = Field(
        default=None,
        exclude=True,
        description="who is asked whether an answer is equivalent to the right one; its verdicts are kept beside those "
        "of the rules, whatever decides, and the table `disagreements` shows where they differ",
    )
    least_judged: float = Field(
        default=0.9,
        gt=0,
        le=1,
        exclude=True,
        description="share of the answers put to the judge that must get a verdict, of each run and benchmark; fewer "
        "are an error. One without a verdict is wrong, and counted",
    )

    @model_validator(mode="after")
    def _has_its_judge(self) -> Self:
        if self.grader != "rules" and self.judge is None:
            raise ValueError(f"grader: {self.grader} needs evaluate.judge; add it, or take rules")
        return self
