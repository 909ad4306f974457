"""Read and write JSONL artefacts: one record per line, UTF-8, unknown fields forbidden."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from r1k.errors import RecordError, did_you_mean, field_path
from r1k.files import atomic_write
from r1k.records.lines import iterate_lines


class Record(BaseModel):
    """A line of a JSONL artefact."""

    model_config = ConfigDict(extra="forbid", frozen=True)


R = TypeVar("R", bound=Record)


def iterate_jsonl(path: Path, model: type[R]) -> Iterator[tuple[int, R]]:
    """Yield line numbers and records, lazily; blank lines hold none.

    Raises:
        RecordError: The file is missing or has another format or encoding, a line is not JSON, or a field is missing,
            empty, unknown or of a wrong type; the message names file, line and field.
    """
    if not path.exists():
        raise RecordError(f"{path}: no such file; make it with `snakemake {path}`")
    for number, line in iterate_lines(path):
        try:
            yield number, model.model_validate_json(line)
        except ValidationError as error:
            raise RecordError(f"{path}:{number}: {_explain(error, model)}") from error


def read_jsonl(path: Path, model: type[R]) -> list[R]:
    """Return all records of an artefact.

    Raises:
        RecordError: As in `iterate_jsonl`; or the file is empty, or an `id` (with `sample`, if records have one) occurs
            twice.
    """
    records: list[R] = []
    seen: dict[tuple[str, int], int] = {}
    for number, record in iterate_jsonl(path, model):
        identity, sample = getattr(record, "id", None), getattr(record, "sample", 0)
        if identity is not None and (identity, sample) in seen:
            which = f" (sample {sample})" if sample else ""
            raise RecordError(
                f"{path}:{number}: field 'id': {identity!r}{which} is already on line {seen[identity, sample]}; "
                "ids must be unique: remove or rename one of the two"
            )
        if identity is not None:
            seen[identity, sample] = number
        records.append(record)
    if not records:
        raise RecordError(f"{path}: holds no records; rebuild it with `snakemake --force {path}`")
    return records


def write_jsonl(path: Path, records: Iterable[Record]) -> None:
    """Write one record per line, atomically."""
    with atomic_write(path) as handle:
        for record in records:
            handle.write(record.model_dump_json() + "\n")


def _explain(error: ValidationError, model: type[Record]) -> str:
    first = error.errors()[0]
    where = field_path(first["loc"])
    match first["type"]:
        case "json_invalid":
            return f"not a line of JSON ({first['ctx']['error']}); correct or remove the line, or rebuild the file"
        case "missing":
            return f"field {where!r} is missing; add it, or rebuild the file"
        case "extra_forbidden":
            return (
                f"field {where!r} is not one of {model.__name__}'s{did_you_mean(where, model.model_fields)}; remove it"
            )
        case "string_too_short" | "string_pattern_mismatch":
            return f"field {where!r} is empty; fill it, or remove the record"
        case _:
            return f"field {where!r}: {first['msg']} (got {first['input']!r:.80})"
