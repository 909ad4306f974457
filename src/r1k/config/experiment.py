"""An experiment whose sections agree with each other: its YAML files, and the JSON schemas that editors use."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import model_validator

from r1k.config.checking import validate
from r1k.config.coherence import problems
from r1k.config.model import ExperimentModel, merge_settings
from r1k.errors import ConfigError


class Experiment(ExperimentModel):
    """A whole study, from forward data to tables and figures."""

    @model_validator(mode="after")
    def _references(self) -> Self:
        found = problems(self)
        if found:
            raise ValueError("\n".join(found))
        return self


def load(*paths: Path) -> Experiment:
    """Read and validate an experiment; later files override single keys of earlier ones, as in Snakemake."""
    merged: dict[str, Any] = {}
    for path in paths:
        merged = merge_settings(merged, _read(path))
    try:
        return validate(Experiment, merged)
    except ConfigError as error:
        names = " + ".join(map(str, paths))
        raise ConfigError("\n".join(f"{names}: {line}" for line in str(error).splitlines())) from error


def check_config(files: Sequence[Path]) -> str:
    """Check an experiment's config, report each error with its key, and print the number of training runs.

    Args:
        files: The experiment's YAML file, and the files that are given after it.

    Raises:
        ConfigError: The config is invalid.
    """
    experiment = load(*files)
    runs = len(experiment.trained_runs)
    return f"{' + '.join(map(str, files))}: experiment {experiment.experiment}, {runs} training runs per seed"


def schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON schemas by file name: of an experiment, and of a file that is given after an experiment's."""
    whole = Experiment.model_json_schema()
    return {"config.schema.json": whole, "config-part.schema.json": _optional(whole)}


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; the experiments are in config/")
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML in UTF-8: {error}") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: not a mapping of keys; see config/README.md")
    return value


def _optional(part: Any) -> Any:
    """Return a schema in which every key is optional."""
    if isinstance(part, list):
        return [_optional(each) for each in part]
    if not isinstance(part, dict):
        return part
    kept = {key: _optional(value) for key, value in part.items() if key not in ("required", "discriminator")}
    return {"anyOf" if key == "oneOf" else key: value for key, value in kept.items()}
