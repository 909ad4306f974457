"""`run.json`: all that decides a run's weights, from the config and from the files it starts from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from r1k.config import Dpo, Experiment, Merge, Sft
from r1k.errors import ConfigError
from r1k.files import file_digest, value_digest, write_json
from r1k.provenance import artefact_digest


class RunPlan(BaseModel):
    """What a run is, from the config alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: str
    seed: int
    method: Literal["sft", "dpo", "merge"]
    identity: dict[str, Any] = Field(description="all of the config that decides the weights, ancestry included")
    sft: Sft | None = None
    dpo: Dpo | None = None
    merge: Merge | None = Field(default=None, exclude_if=lambda merge: merge is None)
    protocol: Literal["paper", "as_released"] = Field(default="paper", exclude_if=lambda protocol: protocol == "paper")
    direction_tag: bool = Field(default=False, exclude_if=lambda tag: not tag)
    reasoned: bool = Field(
        default=True,
        exclude_if=lambda reasoned: reasoned,
        description="every response that is trained on has reasoning",
    )
    steps: int = Field(gt=0, description="optimizer steps of the whole training; 1 of a merge")
    measured: dict[int, float] = Field(description="steps whose adapters are kept, with the epoch of each")
    without_held_out: bool

    @property
    def settings(self) -> Sft | Dpo:
        found = self.sft or self.dpo
        if found is None:
            raise ConfigError(f"run {self.run}: the plan has no settings of a training; rebuild its run.json")
        return found


class RunFile(RunPlan):
    """A plan with the digests of what it starts from."""

    contents: dict[str, str] = Field(description="SHA-256 of the data, the base's weights, the parent's run")
    digest: str = Field(description="of identity and contents: where the training keeps its state")


def plan(experiment: Experiment, run: str, seed: int) -> RunPlan:
    """The plan of a run that is trained or merged."""
    entry = experiment.runs[run]
    settings = experiment.settings(run) if entry.merge is None else None
    return RunPlan(
        run=run,
        seed=seed,
        method="merge" if settings is None else "sft" if isinstance(settings, Sft) else "dpo",
        identity=experiment.identity(run, seed),
        sft=settings if isinstance(settings, Sft) else None,
        dpo=settings if isinstance(settings, Dpo) else None,
        merge=entry.merge,
        protocol=entry.protocol,
        direction_tag=entry.direction_tag,
        reasoned=entry.data != "revthink",
        steps=1 if settings is None else experiment.steps(run),
        measured=experiment.measured_steps(run),
        without_held_out=entry.without_held_out,
    )


def describe_run(
    *,
    plan: RunPlan,
    base: Path,
    output: Path,
    data: Path | None = None,
    probe: Path | None = None,
    parent: Sequence[Path] = (),
) -> None:
    """Write run.json: everything that determines a run's weights.

    Args:
        plan: The run's plan, as the workflow computes it.
        base: Directory of the base model.
        output: The run.json to write.
        data: The data set of a training run; not for a merge.
        probe: The probe set, probe.jsonl, if its held-out problems are excluded from the training data.
        parent: The parent's run.json; for a merge, that of each merged run.

    Raises:
        ConfigError: A parent's run.json is missing or invalid.
    """
    contents = {"base": artefact_digest(base)}
    contents |= {name: file_digest(path) for name, path in (("data", data), ("probe", probe)) if path is not None}
    above = [read_run(path) for path in parent]
    contents |= {"parent" if plan.merge is None else f"parent {run.run}": run.digest for run in above}
    digest = value_digest({"identity": plan.identity, "contents": contents})
    write_json(output, RunFile(**plan.model_dump(), contents=contents, digest=digest).model_dump(mode="json"))


def read_run(path: Path) -> RunFile:
    """A `run.json`; ConfigError where it is not one."""
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; make it with `snakemake {path}`")
    try:
        return RunFile.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        raise ConfigError(f"{path}: not a run description ({error.errors()[0]['msg']}); rebuild it") from error
