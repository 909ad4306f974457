"""A cache of generated answers on disk. A kill loses only the batch that is being generated."""

import os
import sys
import uuid
from array import array
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from pydantic import ValidationError

from r1k.errors import RecordError
from r1k.evaluate.prompts import GeneratedAnswer
from r1k.records import Record


class AnswerBatch(Record):
    """Answers that finished together: one line of a file, written completely or not at all."""

    answers: list[GeneratedAnswer]


class CachedAnswer(NamedTuple):
    """A cached answer. Tokens take four bytes each, because a cache holds tens of millions of them."""

    ids: "array[int]"
    ended: bool


class AnswerLog:
    """A new file of answers in `directory`.

    Each process of each attempt writes its own file, so that none appends to a line that a kill truncated.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / f"{uuid.uuid4().hex}.jsonl"

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("xb", buffering=0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, answers: Sequence[GeneratedAnswer]) -> None:
        """Append answers; return when they are on disk."""
        self._file.write(AnswerBatch(answers=list(answers)).model_dump_json().encode() + b"\n")
        os.fsync(self._file.fileno())


def read_cached_answers(directory: Path) -> dict[str, CachedAnswer]:
    """Return the answers in a directory, by key. Skips a file's last line if a kill truncated it.

    Raises RecordError, which names file and line, for any other line that is not a record.
    """
    found: dict[str, CachedAnswer] = {}
    for path in sorted(directory.glob("*.jsonl")):
        with path.open("rb") as handle:
            for number, line in enumerate(handle, start=1):
                if not line.endswith(b"\n"):
                    print(f"{path}:{number}: truncated by a kill; its answers are generated again", file=sys.stderr)
                    break
                for answer in _read_line(path, number, line).answers:
                    found.setdefault(answer.key, CachedAnswer(array("I", answer.ids), answer.ended))
    return found


def _read_line(path: Path, number: int, line: bytes) -> AnswerBatch:
    try:
        return AnswerBatch.model_validate_json(line)
    except ValidationError as error:
        raise RecordError(
            f"{path}:{number}: not a record of answers ({error.errors()[0]['msg']}); remove the line: its answers are "
            "then generated again"
        ) from error
