"""Halves of surrogate pairs in JSON: escapes such as `\\ud83d`, which a text may hold and no file can."""

from typing import Any, TypeVar

T = TypeVar("T")


def valid_unicode(value: T) -> T:
    """Return a JSON value whose texts can be written: halves of surrogate pairs are joined, lone ones are U+FFFD."""
    changed: Any = value
    match value:
        case str():
            try:
                value.encode()
            except UnicodeEncodeError:
                changed = value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        case dict():
            changed = {valid_unicode(key): valid_unicode(each) for key, each in value.items()}
        case list():
            changed = [valid_unicode(each) for each in value]
    result: T = changed
    return result
