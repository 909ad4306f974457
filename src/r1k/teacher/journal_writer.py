"""Append answers to a journal from an event loop; answers that arrive during a write share the next one."""

import asyncio

from r1k.errors import TeacherError
from r1k.teacher.journal import Journal, JournalEntry, RunStoppedError

_Waiting = list[tuple[JournalEntry, asyncio.Future[None]]]


class JournalWriter:
    """Writes for the workers of one event loop, so that many answers cost one `fsync`."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._waiting: _Waiting = []
        self._task: asyncio.Task[None] | None = None

    async def append(self, entry: JournalEntry) -> None:
        """Append an entry, and return once it is on disk; raise the errors of `Journal.append`."""
        written = asyncio.get_running_loop().create_future()
        self._waiting.append((entry, written))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write())
        await written

    async def _write(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            try:
                errors = await asyncio.to_thread(self._append, [entry for entry, _ in waiting])
            except asyncio.CancelledError:
                self._append([entry for entry, _ in self._waiting])
                raise
            for (_, written), error in zip(waiting, errors, strict=True):
                if written.cancelled():
                    continue
                if error is None:
                    written.set_result(None)
                else:
                    written.set_exception(error)

    def _append(self, entries: list[JournalEntry]) -> list[TeacherError | None]:
        """Append entries, and return the error of each, or None."""
        try:
            self._journal.append_all(entries)
        except RunStoppedError as error:
            return [error] * len(entries)
        except TeacherError as error:
            # One entry cannot be written, and the others must be.
            return [error] if len(entries) == 1 else [each for entry in entries for each in self._append([entry])]
        return [None] * len(entries)
