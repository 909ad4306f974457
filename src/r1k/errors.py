"""The errors that a user can act on. The command line prints their message alone and exits with 2."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


class R1kError(Exception):
    """Something a user can mend: the message names the file, line or key, and says what to do."""


class RecordError(R1kError):
    """A JSONL artefact that cannot be read as what it should be."""


class ConfigError(R1kError):
    """An experiment that makes no sense; the message names the key."""


class TextError(R1kError):
    """A text or chat template from which no training tokens can be made."""


class TeacherError(R1kError):
    """A teacher that refused, cut its answer, or answered something unusable."""


class TrainError(R1kError):
    """A training that cannot start or go on."""


class SiteError(R1kError):
    """A cluster that has no such partition or account, or does not answer."""


def field_path(location: Iterable[Any]) -> str:
    """`("runs", "7b", 0)` as `runs.7b.0`."""
    return ".".join(str(part) for part in location)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`" (did you mean 'x'?)"`, or nothing where no known word is near."""
    near = get_close_matches(word, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
