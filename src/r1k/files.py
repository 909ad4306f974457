"""Files that appear whole or not at all, and locks that die with their process."""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout


@contextmanager
def atomic_write(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a temporary file beside `path` that takes its name only when the block ends without an error.

    A kill at any moment leaves the old file, or none, never half of the new one.
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
    """Write `value` as indented JSON, whole or not at all."""
    with atomic_write(path) as handle:
        handle.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_texts(texts: Mapping[Path, str]) -> dict[str, str]:
    """Write each text as its file, whole or not at all; their digests, by file name."""
    for path, text in texts.items():
        with atomic_write(path) as handle:
            handle.write(text)
    return file_digests(texts)


@contextmanager
def atomic_directory(path: Path) -> Iterator[Path]:
    """Yield a new directory beside `path` that takes its name when the block ends without an error."""
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
    """Make `target` a copy of `source` in one rename; files are hard links where the file system has them."""
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
    except OSError:  # another file system, or one without links
        shutil.copy2(source, destination)


@contextmanager
def exclusive(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file `path`. The kernel frees it when the holder dies, however it dies.

    A workflow that was killed can leave a job running: its successor waits here, and finds the work done.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"{what}: another process is at it (lock {path}); waiting for it to end", file=sys.stderr, flush=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def file_digests(paths: Iterable[Path]) -> dict[str, str]:
    """`file_digest` of several files, by file name."""
    return {path.name: file_digest(path) for path in paths}


def directory_digest(path: Path, pattern: str = "*.safetensors") -> str:
    """SHA-256 over the names and bytes of the files of a directory that match `pattern`."""
    whole = hashlib.sha256()
    for file in sorted(path.glob(pattern)):
        whole.update(f"{file.name}\0{file_digest(file)}\n".encode())
    return whole.hexdigest()


def value_digest(value: Any) -> str:
    """SHA-256 of a JSON value, independent of the order of its keys; the first 16 hexadecimal digits."""
    canonical = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
