"""Names, and what every section of the config shares."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Revision = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{40}|main)$")]
DataName = Literal["s1k", "r1k", "half", "disjoint", "mix", "revthink", "pairs"]
Method = Literal["none", "sft", "dpo", "merge", "route"]
Arm = Literal["forward", "reverse", "mixed"]
Dtype = Literal["bfloat16", "float32"]


class Section(BaseModel):
    """A closed, immutable section of the config.

    Fields with `exclude=True` decide no result (labels, memory, clients): they are left out of params and run digests.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


def title_field() -> Any:
    """Return the field of a label in tables; a change of it reruns tables and pages alone."""
    return Field(default=None, exclude=True, description="its label in tables and figures; defaults to its name")
