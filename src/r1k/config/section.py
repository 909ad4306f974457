"""Names, and what every part of the config is."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Revision = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{40}|main)$")]
DataName = Literal["s1k", "r1k", "half", "disjoint", "mix", "revthink", "pairs"]
Method = Literal["none", "sft", "dpo", "merge", "route"]
Arm = Literal["forward", "reverse", "mixed"]


class Section(BaseModel):
    """A closed, immutable part of the config."""

    model_config = ConfigDict(extra="forbid", frozen=True)
