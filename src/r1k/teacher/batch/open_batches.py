"""The batches whose answers are not yet in the journal: files beside it, which survive a kill at any moment.

`<nonce>.requests.jsonl` is on disk before anything is sent, and `<nonce>.id.json` once the provider has named the
batch. Both are removed when all answers of the batch are in the journal. A batch without an id was never created, or
its process was killed in between: the nonce is in the batch's metadata, so the provider's list of batches tells.
"""

import os
import time
import uuid
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import Field, ValidationError

from r1k.errors import TeacherError
from r1k.files import atomic_write
from r1k.records import Record, Text, iterate_jsonl
from r1k.teacher.journal import Request

REQUESTS, ID = ".requests.jsonl", ".id.json"
ProviderIdentity = tuple[str, str | None]
"""Address and variable of the API key: a batch is found only at this address with a key of this account."""


class PlannedRequest(Record):
    """A request to send, and the limit of its answer."""

    name: Text = Field(description="name for messages, such as the problem's")
    request: Request
    max_tokens: int | None = Field(description="limit of the answer, in tokens")

    @property
    def key(self) -> str:
        """The request's key, which is its `custom_id` in a batch."""
        return self.request.key


class BatchIntent(Record):
    """The first line of a batch's file: what identifies it before it has an id."""

    nonce: Text
    base_url: Text = Field(description="address of the provider")
    api_key_env: Text | None = Field(description="variable of the account's API key")
    created_at: float = Field(description="Unix time")
    keys: list[str] = Field(description="keys of the requests, which follow one per line")


class BatchId(Record):
    """The provider's name of a created batch."""

    id: Text


@dataclass(eq=False)
class OpenBatch:
    """A batch that may hold answers that the journal lacks."""

    path: Path
    """Its file of requests."""
    intent: BatchIntent
    id: str | None
    """None if it is unknown whether the provider created the batch."""

    @property
    def nonce(self) -> str:
        """The name that it has in its metadata at the provider."""
        return self.intent.nonce

    @property
    def created_at(self) -> float:
        """Unix time shortly before it was created."""
        return self.intent.created_at

    @property
    def provider(self) -> ProviderIdentity:
        """Where it is."""
        return self.intent.base_url, self.intent.api_key_env

    @cached_property
    def keys(self) -> frozenset[str]:
        """Keys of its requests."""
        return frozenset(self.intent.keys)

    @property
    def text(self) -> str:
        """Its name for messages."""
        return f"batch {self.id or self.nonce} at {self.intent.base_url}"

    def requests(self) -> dict[str, PlannedRequest]:
        """Return its requests by key."""
        with self.path.open(encoding="utf-8") as handle:
            next(handle)
            planned = [PlannedRequest.model_validate_json(line) for line in handle]
        return {each.key: each for each in planned}


class OpenBatches:
    """The open batches of a journal. The holder of the journal's lock may change them."""

    def __init__(self, journal: Path) -> None:
        self.folder = journal.with_name(f"{journal.stem}.batches")

    def __iter__(self) -> Iterator[OpenBatch]:
        """Yield the open batches, oldest first.

        Raises:
            TeacherError: A file is invalid.
        """
        found = [self._read(path) for path in self.folder.glob(f"[!.]*{REQUESTS}")]
        return iter(sorted(found, key=lambda batch: batch.intent.created_at))

    def holding(self, keys: Collection[str]) -> list[OpenBatch]:
        """Return the open batches that hold some of these requests."""
        return [batch for batch in self if not batch.keys.isdisjoint(keys)]

    def refuse(self, keys: Collection[str], section: str) -> None:
        """Raise TeacherError if a batch holds some of these requests, which would be paid twice without it."""
        for batch in self.holding(keys):
            raise TeacherError(
                f"{batch.text} holds {len(batch.keys.intersection(keys)):,} of these requests; set "
                f"{section}.client.batch to openai to collect its answers, or remove {batch.path} to send and pay them "
                "again"
            )

    def add(self, provider: ProviderIdentity, requests: Sequence[PlannedRequest]) -> OpenBatch:
        """Return a batch of these requests, once they are on disk."""
        nonce, (base_url, api_key_env) = uuid.uuid4().hex, provider
        intent = BatchIntent(
            nonce=nonce,
            base_url=base_url,
            api_key_env=api_key_env,
            created_at=time.time(),
            keys=[each.key for each in requests],
        )
        path = self.folder / f"{nonce}{REQUESTS}"
        self._write(path, [intent, *requests])
        return OpenBatch(path, intent, None)

    def set_id(self, batch: OpenBatch, batch_id: str) -> OpenBatch:
        """Return the batch with the provider's id, once the id is on disk."""
        self._write(self._id_path(batch.path), [BatchId(id=batch_id)])
        return OpenBatch(batch.path, batch.intent, batch_id)

    def remove(self, batch: OpenBatch) -> None:
        """Forget a batch: its answers are in the journal, or it was never created."""
        batch.path.unlink(missing_ok=True)
        self._id_path(batch.path).unlink(missing_ok=True)

    def _read(self, path: Path) -> OpenBatch:
        id_path = self._id_path(path)
        try:
            with path.open(encoding="utf-8") as handle:
                intent = BatchIntent.model_validate_json(handle.readline())
            found = next((each.id for _, each in iterate_jsonl(id_path, BatchId)), None) if id_path.exists() else None
        except ValidationError as error:
            raise TeacherError(
                f"{path}:1: not a valid batch ({error.errors()[0]['msg']}); restore the file, or remove it to send "
                "its requests again"
            ) from error
        return OpenBatch(path, intent, found)

    @staticmethod
    def _id_path(path: Path) -> Path:
        return path.with_name(path.name.removesuffix(REQUESTS) + ID)

    def _write(self, path: Path, records: Sequence[Record]) -> None:
        with atomic_write(path) as handle:
            handle.writelines(record.model_dump_json() + "\n" for record in records)
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
