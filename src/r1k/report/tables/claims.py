"""The table of the paper's claims: a sentence for each, with its verdict and what that stands on."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from r1k.config import DynamicsSpec
from r1k.files import write_texts
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import Split
from r1k.report.numbers import cell, with_ends
from r1k.report.statistics.changes import Measured
from r1k.report.statistics.claim_tests import Claim, Part
from r1k.report.statistics.claims import claims
from r1k.report.statistics.curves import SPLITS
from r1k.report.tables.rendering import csv_text, markdown_grid

TITLES: dict[Split, str] = {"held_out": "Problems held out of training", "train": "Problems trained on"}
NOTES = (
    "Supported: the 95 % bootstrap interval over problems of every part is on the claimed side of 0. Not supported: "
    "one is on the other side. Undecided: neither. Each is an interval of its own, not adjusted for their number.",
    "Log-probabilities are in nats per token, means over a response's tokens up to the probe's limit; what concerns "
    "the argmax is in probability. y+ is the response of the prompt's direction, y- that of the other; T_f, T_r and "
    "T_m are forward, reverse and both prompts. Changes are over a whole training, from its step 0.",
    "The claims about accuracy are judged in the other tables. An interval speaks of the problems that were drawn, not "
    "of another training.",
)


def make_claims(*, spec: DynamicsSpec, tracked: Sequence[Path], markdown: Path, csv: Path) -> None:
    """Write the verdicts as Markdown and, one part of a claim a row, as CSV. RecordError names what was not tracked."""
    watch = Stopwatch()
    measured = Measured(spec, tracked)
    found = [claim for split in SPLITS for claim in claims(measured, split)]
    rows = [row for claim in found for row in _csv_rows(claim)]
    files = write_texts({markdown: markdown_table(found), csv: csv_text(rows)})
    write_manifest(markdown, "claims", {"tracked": tracked}, watch, files=files)


def markdown_table(found: Sequence[Claim]) -> str:
    """A row for each claim, with a verdict and what it stands on for each split."""
    by_key: dict[str, dict[Split, Claim]] = {}
    for claim in found:
        by_key.setdefault(claim.key, {})[claim.split] = claim
    header = ["Claim", "Where"]
    for split in SPLITS:
        counts = sorted({part.n for claim in found if claim.split == split for part in claim.parts})
        header += [f"{TITLES[split]} (n = {'–'.join(map(str, dict.fromkeys(counts[:1] + counts[-1:])))})"]
    rows = []
    for claims_here in by_key.values():
        first = next(iter(claims_here.values()))
        cells = [_cell(claims_here[split]) if split in claims_here else "not measured" for split in SPLITS]
        rows.append([first.text, first.where, *cells])
    notes = "\n".join(f"- {note}" for note in NOTES)
    return f"## claims: what the paper says of learning dynamics\n\n{markdown_grid(header, rows)}\n\n{notes}\n"


def _cell(claim: Claim) -> str:
    return f"**{claim.verdict}**: {_evidence(claim.parts)}"


def _evidence(parts: Sequence[Part]) -> str:
    alone = " (one problem: no interval)"
    return "; ".join(
        f"{part.what} {with_ends(part.estimate, '+.3f')}{alone if math.isnan(part.estimate.low) else ''}"
        for part in parts
    )


def _csv_rows(claim: Claim) -> list[dict[str, Any]]:
    return [
        {
            "claim": claim.key,
            "split": claim.split,
            "verdict": claim.verdict,
            "part": part.what,
            "claimed": part.claimed,
            "value": cell(part.estimate.value),
            "low": cell(part.estimate.low),
            "high": cell(part.estimate.high),
            "n": part.n,
            "part_verdict": part.verdict,
            "where": claim.where,
            "text": claim.text,
        }
        for part in claim.parts
    ]
