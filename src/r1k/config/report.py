"""Tables and figures; what their making needs to know, resolved."""

from typing import Literal, Self

from pydantic import Field, model_validator

from r1k.config.section import Arm, DataName, Method, Name, Section

TAKEN_TABLES = {
    "checks": "the checks of the inverses",
    "claims": "the paper's claims",
    "disagreements": "answers on which rules and judge differ",
}


class Table(Section):
    """A table of runs: by benchmarks, or by where their training put the probability."""

    shows: Literal["sft", "dpo", "dynamics"] = Field(
        description="accuracies, to which `dpo` adds arrows and changes against each run's parent; or `dynamics`, of "
        "probed runs: margin, displacement, and the probability off both directions"
    )
    rows: list[Name] = Field(min_length=1, description="the runs, in order; those of one base compete for bold")
    directions: list[Literal["all", "forward", "reverse"]] = Field(
        default=["all"],
        min_length=1,
        description="the questions counted, a block each, where benchmarks mark direction",
    )
    benchmarks: list[Name] | None = Field(
        default=None,
        min_length=1,
        description="the benchmarks shown, which are all that a run of no other table answers; unset: all",
    )
    published: bool = Field(default=False, description="print the paper's values beside ours")
    reference: Name | None = Field(
        default=None,
        description="the row that all others are tested against; unset: with `dpo` each row's parent, with `dynamics` "
        "the first row, else the first trained row with the same base",
    )

    @model_validator(mode="after")
    def _scored_where_asked(self) -> Self:
        if self.shows == "dynamics" and (self.published or self.benchmarks or self.directions != ["all"]):
            raise ValueError("directions, benchmarks and published are of accuracies; leave them out with dynamics")
        return self


class Dynamics(Section):
    """The probed runs of one training direction: a column of Figure 2's legend."""

    sft: Name = Field(description="the probed SFT run")
    dpo: Name = Field(description="the probed DPO run that goes on from it")


class Row(Section):
    """A table's row, resolved."""

    run: Name
    data: DataName | None
    variant: Name | None = Field(default=None, description="the form of the data, where it is not the plain one")
    method: Method
    base: Name
    model: str = Field(description="the base's title")
    parent: Name | None
    of: list[Name] = Field(default=[], description="the runs that a merge or a route is made of")
    start_data: DataName | None = Field(description="the data of the parent run, which Table 2's rows are named by")


class DynamicsRow(Section):
    """A row of a table of dynamics, resolved."""

    run: Name
    how: str = Field(description="how the run was made, in words")


class DynamicsTableSpec(Section):
    """All that a table of dynamics needs to know besides the tracked responses."""

    name: Name
    rows: list[DynamicsRow]
    reference: Name = Field(description="the run that all others are compared with")
    seeds: list[int]


class TableSpec(Section):
    """All that a table's making needs to know besides the scores."""

    name: Name
    shows: Literal["sft", "dpo"]
    rows: list[Row]
    benchmarks: dict[Name, str] = Field(description="name to heading, in order")
    seeds: list[int]
    directions: list[Literal["all", "forward", "reverse"]]
    published: bool
    notes: list[str] = Field(description="what a reader must know of how the rows were trained")
    references: dict[Name, Name] = Field(default={}, description="the run that each row is tested against, if any")


class DynamicsSpec(Section):
    """All that Figure 2's making needs to know besides the log-probabilities."""

    arms: dict[Arm, Dynamics]
    seeds: list[int]
    epochs: dict[Name, float] = Field(description="of each run's whole training: where SFT ends and DPO begins")


class NtkSpec(Section):
    """All that the measurement of a run's kernel needs to know besides its files; see section `ntk` of the config."""

    examples: int
    steps: list[float]
    draws: int
    sketch: int | None
    step: int = Field(gt=0, description="optimizer steps of the run, after which its model is taken")
    max_tokens: int = Field(gt=0, description="the probe's limit of a response")
    tokens_per_batch: int = Field(gt=0, description="the probe's; memory, not result")
    sft_length: int = Field(gt=0, description="the run's `max_length`")
    dpo_length: int = Field(gt=0, description="that of the DPO run that goes on from it")
    beta: float = Field(gt=0, description="of that DPO run")
    direction_tag: bool = Field(
        default=False, exclude_if=lambda tagged: not tagged, description="do the run's prompts tell their direction"
    )


class AuditSpec(Section):
    """All that the audit needs to know besides the files."""

    quotable: list[Name] = Field(description="the benchmarks whose text may be shown")
    limits: list[int] = Field(min_length=1, description="the trainings' `max_length`, in tokens, ascending")
    pair_limit: int = Field(gt=0, description="the least `max_length` that pairs are cut at")
