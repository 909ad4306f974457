"""The batches whose answers are not yet in the journal: files beside it, which survive a kill at any moment.

`<nonce>.requests.jsonl` is on disk before anything is sent, and `<nonce>.ids.json` before the batch is created and
again once it is. Both are removed when all answers of the batch are in the journal. Without an id the batch was never
created, or its process was killed in between: the provider's list of batches tells, because the batch has the nonce in
its metadata.
"""

import os
import time
import uuid
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from pydantic import Field, ValidationError

from r1k.errors import TeacherError
from r1k.files import atomic_write
from r1k.records import Record, Text
from r1k.teacher.journal import Request

REQUESTS, IDS = ".requests.jsonl", ".ids.json"
R = TypeVar("R", bound=Record)
ProviderIdentity = tuple[str, str | None]
"""Address and variable of the API key: a batch is found only at this address with a key of this account."""


class PlannedRequest(Record):
    """A request to send, and the limit of its answer."""

    name: Text = Field(description="name for messages, such as the problem's")
    request: Request
    max_tokens: int | None = Field(description="limit of the answer, in tokens")

    @cached_property
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


class BatchIds(Record):
    """The provider's names of a batch and of its file of requests."""

    input_file_id: Text
    id: Text | None = Field(default=None, description="null until the provider has answered that it created the batch")


@dataclass(eq=False)
class OpenBatch:
    """A batch that may hold answers that the journal lacks."""

    path: Path
    """Its file of requests."""
    intent: BatchIntent
    ids: BatchIds | None = None
    """None if its file of requests was not uploaded, so that it was not created."""

    @property
    def id(self) -> str | None:
        """The provider's name of it; None if it is unknown whether it was created."""
        return self.ids.id if self.ids else None

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
            planned = [_validated(PlannedRequest, line, self.path, number) for number, line in enumerate(handle, 2)]
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
        return OpenBatch(path, intent)

    def set_ids(self, batch: OpenBatch, input_file_id: str, batch_id: str | None = None) -> OpenBatch:
        """Return the batch with the provider's names, once they are on disk."""
        ids = BatchIds(input_file_id=input_file_id, id=batch_id)
        self._write(self._ids_path(batch.path), [ids])
        return OpenBatch(batch.path, batch.intent, ids)

    def remove(self, batch: OpenBatch) -> None:
        """Forget a batch: its answers are in the journal, or it was never created."""
        batch.path.unlink(missing_ok=True)
        self._ids_path(batch.path).unlink(missing_ok=True)

    def _read(self, path: Path) -> OpenBatch:
        with path.open(encoding="utf-8") as handle:
            intent = _validated(BatchIntent, handle.readline(), path, 1)
        ids_path = self._ids_path(path)
        if not ids_path.exists():
            return OpenBatch(path, intent)
        return OpenBatch(path, intent, _validated(BatchIds, ids_path.read_text(encoding="utf-8"), ids_path, 1))

    @staticmethod
    def _ids_path(path: Path) -> Path:
        return path.with_name(path.name.removesuffix(REQUESTS) + IDS)

    def _write(self, path: Path, records: Sequence[Record]) -> None:
        with atomic_write(path) as handle:
            handle.writelines(record.model_dump_json() + "\n" for record in records)
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _validated(model: type[R], line: str, path: Path, number: int) -> R:
    try:
        return model.model_validate_json(line)
    except ValidationError as error:
        raise TeacherError(
            f"{path}:{number}: not a valid {model.__name__} ({error.errors()[0]['msg']}); restore the files "
            f"{path.name.split('.')[0]}.*, or remove them to send and pay the batch's requests again"
        ) from error
