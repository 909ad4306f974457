"""A value checked against a model, with errors that name the key."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from r1k.errors import ConfigError, did_you_mean, field_path

S = TypeVar("S", bound=BaseModel)


def validate(model: type[S], value: object, where: str = "") -> S:
    """`value` as a `model`; ConfigError names each wrong key, with `where` before it, and says what to do."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(item, model, where) for item in error.errors())) from error


def _explain(item: Any, model: type[BaseModel], where: str) -> str:
    known = ("world", "file", "hub", "lm_eval", "embedded", "replay", "openai", "packaged", "scratch")
    location = [part for part in item["loc"] if part not in known]
    key = ".".join(filter(None, [where, field_path(location)])) or "config"
    match item["type"]:
        case "extra_forbidden":
            return f"{key}: unknown key{did_you_mean(str(location[-1]), _all_keys(model))}; remove or rename it"
        case "missing":
            return f"{key}: missing; add it (config/README.md describes it)"
        case "value_error" if not location and not where:
            return str(item["ctx"]["error"])
        case "value_error":
            return f"{key}: {item['ctx']['error']}"
        case _:
            return f"{key}: {item['msg']} (got {item['input']!r:.80})"


def _all_keys(model: type[BaseModel]) -> set[str]:
    schema = model.model_json_schema()
    parts = [schema, *schema.get("$defs", {}).values()]
    return {key for part in parts for key in part.get("properties", {})}
