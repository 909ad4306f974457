"""`run.json`: everything that determines a run's weights, from the config and from its input files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from r1k.config import Dpo, Experiment, Lora, Merge, Sft
from r1k.errors import ConfigError
from r1k.files import file_digest, value_digest, write_json
from r1k.provenance import artefact_digest


class RunPlan(BaseModel):
    """A run as the config describes it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: str
    seed: int
    method: Literal["sft", "dpo", "merge"]
    identity: dict[str, Any] = Field(
        description="the part of the config that determines the weights, ancestors included"
    )
    sft: Sft | None = None
    dpo: Dpo | None = None
    lora: Lora | None = Field(default=None, description="the adapter that SFT of a base creates; null for other runs")
    merge: Merge | None = None
    protocol: Literal["paper", "as_released"] = "paper"
    direction_tag: bool = False
    reasoned: bool = Field(default=True, description="whether every response in the data must have reasoning")
    steps: int = Field(gt=0, description="optimizer steps of the training run; 1 for a merge")
    probed: dict[int, float] = Field(description="steps whose adapters are saved and probed, with the epoch of each")
    exclude_held_out: bool

    @property
    def settings(self) -> Sft | Dpo:
        """The settings of SFT or DPO; raises ConfigError for a merge."""
        found = self.sft or self.dpo
        if found is None:
            raise ConfigError(f"run {self.run}: run.json has no training settings; rebuild it")
        return found


class RunFile(RunPlan):
    """A run's plan with the digests of its inputs."""

    contents: dict[str, str] = Field(
        description="SHA-256 of the data and the base's weights, and the digest of the parent's run"
    )
    digest: str = Field(description="digest of identity and contents; names the directory of the training state")


def plan(experiment: Experiment, run: str, seed: int) -> RunPlan:
    """Return the plan of a run that is trained or merged."""
    entry = experiment.runs[run]
    settings = experiment.settings(run) if entry.merge is None else None
    return RunPlan(
        run=run,
        seed=seed,
        method="merge" if settings is None else "sft" if isinstance(settings, Sft) else "dpo",
        identity=experiment.identity(run, seed),
        sft=settings if isinstance(settings, Sft) else None,
        dpo=settings if isinstance(settings, Dpo) else None,
        lora=experiment.lora(run) if settings is not None and entry.parent is None else None,
        merge=entry.merge,
        protocol=entry.protocol,
        direction_tag=entry.direction_tag,
        reasoned=entry.data != "revthink",
        steps=1 if settings is None else experiment.steps(run),
        probed=experiment.probed_steps(run),
        exclude_held_out=entry.exclude_held_out,
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
    parents = [read_run(path) for path in parent]
    contents |= {"parent" if plan.merge is None else f"parent {run.run}": run.digest for run in parents}
    digest = value_digest({"identity": plan.identity, "contents": contents})
    write_json(output, RunFile(**plan.model_dump(), contents=contents, digest=digest).model_dump(mode="json"))


def read_run(path: Path) -> RunFile:
    """Return a parsed `run.json`; raises ConfigError if the file is missing or invalid."""
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; make it with `snakemake {path}`")
    try:
        return RunFile.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        raise ConfigError(f"{path}: not a valid run description ({error.errors()[0]['msg']}); rebuild it") from error
