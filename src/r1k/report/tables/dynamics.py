"""Tables of margin, displacement and probability off both directions, by run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Literal, get_args

import pandas as pd

from r1k.config import Arm, DynamicsTableSpec
from r1k.intervals import Interval
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import Split
from r1k.report.document import UNKNOWN, CellContent, Document, DocumentSection, Grid, number_cell
from r1k.report.numbers import csv_interval
from r1k.report.statistics.changes import estimate
from r1k.report.statistics.curves import SPLITS
from r1k.report.statistics.load_tracked import TrackedMeans
from r1k.report.writers import write_document

DynamicsQuantity = Literal["alp", "margin", "off_both"]
QUANTITIES: tuple[DynamicsQuantity, ...] = get_args(DynamicsQuantity)
TITLE = "margin, displacement and probability off both directions"
HEADINGS: dict[Split, str] = {"held_out": "Held-out problems", "train": "Training problems"}
PROMPTS: dict[Arm, str] = {
    "mixed": "Prompts of both directions",
    "forward": "Forward prompts",
    "reverse": "Reverse prompts",
}


@dataclass(frozen=True)
class DynamicsEntry:
    """A quantity of a run on prompts of one kind, and its difference to the reference run."""

    run: str
    split: Split
    test: Arm
    quantity: DynamicsQuantity
    level: Interval
    n: int
    """Problems."""
    against: Interval | None
    """Mean difference by problem over shared problems; None for the reference run and without shared problems."""
    shared: int
    """Problems that both runs were measured on: fewer than `n` if the run's data, and so its probe, differ."""


def make_dynamics_table(
    *, table: DynamicsTableSpec, tracked: list[Path], markdown: Path, csv: Path, latex: Path
) -> None:
    """Write a table of margin, displacement and probability off both directions as Markdown, CSV and LaTeX.

    Raises RecordError for a run or seed without tracked responses.

    Args:
        table: Specification of the table: runs, reference run, seeds.
        tracked: Tracked responses of every run and seed.
        markdown: Markdown file to write.
        csv: CSV file to write: a row for each run, split, kind of prompts and quantity.
        latex: LaTeX file to write.
    """
    watch = Stopwatch()
    document = dynamics_document(table, dynamics_entries(table, tracked))
    files = write_document(document, markdown=markdown, csv=csv, latex=latex)
    write_manifest(markdown, "dynamics_table", {"tracked": tracked}, watch, files=files)


def dynamics_entries(spec: DynamicsTableSpec, tracked: Sequence[Path]) -> list[DynamicsEntry]:
    """Return every run's quantities at its last step, on both splits and the prompts of T_m, T_f and T_r."""
    runs = [row.run for row in spec.rows]
    return list(_entries(runs, spec.reference, TrackedMeans(runs, spec.seeds, tracked)))


def _entries(runs: Sequence[str], reference: str, means: TrackedMeans) -> Iterator[DynamicsEntry]:
    for split, test, quantity in product(SPLITS, PROMPTS, QUANTITIES):
        before = _by_problem(means, reference, test, split, quantity)
        for run in runs:
            values = _by_problem(means, run, test, split, quantity)
            both = (values - before).dropna() if run != reference else before[:0]
            against = estimate(both) if len(both) else None
            yield DynamicsEntry(run, split, test, quantity, estimate(values), len(values), against, len(both))


def _by_problem(
    means: TrackedMeans, run: str, test: Arm, split: Split, quantity: DynamicsQuantity
) -> "pd.Series[float]":
    measure: Literal["p", "log_p"] = "p" if quantity == "off_both" else "log_p"
    chosen, rejected = (means.values(run, "end", test, split, response, measure) for response in ("chosen", "rejected"))
    match quantity:
        case "alp":
            return chosen
        case "margin":
            return chosen - rejected
        case "off_both":
            return 1 - (chosen + rejected) / 2


def dynamics_document(spec: DynamicsTableSpec, entries: Sequence[DynamicsEntry]) -> Document:
    """Return a section for each split with a grid for each kind of prompts."""
    known = {(entry.split, entry.test, entry.run, entry.quantity): entry for entry in entries}
    minus = f"minus {spec.reference}"
    header = ("Run", "How", "n", "Margin", minus, "ALP(y+)", "displacement", "Off both", minus)
    sections = []
    for split in SPLITS:
        grids = []
        for test, caption in PROMPTS.items():
            rows: list[tuple[CellContent, ...]] = []
            for row in spec.rows:
                alp, margin, off = (known[split, test, row.run, quantity] for quantity in QUANTITIES)
                rows.append((row.run, row.recipe, _problems(margin), *_levels(margin), *_levels(alp), *_levels(off)))
            grids.append(Grid(header, tuple(rows), caption))
        sections.append(DocumentSection(tuple(grids), HEADINGS[split]))
    return Document(spec.name, TITLE, tuple(sections), tuple(_notes(spec)), tuple(_records(spec, entries)))


def _problems(entry: DynamicsEntry) -> str:
    fewer = entry.against is not None and entry.shared < entry.n
    return f"{entry.n} ({entry.shared} shared)" if fewer else str(entry.n)


def _levels(entry: DynamicsEntry) -> tuple[CellContent, CellContent]:
    return number_cell(entry.level, ".3f"), UNKNOWN if entry.against is None else number_cell(entry.against, "+.3f")


def _notes(spec: DynamicsTableSpec) -> Iterator[str]:
    yield (
        "At the end of each training run. n: problems. In brackets: the 95 % bootstrap interval over problems, not "
        f"adjusted for the number of rows. Differences are by problem, over the problems shared with {spec.reference}; "
        "runs with other training data can share fewer problems."
    )
    yield (
        "Margin: ALP(y+) - ALP(y-), in nats per token; y+ is the response of the prompt's direction, y- that of the "
        f"other direction. Displacement: ALP(y+) minus that of {spec.reference}; below 0, preferred responses are less "
        "likely. Off both: the mean probability of all tokens but the response's own, averaged over the positions of "
        f"y+ and y-. Minus {spec.reference}: the difference to that run."
    )
    if len(spec.seeds) > 1:
        yield f"Means over training seeds {', '.join(map(str, spec.seeds))}; the intervals are over problems alone."
    else:
        yield f"One training run, seed {spec.seeds[0]}: the intervals are over problems, not over training runs."


def _records(spec: DynamicsTableSpec, entries: Sequence[DynamicsEntry]) -> Iterator[dict[str, Any]]:
    how = {row.run: row.recipe for row in spec.rows}
    for entry in entries:
        yield {
            "table": spec.name,
            "run": entry.run,
            "how": how[entry.run],
            "split": entry.split,
            "prompts": entry.test,
            "quantity": entry.quantity,
            "n": entry.n,
            "seeds": len(spec.seeds),
            **csv_interval(entry.level, "value", "low", "high"),
            **_against(spec, entry),
        }


def _against(spec: DynamicsTableSpec, entry: DynamicsEntry) -> dict[str, Any]:
    if entry.against is None:
        return {}
    columns = ("difference_value", "difference_low", "difference_high")
    return {"against": spec.reference, "shared": entry.shared, **csv_interval(entry.against, *columns)}
