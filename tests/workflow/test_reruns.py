"""Which rules rerun when a key of the config changes: dry runs of an experiment whose outputs all exist."""

import contextlib
import copy
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_origin
from unittest import mock

import pytest
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from reruns import CASES, COSTLY, EXEMPT, OTHER_KINDS, SETTINGS, TOGETHER, WIDE, value_at
from snakemake.api import SnakemakeApi
from snakemake.executors import touch
from snakemake.settings.types import (
    ConfigSettings,
    DAGSettings,
    OutputSettings,
    Quietness,
    RerunTrigger,
    ResourceSettings,
)

from examples import ROOT
from r1k.config import Experiment, validate

pytestmark = pytest.mark.slow

PROFILE = yaml.safe_load((ROOT / "profiles" / "default" / "config.yaml").read_text())


class Plan(NamedTuple):
    """What a dry run plans."""

    starts: set[str]
    """The rules of the first jobs that rerun: none of their inputs is made anew."""
    reruns: set[str]
    outputs: list[tuple[Path, bool]]
    """The outputs of all jobs, and whether each is a directory."""


def plan(directory: Path, config: Path, remake: bool = False) -> Plan:
    """Plan the target `all` in a directory; with `remake`, record all outputs there as made."""
    output = io.StringIO()
    with (
        contextlib.chdir(directory),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(output),
        SnakemakeApi(OutputSettings(quiet={Quietness.ALL}, dryrun=not remake)) as snakemake,
    ):
        workflow = snakemake.workflow(
            ResourceSettings(cores=1),
            ConfigSettings(configfiles=[config]),
            snakefile=ROOT / "Snakefile",
            workdir=directory,
        )
        triggers = RerunTrigger.parse_choices_set(PROFILE["rerun-triggers"])
        jobs = workflow.dag(DAGSettings(targets={"all"}, rerun_triggers=frozenset(triggers), forceall=remake))
        if remake:
            jobs.execute_workflow(executor="touch")
        else:
            jobs.summary()
        dag = workflow._workflow.dag
        reruns = set(dag.needrun_jobs())
        return Plan(
            starts={job.rule.name for job in reruns if reruns.isdisjoint(dag.dependencies[job])},
            reruns={job.rule.name for job in reruns},
            outputs=[(directory / str(path), path.is_directory) for job in dag.jobs for path in job.output],
        )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a working directory in which every output of `wide.yaml` exists and is recorded."""
    directory = tmp_path_factory.mktemp("wide")
    wide = write_config(directory / "wide.json", WIDE)
    for path, is_directory in plan(directory, wide).outputs:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(exist_ok=True) if is_directory else path.touch()
    with mock.patch.object(touch.Executor, "SLEEPING_TIME", 0):
        plan(directory, wide, remake=True)
    assert not plan(directory, wide).reruns
    return directory


@pytest.mark.parametrize("case", CASES, ids=lambda case: next(iter(case.edits)))
def test_an_edit_reruns_the_rules_whose_output_it_decides(made, case):
    planned = plan(made, write_config(made / "edited.json", edited(case.edits)))
    assert planned.starts == set(case.starts.split())
    verbs = {rule.split("_")[0] for rule in planned.reruns}
    assert verbs & set(COSTLY) == set(case.costs.split())


@pytest.mark.parametrize("path", SETTINGS)
def test_a_training_setting_changes_the_digest_of_its_runs(path):
    other = validate(Experiment, edited({path: SETTINGS[path]} | TOGETHER.get(path, {})))
    run = "mix-dpo" if path.startswith("train.dpo") else "mix"
    assert other.digest(run, 0) != validate(Experiment, WIDE).digest(run, 0)


def test_a_case_of_several_keys_that_start_rules_has_no_key_that_params_leave_out():
    """Each key of such a case acts for itself: its section goes to a command as a whole."""
    together = [path for case in CASES if case.starts and len(case.edits) > 1 for path in case.edits]
    assert [path for path in together if located(path).field.exclude] == []


def test_keys_of_other_kinds_of_sections_are_in_params_too():
    """A command gets its source or teacher as a whole, of whatever kind."""
    for section, kinds in OTHER_KINDS.items():
        for model in models_of(located(section).field.annotation):
            if kind_of(model) in kinds:
                assert [name for name, field in model.model_fields.items() if field.exclude] == []


def test_the_table_has_every_key():
    edits = [*(path for case in CASES for path in case.edits), *SETTINGS]
    covered = {located(path).key for path in edits} | set(EXEMPT)
    others = tuple(f"{section}[{kind}]." for section, kinds in OTHER_KINDS.items() for kind in kinds)
    keys = [key for key in all_keys(Experiment) if not key.startswith(others)]
    assert [key for key in keys if key not in covered] == [], "add an edit of each to tests/workflow/reruns.py"


def write_config(path: Path, config: dict[str, Any]) -> Path:
    """Write a config as JSON, which Snakemake reads faster than YAML."""
    path.write_text(json.dumps(config))
    return path


def edited(edits: dict[str, Any]) -> dict[str, Any]:
    """Return `wide.yaml` with new values at some paths."""
    config = copy.deepcopy(WIDE)
    for path, value in edits.items():
        above, _, key = path.rpartition(".")
        section = value_at(config, above) if above else config
        section[key] = value
    return config


class Location(NamedTuple):
    """Where a path of `wide.yaml` is in the models."""

    key: str
    """The path with `*` for names and the kind after a section that has kinds, as from `all_keys`."""
    field: FieldInfo


def located(path: str) -> Location:
    """Return the location of a path: of the last field on it, because what is below a plain value is not a key."""
    model: type[BaseModel] = Experiment
    parts, key, value = path.split("."), "", WIDE
    while parts:
        name = parts.pop(0)
        field, value = model.model_fields[name], value.get(name)
        models = models_of(field.annotation)
        key += name
        if models and get_origin(field.annotation) is dict and parts:
            value = value[parts.pop(0)]
            key += ".*"
        if not models or not parts:
            break
        model = models[0]
        if len(models) > 1:
            model = next(each for each in models if kind_of(each) == value["kind"])
            key += f"[{value['kind']}]"
        key += "."
    return Location(key, field)


def all_keys(model: type[BaseModel], above: str = "") -> Iterator[str]:
    """Yield every key that holds a value: `*` stands for a name, and a kind follows a section that has kinds."""
    for name, field in model.model_fields.items():
        models = models_of(field.annotation)
        if not models and not (name == "kind" and len(get_args(field.annotation)) == 1):
            yield f"{above}{name}"
        for below in models:
            names = ".*" if get_origin(field.annotation) is dict else ""
            yield from all_keys(below, f"{above}{name}{names}{f'[{kind_of(below)}]' if len(models) > 1 else ''}.")


def models_of(annotation: Any) -> list[type[BaseModel]]:
    """Return the sections that a field may hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in models_of(argument)]


def kind_of(model: type[BaseModel]) -> str:
    return str(get_args(model.model_fields["kind"].annotation)[0])
