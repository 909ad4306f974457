"""Export r1k as a dataset folder that the Hugging Face hub and `datasets.load_dataset` open."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from r1k.data.sets import ExamplePair, read_example_pairs
from r1k.errors import RecordError
from r1k.files import atomic_directory, file_digest, file_digests
from r1k.provenance import Stopwatch, commit, manifest_path, write_manifest
from r1k.publish.card import DATA_FILE, ExportRow, Origin, card
from r1k.teacher.templates import REVERSE_QUESTION, SOLVE

PROMPTS = (REVERSE_QUESTION, SOLVE)
TYPES = {"grade": "bool", "tokens": "int64"}
"""Types of the columns that are not text."""


def export(*, s1k: Path, r1k: Path, title: str, license: str, output: Path) -> None:
    """Write r1k as a dataset folder for the Hugging Face hub: a card, one Parquet file and a manifest.

    Args:
        s1k: Forward examples, s1k.jsonl, with the manifest beside them.
        r1k: Reverse examples, r1k.jsonl, with the manifest beside them.
        title: Name of the experiment, for the card.
        license: Licence of the data, as the hub spells it, such as apache-2.0.
        output: The folder to write.

    Raises:
        RecordError: A record's provenance is unknown: a manifest is missing or describes another file, or a reverse
            example lacks its teacher or has other prompts than this version's.
    """
    watch = Stopwatch()
    rows = [_row(pair, r1k) for pair in read_example_pairs(s1k, r1k)]
    forward, reverse = _facts(s1k), _facts(r1k)
    with atomic_directory(output) as partial:
        _write_parquet(rows, partial / DATA_FILE)
        origin = Origin(
            title=title,
            license=license,
            source=forward["source"],
            hub_commit=forward["hub_commit"],
            excluded_by_grade=forward["excluded_by_grade"],
            sampling=reverse["sampling"],
            prompts=PROMPTS,
            digests=file_digests((s1k, r1k)) | {DATA_FILE: file_digest(partial / DATA_FILE)},
            commit=commit() or "unknown",
        )
        (partial / "README.md").write_text(card(rows, origin), encoding="utf-8")
    files = {name: file_digest(output / name) for name in ("README.md", DATA_FILE)}
    inputs = {"s1k": s1k, "r1k": r1k}
    write_manifest(output, "publish.export", inputs, watch, DATA_FILE, n=len(rows), license=license, files=files)


def _row(pair: ExamplePair, r1k: Path) -> ExportRow:
    forward, reverse = pair
    teacher_metadata = reverse.teacher_metadata
    if teacher_metadata is None:
        raise RecordError(
            f"{r1k}: record {reverse.id!r}: field 'teacher_metadata' is missing, and the card must name the teacher; "
            "make the file with `r1k invert`"
        )
    if teacher_metadata.prompts != {prompt.name: prompt.digest for prompt in PROMPTS}:
        raise RecordError(
            f"{r1k}: record {reverse.id!r}: field 'teacher_metadata.prompts': not the prompts of this version of "
            f"r1k, which the card prints; rebuild it with `snakemake --force {r1k}`"
        )
    return ExportRow(
        problem=forward.problem,
        kind=forward.kind,
        question=forward.question,
        reasoning=forward.reasoning,
        answer=forward.answer,
        gold=forward.gold,
        grade=forward.grade,
        reverse_question=reverse.question,
        reverse_reasoning=reverse.reasoning,
        reverse_answer=reverse.answer,
        teacher=teacher_metadata.model,
        tokens=teacher_metadata.tokens,
        finish_reason=teacher_metadata.finish_reason,
    )


def _facts(artefact: Path) -> dict[str, Any]:
    """Return the facts of an artefact's manifest; raise RecordError if it is missing or describes another file."""
    path = manifest_path(artefact)
    if not path.is_file():
        raise RecordError(f"{path}: no such file; make it with `snakemake --force {artefact}`")
    manifest = json.loads(path.read_text(encoding="utf-8"))
    if manifest["sha256"] != file_digest(artefact):
        raise RecordError(
            f"{artefact}: not the file that {path.name} describes, so the card would be wrong; rebuild it with "
            f"`snakemake --force {artefact}`"
        )
    facts: dict[str, Any] = manifest["facts"]
    return facts


def _write_parquet(rows: Sequence[ExportRow], path: Path) -> None:
    import datasets

    columns = {name: datasets.Value(TYPES.get(name, "string")) for name in ExportRow.model_fields}
    path.parent.mkdir(parents=True)
    data = datasets.Dataset.from_list([row.model_dump() for row in rows], features=datasets.Features(columns))
    data.to_parquet(path)
