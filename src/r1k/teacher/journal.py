"""The journal: one immutable line per answer of a teacher or a judge, kept for good because answers cost money.

One `write` under a file lock writes a whole line, which is on disk before its answer is used. A kill at any byte costs
at most an incomplete last line, which the next opening removes. Memory holds only the offset of each line.
"""

import fcntl
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

from pydantic import Field, ValidationError

from r1k.errors import TeacherError
from r1k.files import value_digest
from r1k.records import Record, Text
from r1k.teacher.protocol.finish_reasons import FinishKind, finish_kind

TokenKind = Literal["prompt_tokens", "completion_tokens"]

CHUNK = 1 << 16
USAGE_ALIASES: dict[TokenKind, str] = {"prompt_tokens": "input_tokens", "completion_tokens": "output_tokens"}
ANSWER_KINDS: dict[FinishKind, FinishKind] = {"too_long": "truncated", "rejected": "refused"}
"""What the finish reasons of refused prompts mean where a server uses them for an answer."""
MAX_TOKEN_COUNT = 1e12
"""A larger count is not a count."""


class RunStoppedError(TeacherError):
    """An error that ends the whole run, because every further request would meet it too."""


class ChatMessage(Record):
    """A message of a chat."""

    role: Literal["user"] = "user"
    content: Text


class Request(Record):
    """All that decides a teacher's answer, wherever it is served."""

    prompt_name: Text = Field(description="the prompt's name")
    prompt_digest: Text = Field(description="digest of the prompt's text")
    model: Text
    messages: list[ChatMessage]
    sampling: dict[str, float] = Field(default={}, description="sampling parameters that the config sets")

    def __copy__(self) -> Self:
        """Return a copy without the key, because `model_copy` may then change fields."""
        copied = super().__copy__()
        copied.__dict__.pop("key", None)
        return copied

    @cached_property
    def key(self) -> str:
        """The request's name in the journal, a digest of its fields.

        It excludes `max_tokens`: an answer that is complete under one limit is the same under a higher one, and raising
        the limit for the few truncated answers must not request all the others again.
        """
        return value_digest(self.model_dump())

    @property
    def max_prompt_tokens(self) -> int:
        """An upper bound on the tokens of the prompt: its bytes, plus 64 for the chat template.

        A byte-level tokenizer makes at most one token per byte.
        """
        return sum(len(message.content.encode()) for message in self.messages) + 64


class TokenCounts(NamedTuple):
    """Tokens of a prompt and of its answer."""

    prompt: int
    completion: int
    estimated: bool
    """Whether one of them is an upper estimate, because the server sent no count that can be right."""


class JournalEntry(Record):
    """A request and its answer, as the server returned it; or the refusal of a prompt."""

    key: Text
    request: Request
    max_tokens: int | None = Field(description="limit of the request, in tokens")
    answer: str
    reasoning: str | None = Field(description="field `reasoning_content` or `reasoning` of the response")
    refusal: str | None = None
    finish_reason: str
    usage: dict[str, Any] | None = None
    estimated: bool = Field(default=False, description="the cost is of tokens estimated from the texts")
    billed: bool = Field(default=True, description="false for an error that refuses the prompt: it costs nothing")
    cost: float | None = Field(default=None, description="US dollars, at the prices configured at that time")
    seconds: float
    finished_at: str = Field(description="UTC, ISO 8601")
    batch: str | None = Field(default=None, description="provider's id of the batch that held the request")

    @property
    def finish_kind(self) -> FinishKind:
        """What the finish reason means. An answer that a server ends with `context_length` is truncated."""
        kind = finish_kind(self.finish_reason)
        return ANSWER_KINDS.get(kind, kind) if self.billed else kind

    @property
    def truncated(self) -> bool:
        """Whether the answer reached the limit before it was complete."""
        return self.finish_kind == "truncated"

    @property
    def tokens(self) -> TokenCounts:
        """The tokens that the server counted, or else upper estimates: a token has at least one byte."""
        if not self.billed:
            return TokenCounts(0, 0, False)
        prompt, completion = self.token_count("prompt_tokens"), self.token_count("completion_tokens")
        written = self._written_bytes if self.max_tokens is None else min(self._written_bytes, self.max_tokens)
        return TokenCounts(
            prompt=self.request.max_prompt_tokens if prompt is None else prompt,
            completion=written if completion is None else completion,
            estimated=prompt is None or completion is None,
        )

    def token_count(self, kind: TokenKind) -> int | None:
        """Return the tokens that the server counted; None if it sent no count, or 0 for a text."""
        usage = self.usage or {}
        value = usage.get(kind, usage.get(USAGE_ALIASES[kind]))
        if isinstance(value, str) and value.strip().isascii() and value.strip().isdecimal():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < MAX_TOKEN_COUNT:
            return None
        if value == 0 and (kind == "prompt_tokens" or self._written_bytes):
            return None
        return round(value)

    @property
    def _written_bytes(self) -> int:
        texts = (self.answer, self.reasoning or "", self.refusal or "")
        return sum(len(text.encode()) for text in texts)


class Journal:
    """The journal at `path`, created if it does not exist. Several threads and several processes may use it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._thread_lock = threading.Lock()
        self._offsets: dict[str, tuple[int, int]] = {}
        self._indexed = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise TeacherError(
                f"{path}: the journal cannot be opened for writing ({error}); choose another path"
            ) from error
        try:
            with self._locked():
                self._drop_torn_line()
                self._index()
        except TeacherError:
            os.close(self._file)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def __len__(self) -> int:
        return len(self._offsets)

    def get(self, key: str) -> JournalEntry | None:
        """Return the newest answer to a request, or None."""
        place = self._offsets.get(key)
        if place is None:
            return None
        offset, length = place
        return JournalEntry.model_validate_json(os.pread(self._file, length, offset))

    def answer_to(self, request: Request) -> JournalEntry:
        """Return the newest answer to a request; raise TeacherError if the journal has no answer to it."""
        entry = self.get(request.key)
        if entry is None:
            raise TeacherError(f"{self.path}: holds no answer to request {request.key}; run again")
        return entry

    def append(self, entry: JournalEntry) -> None:
        """Append an entry, and return once it is on disk; raise the errors of `append_all`."""
        self.append_all([entry])

    def append_all(self, entries: Sequence[JournalEntry]) -> None:
        """Append entries with one write, and return once they are on disk.

        Raises:
            TeacherError: An entry cannot be written as JSON; none is written.
            RunStoppedError: The file cannot be written, so further answers would be lost.
        """
        if not entries:
            return
        lines = [_line(entry) for entry in entries]
        whole = b"".join(lines)
        with self._locked():
            self._drop_torn_line()
            start = os.fstat(self._file).st_size
            try:
                written = os.write(self._file, whole)
                if written < len(whole):
                    raise OSError(f"{written} of {len(whole)} bytes were written")
                os.fsync(self._file)
            except OSError as error:
                os.ftruncate(self._file, start)
                raise RunStoppedError(
                    f"{self.path}: cannot be written ({error}); free disk space, then run again"
                ) from error
        if start == self._indexed:
            self._indexed += len(whole)
        for entry, line in zip(entries, lines, strict=True):
            self._offsets[entry.key] = (start, len(line))
            start += len(line)

    def refresh(self) -> None:
        """Find the entries that other processes have appended."""
        with self._locked():
            self._drop_torn_line()
            self._index()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._thread_lock:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def _drop_torn_line(self) -> None:
        size = os.fstat(self._file).st_size
        if size == 0 or os.pread(self._file, 1, size - 1) == b"\n":
            return
        whole = self._end_of_last_line(size)
        os.ftruncate(self._file, whole)
        print(
            f"{self.path}: removed an incomplete last line of {size - whole} bytes, left by a killed process; "
            "its request will be sent again",
            file=sys.stderr,
            flush=True,
        )

    def _end_of_last_line(self, size: int) -> int:
        end = size
        while end > 0:
            start = max(0, end - CHUNK)
            found = os.pread(self._file, end - start, start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end = start
        return 0

    def _index(self) -> None:
        """Index the lines after those that are indexed."""
        with self.path.open("rb") as handle:
            handle.seek(self._indexed)
            for line in handle:
                try:
                    entry = JournalEntry.model_validate_json(line)
                except ValidationError as error:
                    first = error.errors()[0]
                    number = self.path.read_bytes()[: self._indexed].count(b"\n") + 1
                    raise TeacherError(
                        f"{self.path}:{number}: not a valid journal record ({first['msg']}); "
                        "correct the line, or remove it to send its request again"
                    ) from error
                self._offsets[entry.key] = (self._indexed, len(line))
                self._indexed += len(line)


def _line(entry: JournalEntry) -> bytes:
    try:
        return entry.model_dump_json().encode() + b"\n"
    except ValueError as error:
        raise TeacherError(f"the answer to request {entry.key} is not valid text ({error})") from error
