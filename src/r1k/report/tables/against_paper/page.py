"""The comparison with the paper as a document."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from r1k.intervals import Interval
from r1k.report.document import CellContent, Document, DocumentSection, Grid, percent_cell, points_cell
from r1k.report.numbers import csv_interval, csv_number
from r1k.report.statistics.grim import grim
from r1k.report.tables.against_paper.results import AVERAGE, MatchedCell, MatchedDifference
from r1k.report.tables.published import BENCHMARKS, all_rows, contradictions, mean, resolution, tenth

NOTES = (
    "Ours: 95 % intervals as in the tables. The difference takes the published value as a share of the same number of "
    "questions and the two as independent; both answered the same questions, so its interval is too wide.",
    "same: equal as printed. compatible: the interval of the difference contains zero, which with 30 questions happens "
    "for differences up to about 20 points; it does not show agreement. above, below: the interval excludes zero.",
    "holds, contradicted: our interval excludes zero, on the side of the printed numbers or on the other side; "
    "undecided: it contains zero.",
)


def paper_document(cells: Sequence[MatchedCell], differences: Sequence[MatchedDifference]) -> Document:
    """Return ours beside the paper's, difference by difference, and the paper's print on its own."""
    ours = [_cells_grid(cells), *([_differences_grid(differences)] if differences else [])]
    findings = (f"{finding.where}: {finding.message}." for finding in (*contradictions(), *resolution()))
    return Document(
        name="against-paper",
        title="our results and the published values",
        sections=(
            DocumentSection(tuple(ours), "Ours"),
            DocumentSection((_print_grid(),), "The paper's print on its own"),
        ),
        notes=(*NOTES, *findings),
        records=(*map(_cell_record, cells), *map(_difference_record, differences), *_print_records()),
    )


def _cells_grid(cells: Sequence[MatchedCell]) -> Grid:
    header = ("Row", "On", "Published", "Ours", "Difference, points", "Verdict")
    rows: Iterator[tuple[CellContent, ...]] = (
        (m.row, m.heading, f"{m.published}%", percent_cell(m.ours), points_cell(m.difference), m.verdict) for m in cells
    )
    return Grid(header, tuple(rows), "Published cells and ours")


def _differences_grid(differences: Sequence[MatchedDifference]) -> Grid:
    header = ("Claim", "Printed", "By the printed cells", "Ours", "Verdict")
    rows: Iterator[tuple[CellContent, ...]] = (
        (d.what, d.printed, f"{tenth(d.by_cells):+}", points_cell(d.ours), d.verdict) for d in differences
    )
    return Grid(header, tuple(rows), "Published differences and ours, in points")


def _print_grid() -> Grid:
    header = ("Row", *(f"{title} of {n}" for title, n in BENCHMARKS.items()), "Average", "By the cells")
    rows = (
        (
            row.title,
            *(f"{value}%: {_count(value, n)}" for n, value in zip(BENCHMARKS.values(), row.values, strict=True)),
            f"{row.average}%",
            f"{tenth(mean(row.values))}%",
        )
        for _, row in all_rows()
    )
    return Grid(header, tuple(rows), "Correct answers that give the printed percentage (GRIM), and recomputed averages")


def _count(value: Decimal, n: int) -> str:
    counts = grim(value, n)
    if counts.rounded:
        return " or ".join(map(str, counts.rounded))
    return f"{counts.cut[0]}, truncated" if counts.cut else "none"


def _cell_record(match: MatchedCell) -> dict[str, Any]:
    return {
        "part": "cell",
        "run": match.run,
        "row": match.row,
        "on": match.heading,
        "n": match.n,
        "published": float(match.published / 100),
        **_interval("ours", match.ours),
        **_interval("difference", match.difference),
        "verdict": match.verdict,
    }


def _difference_record(match: MatchedDifference) -> dict[str, Any]:
    return {
        "part": "claim",
        "row": match.what,
        "printed": match.printed,
        "by_cells": csv_number(float(match.by_cells / 100)),
        **_interval("ours", match.ours),
        "verdict": match.verdict,
    }


def _print_records() -> Iterator[dict[str, Any]]:
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
        by_cells = csv_number(float(mean(row.values) / 100))
        yield start | {"on": AVERAGE, "published": float(row.average / 100), "by_cells": by_cells}


def _interval(name: str, found: Interval) -> dict[str, float | str]:
    return csv_interval(found, name, f"{name}_low", f"{name}_high")
