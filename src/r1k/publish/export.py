"""Export r1k as a dataset folder that the Hugging Face hub and `datasets.load_dataset` open."""

from collections.abc import Sequence
from pathlib import Path

from r1k.data.audit.records import OverlapSummary, read_audit
from r1k.data.set_counts import count_sets
from r1k.data.sets import ExamplePair, read_example_pairs
from r1k.errors import RecordError
from r1k.files import atomic_directory, file_digest, file_digests
from r1k.provenance import Stopwatch, commit, verified_facts, write_manifest
from r1k.publish.card import DATA_FILE, ExportRow, Origin, card
from r1k.publish.evidence import DataEvidence
from r1k.records import Check, read_jsonl
from r1k.teacher.templates import REVERSE_QUESTION, SOLVE

PROMPTS = (REVERSE_QUESTION, SOLVE)
TYPES = {"grade": "bool", "tokens": "int64"}
"""Types of the columns that are not text."""


def export(
    *,
    s1k: Path,
    r1k: Path,
    title: str,
    license: str,
    output: Path,
    checks: Path | None = None,
    audit: Path | None = None,
    variants: Sequence[Path] = (),
) -> None:
    """Write r1k as a dataset folder for the Hugging Face hub: a card, one Parquet file and a manifest.

    Args:
        s1k: Forward examples, s1k.jsonl, with the manifest beside them.
        r1k: Reverse examples, r1k.jsonl, with the manifest beside them.
        title: Name of the experiment, for the card.
        license: Licence of the data, as the hub spells it, such as apache-2.0.
        output: The folder to write.
        checks: Verdicts on the reverse examples, checks.jsonl, whose counts the card reports.
        audit: The audit's summary, audit.json, whose overlaps with benchmarks the card reports.
        variants: The variants' forward examples, `{variant}/s1k.jsonl`, whose numbers of problems the card reports.

    Raises:
        RecordError: A record's provenance is unknown: a manifest is missing or describes another file, or a reverse
            example lacks its teacher or has other prompts than this version's; or checks or audit are of other data.
    """
    watch = Stopwatch()
    pairs = read_example_pairs(s1k, r1k)
    rows = [_row(pair, r1k) for pair in pairs]
    forward, reverse = verified_facts(s1k), verified_facts(r1k)
    evidence = DataEvidence(
        checks=_checks(checks, pairs) if checks else (),
        judge=verified_facts(checks).get("judge") if checks else None,
        overlaps=_overlaps(audit, len(pairs)) if audit else (),
        sets=count_sets(s1k, r1k, variants),
    )
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
        (partial / "README.md").write_text(card(rows, origin, evidence), encoding="utf-8")
    files = {name: file_digest(output / name) for name in ("README.md", DATA_FILE)}
    inputs: dict[str, Path | Sequence[Path]] = {"s1k": s1k, "r1k": r1k, "variants": variants}
    inputs |= {name: path for name, path in (("checks", checks), ("audit", audit)) if path}
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


def _checks(path: Path, pairs: Sequence[ExamplePair]) -> list[Check]:
    checks = read_jsonl(path, Check)
    if [check.problem for check in checks] != [forward.problem for forward, _ in pairs]:
        raise RecordError(f"{path}: verdicts on other problems than r1k's; rebuild it with `snakemake --force {path}`")
    return checks


def _overlaps(path: Path, problems: int) -> list[OverlapSummary]:
    audit = read_audit(path)
    if audit.problems != problems:
        raise RecordError(
            f"{path}: an audit of {audit.problems} problems, and r1k has {problems}; rebuild it with "
            f"`snakemake --force {path}`"
        )
    return audit.contamination


def _write_parquet(rows: Sequence[ExportRow], path: Path) -> None:
    import datasets

    columns = {name: datasets.Value(TYPES.get(name, "string")) for name in ExportRow.model_fields}
    path.parent.mkdir(parents=True)
    data = datasets.Dataset.from_list([row.model_dump() for row in rows], features=datasets.Features(columns))
    data.to_parquet(path)
