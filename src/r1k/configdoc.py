"""`config/README.md` and the config's JSON schema, written from the models that check the config."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from r1k import config
from r1k.files import atomic_write, write_json

HEAD = """\
# Experiments

One YAML file is one experiment: `demo.yaml` (the default), `smollm2.yaml`, `sample.yaml`, `paper.yaml`. Run one with
`snakemake --configfile config/NAME.yaml -- all`; check one with `r1k check-config config/NAME.yaml`. Unknown keys are
errors. Nothing here says anything of a cluster: that is in `profiles/slurm`.

A new row in a table is a new entry in `runs` and its name in the table's `rows`; a run names its base or its parent,
its data, its method, and single settings that differ under `changes`. `remedies.yaml` holds such rows alone, and is
given after the paper's file, as
`snakemake --configfile config/paper.yaml config/remedies.yaml -- results/paper/tables/table4.md`. It has ablations of
the data (answers in one format, responses of one length, problems that were graded correct, directions of different
problems) and remedies: a direction tag, curricula, RevThink's tasks, other losses of DPO, merges and routes of two
runs; and the released code's protocol. Table 3 says what they answer, Table 4 where they put the probability.
`smollm2-arms.yaml` adds an arm for each direction to `smollm2.yaml`, for the claims about learning dynamics.

The teacher may be DeepSeek's own endpoint, a vLLM server of yours, or any other that speaks OpenAI's protocol: `kind:
openai`, its `base_url` up to and without `/chat/completions`, its `model`, and as `api_key_env` the environment
variable that holds its key (any word, for a server that asks for none). The README shows each. A judge is configured
alike.

This page is written by `make docs` from `src/r1k/config/`; a test fails when they differ.
"""


def write_config_docs(*, readme: Path, schema: Path) -> None:
    """Write config/README.md and the config's JSON schema from the models that validate the config.

    Args:
        readme: The Markdown page to write.
        schema: The JSON schema to write.
    """
    with atomic_write(readme) as handle:
        handle.write(page())
    write_json(schema, config.schema())


def page() -> str:
    """The Markdown page: a table of keys for each section, in the order they appear."""
    parts = [HEAD]
    for model in _sections(config.Experiment):
        summary = " ".join((model.__doc__ or "").split())
        rows = [_row(name, field) for name, field in model.model_fields.items()]
        parts.append(
            "\n".join(
                [f"## {model.__name__}\n\n{summary}\n", "| key | value | default | what |", "|---|---|---|---|", *rows]
            )
        )
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _sections(model: type[BaseModel], seen: set[type[BaseModel]] | None = None) -> Iterator[type[BaseModel]]:
    seen = set() if seen is None else seen
    if model in seen:
        return
    seen.add(model)
    yield model
    for field in model.model_fields.values():
        for part in _models(field.annotation):
            yield from _sections(part, seen)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _row(name: str, field: FieldInfo) -> str:
    default = "required" if field.is_required() else _default(field)
    return f"| `{name}` | {_type(field.annotation)} | {default} | {field.description or 'says which kind this is'} |"


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined or isinstance(field.default, BaseModel):
        return "its own"
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
