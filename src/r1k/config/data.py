"""The forward problems, the data sets drawn from them, and the checks of the inverses."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from r1k.config.section import Name, Revision, Section
from r1k.config.servers import Judge
from r1k.records import OverlapKind, VerdictName

FIELDS = "names of its columns; unset: those of s1K-1.1"


def unset(value: object) -> bool:
    """Return whether a key is unset, and so left out of params and digests: experiments without it keep theirs."""
    return value is None


class WorldSource(Section):
    """Problems of the embedded world."""

    kind: Literal["world"]
    problems: int = Field(gt=1, description="number of forward problems")
    seed: int = Field(default=0, description="seed of the draw")


class ExampleFields(Section):
    """Names of the columns of a forward set: `question`, `reasoning` and `answer`; or `question` and `response`; or
    `messages`. A cell is a text or a number."""

    question: str | None = Field(default=None, description="column of the question")
    reasoning: str | None = Field(
        default=None, description="column of the chain of thought: a text, or a list of one text"
    )
    answer: str | None = Field(default=None, description="column of the answer that follows the reasoning")
    response: str | None = Field(
        default=None,
        description="column that holds both: the reasoning in `<think>` tags or in those of OpenThoughts, then the "
        "answer",
    )
    messages: str | None = Field(
        default=None,
        description="column of a chat: a user's question, and an assistant's response with such tags. Turns are "
        "`role` and `content`, or `from` and `value`; those of the system are ignored",
    )
    id: str | None = Field(default=None, description="column of the problem's name; unset: `s1k-0000` and so on")
    gold: str | None = Field(default=None, description="column of the gold answer; a cell may be null")
    grade: str | None = Field(
        default=None,
        description="column that says whether the answer is correct: true or false, yes or no; anything else is not "
        "graded",
    )
    kind: str | None = Field(
        default=None, description="column of the problem's source; unset: the name of the file or data set"
    )

    @model_validator(mode="after")
    def _names_all(self) -> Self:
        forms = (("question", "reasoning", "answer"), ("question", "response"), ("messages",))
        named = {key for form in forms for key in form if getattr(self, key) is not None}
        if named not in map(set, forms):
            raise ValueError(
                f"names {', '.join(sorted(named)) or 'no column'}; name question, reasoning and answer, or question "
                "and response, or messages"
            )
        return self


class FileSource(Section):
    """A JSONL file of questions with reasoned answers."""

    kind: Literal["file"]
    path: Path = Field(description="the file, relative to the working directory")
    fields: ExampleFields | None = Field(default=None, exclude_if=unset, description=FIELDS)
    problems: int = Field(gt=1, description="rows expected after the grade filter; any other number is an error")


class HubSource(Section):
    """A dataset of the Hugging Face hub, of questions with reasoned answers."""

    kind: Literal["hub"]
    repo: str = Field(description="dataset id, such as `simplescaling/s1K-1.1`")
    config: str | None = Field(
        default=None, exclude_if=unset, description="configuration of the dataset, where it has several"
    )
    revision: Revision = Field(description="commit, 40 hexadecimal digits; `main` is resolved and recorded")
    split: str = Field(default="train", description="split of the dataset")
    fields: ExampleFields | None = Field(default=None, exclude_if=unset, description=FIELDS)
    problems: int = Field(gt=1, description="rows expected after the grade filter; any other number is an error")


class Checks(Section):
    """The checks of the inverses."""

    near_duplicate_threshold: float = Field(
        default=0.7,
        gt=0,
        le=1,
        description="share of common word trigrams at which two questions with the same numbers count as duplicates. "
        "Twenty real inverses have less than 0.5 and the world's less than 0.65; real questions with 3 % of their "
        "words changed have more than 0.7 in 88 % of cases",
    )
    judge: Judge | None = Field(
        default=None, description="model that decides the consistency that rules cannot; unset: it stays undecided"
    )


class ContaminationFilter(Section):
    """Overlaps with the experiment's benchmark questions that exclude a problem, whichever direction has them.

    `copy`: the question up to case, white space, commas and `$`; `reworded`: that, or the same text with other numbers;
    `phrase`: that, or eight common words, which is s1's rule.
    """

    question: OverlapKind | None = Field(
        default=None, description="overlaps of the question that exclude its problem; unset: none"
    )
    response: OverlapKind | None = Field(
        default=None, description="overlaps of the reasoning or answer that exclude its problem; unset: none"
    )

    @model_validator(mode="after")
    def _excludes(self) -> Self:
        if self.question is None and self.response is None:
            raise ValueError("excludes nothing; set question or response, or leave exclude_contaminated out")
        return self


class Variant(Section):
    """Another form or selection of the same data, applied to both directions."""

    format: Literal["as_is", "normalised"] = Field(
        default="as_is", description="answers as the teacher wrote them, or in one format in both directions"
    )
    graded_correct: bool = Field(
        default=False, description="keep only problems whose forward answer was graded correct"
    )
    require: list[VerdictName] = Field(
        default=[], description="keep only problems whose inverse passed these checks; undecided counts as not passed"
    )
    length_ratio: float | None = Field(
        default=None,
        ge=1,
        description="keep only problems whose two responses (reasoning and answer) differ in length by at most this "
        "factor, in words; unset: keep all",
    )
    exclude_contaminated: ContaminationFilter | None = Field(
        default=None,
        exclude_if=unset,
        description="leave out problems that overlap with benchmark questions; unset: keep all",
    )

    @property
    def selects(self) -> bool:
        """Whether it can hold fewer problems than there are."""
        return bool(self.graded_correct or self.require or self.length_ratio or self.exclude_contaminated)


class Data(Section):
    """The forward problems and the data sets drawn from them."""

    source: WorldSource | FileSource | HubSource = Field(discriminator="kind", description="the forward problems")
    filter_by_grade: bool = Field(
        default=False, description="keep only problems whose answer was graded correct (the paper keeps all)"
    )
    seed: int = Field(default=0, description="seed of `half`, of `disjoint` and of the choice of probe problems")
    probe_train: int = Field(default=50, gt=0, description="probe problems that the probed runs train on")
    probe_held_out: int = Field(default=50, gt=0, description="probe problems that the probed runs never see")
    variants: dict[Name, Variant] = Field(
        default={}, exclude=True, description="other forms of all data sets, by name; a run selects one with `variant`"
    )
    checks: Checks = Field(
        default=Checks(), exclude=True, description="how the inverses are checked; changes no data set"
    )
    license: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]*$")] | None = Field(
        default=None,
        exclude=True,
        description="licence of the exported r1k, by the hub's name (`apache-2.0`): that of the source. "
        "Defaults to `mit` for the embedded world, which is r1k's own, and to `unknown` for any other source",
    )

    @model_validator(mode="after")
    def _has_grades(self) -> Self:
        fields = getattr(self.source, "fields", None)
        if fields is None or fields.grade is not None:
            return self
        keys = ["filter_by_grade"] if self.filter_by_grade else []
        keys += [f"variants.{name}.graded_correct" for name, one in self.variants.items() if one.graded_correct]
        if keys:
            raise ValueError(f"{keys[0]}: source.fields names no column of grades; name it in grade, or remove the key")
        return self

    @property
    def export_license(self) -> str:
        """The licence that the exported data set states."""
        return self.license or ("mit" if self.source.kind == "world" else "unknown")
