"""The table of the paper's claims about learning dynamics, with a verdict for each."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from r1k.config import DynamicsSpec
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import Split
from r1k.report.document import Cell, CellContent, Document, DocumentSection, Grid
from r1k.report.numbers import csv_interval, format_number, number_ends
from r1k.report.statistics.changes import Measured
from r1k.report.statistics.claim_tests import ClaimPart, ClaimResult
from r1k.report.statistics.claims import claims
from r1k.report.statistics.curves import SPLITS
from r1k.report.writers import write_document

TITLES: dict[Split, str] = {"held_out": "Held-out problems", "train": "Training problems"}
NOTES = (
    "Supported: the 95 % bootstrap interval over problems of every part is on the claimed side of 0. Not supported: "
    "the interval of one part is on the other side. Undecided: neither. The intervals are not adjusted for their "
    "number.",
    "Log-probabilities are in nats per token, means over a response's tokens up to the probe's limit; for the top-1 "
    "token the unit is probability. y+ is the response of the prompt's direction, y- that of the other direction; T_f, "
    "T_r and T_m are forward prompts, reverse prompts and both. Changes are over a whole training run, from its step "
    "0.",
    "Other tables test the claims about accuracy. The intervals are over problems, not over training runs.",
)


def make_claims(*, dynamics: DynamicsSpec, tracked: list[Path], markdown: Path, csv: Path) -> None:
    """Write the paper's claims about learning dynamics with their verdicts as Markdown and CSV.

    Raises RecordError for a run or seed without tracked responses.

    Args:
        dynamics: Specification of the probed runs, by arm.
        tracked: Tracked responses of every run and seed.
        markdown: Markdown file to write.
        csv: CSV file to write: a row for each part of a claim.
    """
    watch = Stopwatch()
    measured = Measured(dynamics, tracked)
    document = claims_document([claim for split in SPLITS for claim in claims(measured, split)])
    files = write_document(document, markdown=markdown, csv=csv)
    write_manifest(markdown, "claims", {"tracked": tracked}, watch, files=files)


def claims_document(results: Sequence[ClaimResult]) -> Document:
    """Return a row for each claim, with its verdict and the evidence on each split."""
    by_key: dict[str, dict[Split, ClaimResult]] = {}
    for result in results:
        by_key.setdefault(result.key, {})[result.split] = result
    rows: list[tuple[CellContent, ...]] = []
    for by_split in by_key.values():
        first = next(iter(by_split.values()))
        cells = (_cells(by_split[split]) if split in by_split else "not measured" for split in SPLITS)
        rows.append((first.text, first.where, *cells))
    header = ("Claim", "Where", *(f"{TITLES[split]} ({_problems(results, split)})" for split in SPLITS))
    return Document(
        name="claims",
        title="the paper's claims about learning dynamics",
        sections=(DocumentSection((Grid(header, tuple(rows)),)),),
        notes=NOTES,
        records=tuple(record for result in results for record in _records(result)),
    )


def _problems(results: Sequence[ClaimResult], split: Split) -> str:
    """Return the number of problems, or its range if the parts have different numbers."""
    counts = sorted({part.n for result in results if result.split == split for part in result.parts})
    return f"n = {'–'.join(map(str, dict.fromkeys(counts[:1] + counts[-1:])))}"


def _cells(result: ClaimResult) -> tuple[Cell, ...]:
    return (Cell(result.verdict, emphasis="bold"), *map(_part_cell, result.parts))


def _part_cell(part: ClaimPart) -> Cell:
    value = f"{part.what} {format_number(part.estimate.value, '+.3f')}"
    mark = "" if part.estimate.known else "(one problem: no interval)"
    return Cell(value, mark, number_ends(part.estimate, "+.3f"))


def _records(result: ClaimResult) -> Iterator[dict[str, Any]]:
    for part in result.parts:
        yield {
            "claim": result.key,
            "split": result.split,
            "verdict": result.verdict,
            "part": part.what,
            "claimed": part.claimed,
            **csv_interval(part.estimate, "value", "low", "high"),
            "n": part.n,
            "part_verdict": part.verdict,
            "where": result.where,
            "text": result.text,
        }
