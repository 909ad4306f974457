"""Validation of a value against a model, with errors that name the key and say what to do."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from r1k.config.spelling import FAMILIAR_KEYS, MOVED_KEYS, RENAMED_KEYS, RENAMED_VALUES
from r1k.errors import ConfigError, did_you_mean, field_path

S = TypeVar("S", bound=BaseModel)
KINDS = frozenset({"world", "file", "hub", "lm_eval", "embedded", "replay", "openai", "packaged", "scratch"})
"""The tags of unions of sections, which pydantic puts into an error's location."""


def validate(model: type[S], value: object, where: str = "") -> S:
    """Return `value` as a `model`; raise ConfigError with a line for each wrong key, prefixed by `where`."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(item, model, where) for item in error.errors())) from error


def _explain(item: Any, model: type[BaseModel], where: str) -> str:
    location = [part for part in item["loc"] if part not in KINDS]
    key = ".".join(filter(None, [where, field_path(location)])) or "config"
    match item["type"]:
        case "extra_forbidden":
            return _unknown_key(key, str(location[-1]), model, item["loc"])
        case "missing":
            return f"{key}: missing; add it (config/README.md describes it)"
        case "value_error" if not location and not where:
            return str(item["ctx"]["error"])
        case "value_error":
            return f"{key}: {item['ctx']['error']}"
        case "literal_error" if RENAMED_VALUES.get(str(item["input"]), "") in _quoted(item["ctx"]["expected"]):
            return f"{key}: unknown value {item['input']!r}; it is now {RENAMED_VALUES[item['input']]!r}"
        case _:
            return f"{key}: {item['msg']} (got {item['input']!r:.80})"


def _unknown_key(key: str, name: str, model: type[BaseModel], location: Sequence[Any]) -> str:
    """Return the error of an unknown key: its new name, its name here, or a similar key, of its section first."""
    section = set(_section_at(model, location[:-1]).model_fields)
    if RENAMED_KEYS.get(name) in section:
        return f"{key}: unknown key `{name}`; it is now `{RENAMED_KEYS[name]}`"
    if name in MOVED_KEYS:
        return f"{key}: unknown key `{name}` here; {MOVED_KEYS[name]}"
    similar = did_you_mean(name, section)
    familiar = FAMILIAR_KEYS.get(name)
    if familiar and (not similar or familiar.split(maxsplit=1)[0].strip(",:;") in section):
        return f"{key}: unknown key; here it is {familiar}"
    if not similar and name in RENAMED_KEYS:
        return f"{key}: unknown key `{name}`; it is now `{RENAMED_KEYS[name]}`, in another section (config/README.md)"
    return f"{key}: unknown key{similar or did_you_mean(name, _all_keys(model))}; remove or rename it"


def _section_at(model: type[BaseModel], location: Sequence[Any]) -> type[BaseModel]:
    """Return the model at a location; a part is a field, a union's tag, a name in a mapping or an index."""
    options = [model]
    for part in location:
        if part in KINDS:
            options = [option for option in options if _tag(option) == part] or options
            continue
        fields = [option.model_fields[part] for option in options if part in option.model_fields]
        if fields:
            options = [found for field in fields for found in models_in(field.annotation)] or options
    return options[0]


def _tag(model: type[BaseModel]) -> str | None:
    kind = model.model_fields.get("kind")
    return next(iter(get_args(kind.annotation)), None) if kind else None


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models that a field's annotation names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from models_in(argument)


def _quoted(expected: str) -> set[str]:
    """Return the values in pydantic's list of them: `'a', 'b' or 'c'`."""
    return set(expected.split("'")[1::2])


def _all_keys(model: type[BaseModel]) -> set[str]:
    schema = model.model_json_schema()
    parts = [schema, *schema.get("$defs", {}).values()]
    return {key for part in parts for key in part.get("properties", {})}
