"""Write `config/README.md` and the config's JSON schemas from the models that validate the config."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from r1k import config
from r1k.config.checking import models_in
from r1k.files import atomic_write, write_json

HEAD = """\
# Experiments

One YAML file is one experiment: `demo.yaml` (the default), `smollm2.yaml`, `sample.yaml`, `paper.yaml`. Run one with
`snakemake --configfile config/NAME.yaml -- all`; check one with `r1k check-config config/NAME.yaml`. An unknown key and
a setting that another setting makes void are errors. Settings of the cluster are in `profiles/slurm`, not here.

To add a row to a table, add an entry to `runs` and its name to the table's `rows`. A run names its base or its parent,
its data and its method; `overrides` holds the settings that differ from `train`.

A file may complete another one, which is given before it. `remedies.yaml` adds rows to the paper's experiment, and
`demo-remedies.yaml` adds the same rows to the demo:
`snakemake --configfile config/paper.yaml config/remedies.yaml -- results/paper/tables/table4.md`. The rows are
ablations of the data (answers in one format, responses of equal length, problems graded correct, directions of
different problems), remedies (a direction tag, curricula, RevThink's tasks, other DPO losses, merges and routes of two
runs) and the released code's protocol. Table 3 shows their accuracy, Table 4 where their probability moves.
`smollm2-arms.yaml` adds one arm per direction to `smollm2.yaml`, for the claims about learning dynamics.

The teacher is any server with OpenAI's chat completions API, such as DeepSeek's endpoint or your own vLLM server. Set
`kind: openai`, `base_url` (without `/chat/completions`), `model`, and `api_key_env`, the environment variable that
holds the API key (any value for a server without keys). A judge has the same settings.

`make docs` writes this page from `src/r1k/config/`; a test fails if they differ.
"""


def write_config_docs(*, readme: Path, schemas: Path) -> None:
    """Write config/README.md and the config's JSON schemas from the models that validate the config.

    Args:
        readme: The Markdown page to write.
        schemas: The directory of the JSON schemas.
    """
    with atomic_write(readme) as handle:
        handle.write(page())
    for name, schema in config.schemas().items():
        write_json(schemas / name, schema)


def page() -> str:
    """Return the Markdown page: a table of keys per section, in order of appearance."""
    parts = [HEAD]
    for path, model in _sections(config.Experiment):
        summary = " ".join((model.__doc__ or "").split())
        heading = f"## {model.__name__}\n\n" + (f"`{path}`: {summary}\n" if path else f"{summary}\n")
        rows = [_row(name, field) for name, field in model.model_fields.items()]
        parts.append("\n".join([heading, "| key | value | default | description |", "|---|---|---|---|", *rows]))
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _sections(
    model: type[BaseModel], path: str = "", seen: set[type[BaseModel]] | None = None
) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield each section with the first place in the config that has it; NAME stands for a name of your choice."""
    seen = set() if seen is None else seen
    if model in seen:
        return
    seen.add(model)
    yield path, model
    for name, field in model.model_fields.items():
        place = f"{path}.{name}".lstrip(".") + (".NAME" if get_origin(field.annotation) is dict else "")
        for part in models_in(field.annotation):
            yield from _sections(part, place, seen)


def _row(name: str, field: FieldInfo) -> str:
    default = "required" if field.is_required() else _default(field)
    return (
        f"| `{name}` | {_type(field.annotation)} | {default} | {field.description or 'selects this kind of section'} |"
    )


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined or isinstance(field.default, BaseModel):
        return "the section's defaults"
    return "unset" if field.default is None else f"`{json.dumps(field.default)}`"


def _type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in (Union, UnionType):
        return " or ".join(_type(part) for part in arguments if part is not type(None))
    if origin is list:
        return f"list: {_type(arguments[0])}"
    if origin is dict:
        return f"{_type(arguments[0])} to {_type(arguments[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    names = {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path", Any: "any"}
    return names.get(annotation, str(annotation))
