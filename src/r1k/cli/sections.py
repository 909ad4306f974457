"""Sections of the config as options: YAML or JSON text, or the name of a file after `@`."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from pydantic import create_model

from r1k import config
from r1k.errors import ConfigError


def read_section(option: str, hint: Any, text: str) -> Any:
    """Return the text as a section of type `hint`, a model or a union of models; ConfigError names each wrong key."""
    fields: dict[str, Any] = {option: (hint, ...)}
    model = create_model("Options", **fields)
    return getattr(config.validate(model, {option: _value(option, text)}), option)


def _value(option: str, text: str) -> Any:
    source = Path(text[1:]) if text.startswith("@") else None
    if source is not None and not source.is_file():
        raise ConfigError(f"--{option}: {source}: no such file")
    written = source.read_text(encoding="utf-8") if source is not None else text
    with suppress(json.JSONDecodeError):
        return json.loads(written)  # YAML 1.1 reads 1e-05 as text
    try:
        return yaml.safe_load(written)
    except yaml.YAMLError as error:
        raise ConfigError(f"--{option}: neither YAML nor JSON: {text[:80]!r}") from error
