"""Atomic writes of files and directories, locks that a killed process releases, and digests."""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout


@contextmanager
def atomic_write(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a temporary file beside `path` and rename it to `path` if the block ends without an error.

    A kill at any moment leaves the old file or no file, never a part of the new one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open(mode, encoding=None if "b" in mode else "utf-8") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    with atomic_write(path) as handle:
        handle.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_texts(texts: Mapping[Path, str]) -> dict[str, str]:
    """Write each text to its path, atomically, and return the files' digests by file name."""
    for path, text in texts.items():
        with atomic_write(path) as handle:
            handle.write(text)
    return file_digests(texts)


@contextmanager
def atomic_directory(path: Path) -> Iterator[Path]:
    """Yield a temporary directory beside `path` and rename it to `path` if the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        yield partial
        if path.exists():
            shutil.rmtree(path)
        partial.replace(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def publish_directory(source: Path, target: Path) -> None:
    """Copy `source` to `target`, atomically; files are hard links if the file system supports them."""
    with atomic_directory(target) as partial:
        for path in sorted(source.rglob("*")):
            destination = partial / path.relative_to(source)
            if path.is_dir():
                destination.mkdir(exist_ok=True)
            else:
                _link_or_copy(path, destination)


def _link_or_copy(source: Path, destination: Path) -> None:
    try:
        os.link(source, destination)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(source, destination)


@dataclass(frozen=True)
class HeldLock:
    """A lock file that this process holds."""

    path: Path
    what: str
    lock: FileLock

    @contextmanager
    def released(self) -> Iterator[None]:
        """Let other processes hold the lock during the block; after an error it stays released."""
        self.lock.release()
        yield
        self.acquire()

    def acquire(self) -> None:
        """Take the lock; wait for it if another process holds it."""
        try:
            self.lock.acquire(timeout=0)
        except Timeout:
            print(
                f"{self.what}: another process holds the lock {self.path}; waiting for it to end",
                file=sys.stderr,
                flush=True,
            )
            self.lock.acquire()


@contextmanager
def exclusive(path: Path, what: str) -> Iterator[HeldLock]:
    """Hold the lock file `path` during the block; wait for it if another process holds it.

    The kernel releases the lock when its holder dies. A killed workflow can leave a job running; the same job of the
    next workflow waits here and then finds the work done.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    held = HeldLock(path, what, FileLock(path))
    held.acquire()
    try:
        yield held
    finally:
        held.lock.release()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def file_digests(paths: Iterable[Path]) -> dict[str, str]:
    """Return the SHA-256 of several files, by file name."""
    return {path.name: file_digest(path) for path in paths}


def directory_digest(path: Path, pattern: str = "*.safetensors") -> str:
    """Return the SHA-256 over names and bytes of the files in a directory that match `pattern`."""
    digest = hashlib.sha256()
    for file in sorted(path.glob(pattern)):
        digest.update(f"{file.name}\0{file_digest(file)}\n".encode())
    return digest.hexdigest()


def value_digest(value: Any) -> str:
    """Return 16 hexadecimal digits of the SHA-256 of a JSON value; the order of keys does not matter."""
    canonical = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
