"""Errors that a user can correct. The command line prints only their message and exits with status 2."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


class R1kError(Exception):
    """An error that the user can correct; the message names the file, line or key, and says what to do."""


class RecordError(R1kError):
    """A missing or invalid JSONL artefact."""


class ConfigError(R1kError):
    """An invalid or inconsistent config; the message names the key."""


class TextError(R1kError):
    """A text or chat template that cannot be encoded for training."""


class TeacherError(R1kError):
    """A teacher's refusal, truncated answer or unusable answer."""


class TrainError(R1kError):
    """A training run that cannot start or continue."""


class SiteError(R1kError):
    """A missing partition or account, or a cluster that does not answer."""


def field_path(location: Iterable[Any]) -> str:
    """Return a location such as `("runs", "7b", 0)` as `runs.7b.0`."""
    return ".".join(str(part) for part in location)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `" (did you mean 'x'?)"` with the closest known word, or an empty string."""
    matches = get_close_matches(word, list(known), n=1)
    return f" (did you mean {matches[0]!r}?)" if matches else ""
