"""Read the lines of JSONL files that other programs wrote: byte-order marks, blank lines, CRLF, other encodings."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from r1k.errors import RecordError

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
PANDAS = "python -c \"import pandas; pandas.read_{kind}('IN').to_json('OUT', orient='records', lines=True)\""
FORMATS: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "compressed with gzip; decompress it with `gunzip`"),
    (b"PK\x03\x04", "a zip archive; unpack it with `unzip`"),
    (b"BZh", "compressed with bzip2; decompress it with `bunzip2`"),
    (b"\xfd7zXZ", "compressed with xz; decompress it with `unxz`"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd; decompress it with `unzstd`"),
    (b"PAR1", f"a Parquet file; convert it with `{PANDAS.format(kind='parquet')}`"),
    (b"ARROW1", f"an Arrow file; convert it with `{PANDAS.format(kind='feather')}`"),
    (b"\xff\xfe\x00\x00", "encoded as UTF-32; convert it with `iconv -f UTF-32 -t UTF-8 IN > OUT`"),
    (b"\xff\xfe", "encoded as UTF-16; convert it with `iconv -f UTF-16 -t UTF-8 IN > OUT`"),
    (b"\xfe\xff", "encoded as UTF-16; convert it with `iconv -f UTF-16 -t UTF-8 IN > OUT`"),
    (b"version https://git-lfs", "a pointer of Git LFS in place of the file; fetch the file with `git lfs pull`"),
    (b"<", "an HTML or XML page; download the file itself"),
    (b"[", "a JSON array, not JSON lines; convert it with `jq -c '.[]' IN > OUT`"),
)
"""The first bytes of files that are no JSON lines, and what to do with such a file."""


def iterate_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line that is not blank, lazily.

    A line ends at CR, LF or CRLF. A byte-order mark is ignored.

    Raises:
        RecordError: The file cannot be read or has another format, or a line is not UTF-8; the message names the
            line and says what to do.
    """
    started = False
    for number, raw in enumerate(_raw_lines(path), start=1):
        # Files that were joined have a mark at each of their beginnings.
        line = raw.removeprefix(BYTE_ORDER_MARK)
        if not line.strip():
            continue
        if not started:
            _check_format(path, line)
        started = True
        yield number, _decoded(f"{path}:{number}", line)


def iterate_objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the place (`FILE:LINE`) and the JSON object of each line that is not blank, lazily.

    Raises:
        RecordError: As in `iterate_lines`; or a line is no JSON object, names a key twice, or has a number that JSON
            does not have (NaN, Infinity).
    """
    for number, line in iterate_lines(path):
        where = f"{path}:{number}"
        try:
            row = json.loads(line, parse_constant=_reject_constant, object_pairs_hook=_unique)
        except (ValueError, RecursionError) as error:
            raise RecordError(
                f"{where}: not a line of JSON ({_reason(error, line)}); correct or remove the line"
            ) from error
        if not isinstance(row, dict):
            raise RecordError(f"{where}: not a JSON object; correct or remove the line")
        yield where, row


def _raw_lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as handle:
            for line in handle:
                yield from line.removesuffix(b"\n").removesuffix(b"\r").split(b"\r")
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror}); name a JSONL file that you may read") from error


def _check_format(path: Path, start: bytes) -> None:
    for magic, remedy in FORMATS:
        if start.lstrip().startswith(magic):
            raise RecordError(f"{path}: {remedy}")
    if b"\0" in start:
        raise RecordError(
            f"{path}: holds NUL bytes; restore the file if its copy was cut off, or convert it with "
            "`iconv -f UTF-16LE -t UTF-8 IN > OUT`"
        )


def _decoded(where: str, line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RecordError(
            f"{where}: byte {line[error.start]:#04x} at position {error.start + 1} is not UTF-8; convert the file "
            "from its encoding, for example with `iconv -f WINDOWS-1252 -t UTF-8 IN > OUT`"
        ) from error


def _reject_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number in JSON; write null, or the number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key {twice!r} occurs twice")
    return found


def _reason(error: Exception, line: str) -> str:
    """Return why a line is not JSON, with what usually causes it."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if line.strip() in ("{", "}") or line.rstrip().endswith(("{", "[")):
        return f"{error}; an object must be on one line: convert the file with `jq -c . IN > OUT`"
    if line.lstrip().startswith("{'"):
        return f"{error}; JSON has double quotes"
    return str(error)
