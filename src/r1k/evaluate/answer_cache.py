"""Answers on disk as they come: a kill costs what is being written, and nothing is generated twice."""

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
from r1k.evaluate.prompts import Answer
from r1k.records import Record


class Finished(Record):
    """Answers that were finished together, as those of a batch: a line, and so on disk together or not at all."""

    answers: list[Answer]


class CachedAnswer(NamedTuple):
    """An answer that is kept, in four bytes a token: there are tens of millions."""

    ids: "array[int]"
    ended: bool


class AnswerLog:
    """A new file of answers in `directory`. Each process of each attempt has its own: none goes on after a tear."""

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

    def add(self, answers: Sequence[Answer]) -> None:
        """Return when the answers are on disk."""
        self._file.write(Finished(answers=list(answers)).model_dump_json().encode() + b"\n")
        os.fsync(self._file.fileno())


def read_kept(directory: Path) -> dict[str, CachedAnswer]:
    """The answers in a directory, by key; of a file's last line, where a kill tore it, nothing.

    RecordError names file and line of anything else that is no record.
    """
    found: dict[str, CachedAnswer] = {}
    for path in sorted(directory.glob("*.jsonl")):
        with path.open("rb") as handle:
            for number, line in enumerate(handle, start=1):
                if not line.endswith(b"\n"):
                    print(f"{path}:{number}: torn by a kill; its answers are generated again", file=sys.stderr)
                    break
                for answer in _read_line(path, number, line).answers:
                    found.setdefault(answer.key, CachedAnswer(array("I", answer.ids), answer.ended))
    return found


def _read_line(path: Path, number: int, line: bytes) -> Finished:
    try:
        return Finished.model_validate_json(line)
    except ValidationError as error:
        raise RecordError(
            f"{path}:{number}: no finished answers ({error.errors()[0]['msg']}); remove the line: its answers are then "
            "generated again"
        ) from error
