"""The forward problems, what is drawn from them, and how inverses are checked."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from r1k.config.section import Name, Revision, Section
from r1k.config.servers import Judge
from r1k.records import VerdictName


class WorldSource(Section):
    """Problems of the embedded world."""

    kind: Literal["world"]
    problems: int = Field(gt=1, description="forward problems to draw")
    seed: int = Field(default=0, description="of the draw")


class FileSource(Section):
    """A JSONL file with s1K-1.1's columns."""

    kind: Literal["file"]
    path: Path = Field(description="the file, relative to the working directory")
    problems: int = Field(gt=1, description="rows expected after the grade filter; another number is an error")


class HubSource(Section):
    """A dataset of the Hugging Face hub with s1K-1.1's columns."""

    kind: Literal["hub"]
    repo: str = Field(description="dataset id, as `simplescaling/s1K-1.1`")
    revision: Revision = Field(description="commit, 40 hexadecimal digits; `main` is resolved and recorded")
    split: str = Field(default="train", description="split of the dataset")
    problems: int = Field(gt=1, description="rows expected after the grade filter; another number is an error")


class Checks(Section):
    """The checks of the inverses."""

    near_copy: float = Field(
        default=0.7,
        gt=0,
        le=1,
        description="share of common word triples from which two questions of the same numbers are one: twenty real "
        "inverses have less than 0.5, the world's less than 0.65; with 3 % of their words changed, real questions have "
        "more than 0.7 in 88 % of cases",
    )
    judge: Judge | None = Field(
        default=None, description="who decides the consistency that rules cannot; undecided if unset"
    )


class Variant(Section):
    """Another form or choice of the same data, in both directions alike."""

    format: Literal["as_is", "normalised"] = Field(
        default="as_is", description="answers as the teacher wrote them, or in one form for both directions"
    )
    graded_correct: bool = Field(default=False, description="only problems whose forward answer was graded correct")
    require: list[VerdictName] = Field(
        default=[], description="only problems whose inverse passed these checks; undecided is not passed"
    )

    # What was added later is told only where it is set: earlier runs so stay what they were.
    length_ratio: float | None = Field(
        default=None,
        ge=1,
        exclude_if=lambda ratio: ratio is None,
        description="only problems whose two responses, reasoning and answer, differ in length by this factor at most, "
        "counted in words; unset: all",
    )

    @property
    def chooses(self) -> bool:
        """May it hold fewer problems than there are?"""
        return self.graded_correct or bool(self.require) or self.length_ratio is not None


class Data(Section):
    """The forward problems and what is drawn from them."""

    source: WorldSource | FileSource | HubSource = Field(discriminator="kind", description="the forward problems")
    filter_by_grade: bool = Field(default=False, description="keep only answers graded correct (the paper does not)")
    seed: int = Field(default=0, description="of the half and the disjoint set, and of the choice of probe problems")
    probe_train: int = Field(default=50, gt=0, description="probe problems that the probed runs train on")
    probe_held_out: int = Field(default=50, gt=0, description="probe problems that the probed runs never see")
    variants: dict[Name, Variant] = Field(
        default={}, exclude=True, description="name to other forms of all data sets, for the runs that name one"
    )
    checks: Checks = Field(
        default=Checks(), exclude=True, description="how the inverses are checked; changes none of the data sets"
    )
    license: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]*$")] | None = Field(
        default=None,
        exclude=True,
        description="licence of the exported r1k, by the hub's name (`apache-2.0`), which is that of the source; "
        "unset: `mit` for the world, which is r1k's own, and `unknown` for any other",
    )

    @property
    def export_license(self) -> str:
        """The licence that the exported data set states."""
        return self.license or ("mit" if self.source.kind == "world" else "unknown")
