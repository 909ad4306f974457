"""The comparison with the paper as a reader sees it, and as rows for the CSV."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from r1k.report.document import Grid, Part, Sheet, percents, points
from r1k.report.statistics.estimates import Estimate
from r1k.report.statistics.grim import grim
from r1k.report.tables.against_paper.results import AVERAGE, Claim, Match
from r1k.report.tables.published import BENCHMARKS, all_rows, contradictions, mean, resolution
from r1k.report.tables.table_model import percent

NOTES = (
    "Ours: 95 % intervals as in the tables. The difference takes the published value as a share of as many questions, "
    "and the two as independent: both answered the same questions, so its interval is rather too wide.",
    "same: alike as printed. compatible: zero lies in the interval of the difference, which with 30 questions it does "
    "up to some 20 points; it is no proof that they agree. above, below: it does not.",
    "holds, contradicted: our interval leaves out zero, on the side of the printed numbers or on the other one; else "
    "undecided.",
)


def sheet(matches: Sequence[Match], claims: Sequence[Claim]) -> Sheet:
    """Ours beside the paper's, claim by claim, and the paper's print by itself."""
    cells = Grid(
        "Published cells and ours",
        ("Row", "On", "Published", "Ours", "Difference, points", "Verdict"),
        tuple(
            (m.row, m.heading, f"{m.published}%", percents(m.ours), points(m.difference), m.verdict) for m in matches
        ),
    )
    changes = Grid(
        "Published differences and ours, in points",
        ("Claim", "Printed", "By the printed cells", "Ours", "Verdict"),
        tuple((c.what, c.printed, f"{_tenth(c.by_cells):+}", points(c.ours), c.verdict) for c in claims),
    )
    found = (f"{finding.where}: {finding.message}." for finding in (*contradictions(), *resolution()))
    grids = (cells, changes) if claims else (cells,)
    return Sheet(
        "against-paper",
        "ours and the published values",
        (Part("Ours", grids), Part("The paper's print by itself", (_print(),))),
        (*NOTES, *found),
    )


def csv_rows(matches: Sequence[Match], claims: Sequence[Claim]) -> list[dict[str, Any]]:
    """A row for each cell, claim and printed percentage; shares of one."""
    return [
        *(_match_row(match) for match in matches),
        *(_claim_row(claim) for claim in claims),
        *_print_rows(),
    ]


def _print() -> Grid:
    header = ("Row", *(f"{title} of {n}" for title, n in BENCHMARKS.items()), "Average", "By the cells")
    rows = tuple(
        (
            f"{'DPO on ' if row.method == 'dpo' else ''}{row.data} {row.model}",
            *(f"{value}%: {_count(value, n)}" for n, value in zip(BENCHMARKS.values(), row.values, strict=True)),
            f"{row.average}%",
            f"{_tenth(mean(row.values))}%",
        )
        for _, row in all_rows()
    )
    return Grid("Right answers that give the printed percentage (GRIM), and the averages anew", header, rows)


def _count(value: Decimal, n: int) -> str:
    counts = grim(value, n)
    if counts.rounded:
        return " or ".join(map(str, counts.rounded))
    return f"{counts.cut[0]}, cut off" if counts.cut else "none"


def _match_row(match: Match) -> dict[str, Any]:
    return {
        "part": "cell",
        "run": match.run,
        "row": match.row,
        "on": match.heading,
        "n": match.n,
        "published": float(match.published / 100),
        **_estimate("ours", match.ours),
        **_estimate("difference", match.difference),
        "verdict": match.verdict,
    }


def _claim_row(claim: Claim) -> dict[str, Any]:
    return {
        "part": "claim",
        "row": claim.what,
        "printed": claim.printed,
        "by_cells": round(float(claim.by_cells / 100), 6),
        **_estimate("ours", claim.ours),
        "verdict": claim.verdict,
    }


def _print_rows() -> Iterator[dict[str, Any]]:
    for table, row in all_rows():
        start = {"part": "print", "row": f"{table} {row.method} {row.data} {row.model}"}
        for (title, n), value in zip(BENCHMARKS.items(), row.values, strict=True):
            counts = grim(value, n)
            yield start | {
                "on": title,
                "n": n,
                "published": float(value / 100),
                "counts": " ".join(map(str, counts.rounded)),
                "cut_counts": " ".join(map(str, counts.cut)),
            }
        by_cells = round(float(mean(row.values) / 100), 6)
        yield start | {"on": AVERAGE, "published": float(row.average / 100), "by_cells": by_cells}


def _estimate(name: str, estimate: Estimate) -> dict[str, Any]:
    ends = {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    return {column: None if value is None else round(value, 6) for column, value in ends.items()}


def _tenth(value: Decimal) -> Decimal:
    return percent(float(value) / 100)
