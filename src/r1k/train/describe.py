"""`run.json`: all that decides a run's weights, from the config and from the files it starts from."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from r1k.config import Dpo, Experiment, Sft
from r1k.errors import ConfigError
from r1k.files import file_digest, value_digest, write_json
from r1k.provenance import artefact_digest


class RunPlan(BaseModel):
    """What a run is, from the config alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: str
    seed: int
    method: Literal["sft", "dpo"]
    identity: dict[str, Any] = Field(description="all of the config that decides the weights, ancestry included")
    sft: Sft | None = None
    dpo: Dpo | None = None
    steps: int = Field(gt=0, description="optimizer steps of the whole training")
    measured: dict[int, float] = Field(description="steps whose adapters are kept, with the epoch of each")
    without_held_out: bool

    @property
    def settings(self) -> Sft | Dpo:
        found = self.sft or self.dpo
        if found is None:
            raise ConfigError(f"run {self.run}: the plan has no settings; rebuild its run.json")
        return found


class RunFile(RunPlan):
    """A plan with the digests of what it starts from."""

    contents: dict[str, str] = Field(description="SHA-256 of the data, the base's weights, the parent's run")
    digest: str = Field(description="of identity and contents: where the training keeps its state")


def plan(experiment: Experiment, run: str, seed: int) -> RunPlan:
    """A trained run's plan."""
    entry, settings = experiment.runs[run], experiment.settings(run)
    return RunPlan(
        run=run,
        seed=seed,
        method="sft" if isinstance(settings, Sft) else "dpo",
        identity=experiment.identity(run, seed),
        sft=settings if isinstance(settings, Sft) else None,
        dpo=settings if isinstance(settings, Dpo) else None,
        steps=experiment.steps(run),
        measured=experiment.measured_steps(run),
        without_held_out=entry.without_held_out,
    )


def describe_run(
    *, plan: RunPlan, data: Path, base: Path, output: Path, probe: Path | None = None, parent: Path | None = None
) -> None:
    """Write `run.json`. `parent` is the parent's run.json; `probe` is given where held-out problems are left out."""
    contents = {"data": file_digest(data), "base": artefact_digest(base)}
    if probe is not None:
        contents["probe"] = file_digest(probe)
    if parent is not None:
        contents["parent"] = read_run(parent).digest
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
