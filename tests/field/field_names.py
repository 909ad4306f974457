"""Give the keys and values of a report's config the names that the config has today."""

from typing import Any

from r1k.config.spelling import RENAMED_KEYS, RENAMED_VALUES


def renamed(value: Any) -> Any:
    """Return a part of a config with the keys and values of version 0.1 renamed, at any depth."""
    match value:
        case dict():
            return {RENAMED_KEYS.get(key, key): renamed(each) for key, each in value.items()}
        case list():
            return [renamed(each) for each in value]
        case str():
            return RENAMED_VALUES.get(value, value)
        case _:
            return value
