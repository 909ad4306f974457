"""Tables and figures, and the specifications that their commands get."""

from typing import Literal, Self

from pydantic import Field, model_validator

from r1k.config.section import Arm, DataName, Method, Name, Section

TAKEN_TABLES = {
    "checks": "the checks of the inverses",
    "claims": "the paper's claims",
    "data-sets": "the data and its variants",
    "disagreements": "answers on which rules and judge differ",
}


class Table(Section):
    """A table of runs: accuracies by benchmark, or learning dynamics."""

    kind: Literal["sft", "dpo", "dynamics"] = Field(
        description="`sft`: accuracies; `dpo`: accuracies with arrows and changes against each run's parent; "
        "`dynamics`: margin, displacement and probability off both directions, of probed runs"
    )
    rows: list[Name] = Field(min_length=1, description="runs, in order; the best of each base is bold")
    directions: list[Literal["all", "forward", "reverse"]] = Field(
        default=["all"],
        min_length=1,
        description="a block of the table per entry: all questions, or those of one direction, where "
        "benchmarks mark it",
    )
    benchmarks: list[Name] | None = Field(
        default=None,
        min_length=1,
        description="benchmarks shown; a run that no other table shows answers these alone; unset: all",
    )
    published: bool = Field(default=False, description="print the paper's values beside ours")
    reference: Name | None = Field(
        default=None,
        description="row that the others are tested against. Defaults to each row's parent with `dpo`, to the first "
        "row with `dynamics`, else to the first trained row with the same base",
    )

    @model_validator(mode="after")
    def _scored_where_asked(self) -> Self:
        if self.kind == "dynamics" and (self.published or self.benchmarks or self.directions != ["all"]):
            raise ValueError("directions, benchmarks and published are for accuracies; remove them with kind: dynamics")
        return self


class Dynamics(Section):
    """The probed runs of one training direction: a colour of Figure 2's legend."""

    sft: Name = Field(description="the probed SFT run")
    dpo: Name = Field(description="the probed DPO run that continues it")


class Row(Section):
    """A row of a table, resolved."""

    run: Name
    data: DataName | None
    variant: Name | None = Field(default=None, description="the form of the data, where it is not the plain one")
    method: Method
    base: Name
    model: str = Field(description="the base's title")
    parent: Name | None
    source_runs: list[Name] = Field(default=[], description="the runs that a merge or a route is made of")
    start_data: DataName | None = Field(description="the data of the parent run, which names the rows of Table 2")


class DynamicsRow(Section):
    """A row of a table of dynamics, resolved."""

    run: Name
    recipe: str = Field(description="how the run was made, in words")


class DynamicsTableSpec(Section):
    """What a table of dynamics needs to know besides the tracked responses."""

    name: Name
    rows: list[DynamicsRow]
    reference: Name = Field(description="the run that all others are compared with")
    seeds: list[int]


class TableSpec(Section):
    """What a table of accuracies needs to know besides the scores."""

    name: Name
    kind: Literal["sft", "dpo"]
    rows: list[Row]
    benchmarks: dict[Name, str] = Field(description="name to heading, in order")
    seeds: list[int]
    directions: list[Literal["all", "forward", "reverse"]]
    published: bool
    notes: list[str] = Field(description="what a reader must know of how the rows were trained")
    references: dict[Name, Name] = Field(default={}, description="the run that each row is tested against, if any")


class DynamicsSpec(Section):
    """What Figure 2 and the claims need to know besides the log-probabilities."""

    arms: dict[Arm, Dynamics]
    seeds: list[int]
    epochs: dict[Name, float] = Field(description="epochs of each run's training: where SFT ends and DPO begins")


class NtkSpec(Section):
    """What the measurement of a run's kernel needs to know besides its files; see section `ntk` of the config."""

    examples: int
    steps: list[float]
    draws: int
    sketch: int | None
    step: int = Field(gt=0, description="optimizer steps of the run after which its model is taken")
    max_tokens: int = Field(gt=0, description="the probe's limit of a response")
    sft_length: int = Field(gt=0, description="`max_length` of the run")
    dpo_length: int = Field(gt=0, description="`max_length` of the DPO run that continues it")
    beta: float = Field(gt=0, description="beta of that DPO run")
    direction_tag: bool = Field(description="whether the run's prompts carry a direction tag")


class AuditSpec(Section):
    """What the audit needs to know besides the files."""

    redistributable: list[Name] = Field(description="benchmarks whose text may be printed")
    limits: list[int] = Field(min_length=1, description="`max_length` of the trainings, in tokens, ascending")
    pair_limit: int = Field(gt=0, description="the smallest `max_length` at which pairs are truncated")
