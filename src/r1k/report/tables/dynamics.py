"""Tables of where trainings put the probability: margin, displacement, and what lies off both directions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Literal, get_args

import pandas as pd

from r1k.config import Arm, DynamicsTableSpec
from r1k.files import write_texts
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import Split
from r1k.report.document import Grid, Part, Sheet, to_latex, to_markdown
from r1k.report.numbers import cell, with_ends
from r1k.report.statistics.changes import Interval, estimate
from r1k.report.statistics.curves import SPLITS
from r1k.report.statistics.load_tracked import Tracks
from r1k.report.tables.rendering import csv_text

Quantity = Literal["alp", "margin", "off_both"]
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)
TITLE = "where training put the probability: margin, displacement, and mass off both directions"
HEADINGS: dict[Split, str] = {"held_out": "Problems held out of training", "train": "Problems trained on"}
PROMPTS: dict[Arm, str] = {
    "mixed": "Prompts of both directions",
    "forward": "Forward prompts",
    "reverse": "Reverse prompts",
}
UNKNOWN = "–"


@dataclass(frozen=True)
class Entry:
    """A run's quantity on the prompts of one kind, and what it is against the reference's on the same problems."""

    run: str
    split: Split
    test: Arm
    quantity: Quantity
    level: Interval
    n: int
    """Problems."""
    against: Interval | None
    """Of the differences by problem, over those that both were measured on; None where there are none."""
    shared: int
    """Problems of that difference: fewer where a run's data, and so its probe, have other problems."""


def make_dynamics_table(
    *, spec: DynamicsTableSpec, tracked: Sequence[Path], markdown: Path, csv: Path, latex: Path
) -> None:
    """Write a table of runs in three formats from their tracked responses; RecordError names what is missing."""
    watch = Stopwatch()
    found = entries(spec, tracked)
    page = sheet(spec, found)
    files = write_texts({markdown: to_markdown(page), csv: csv_text(_csv_rows(spec, found)), latex: to_latex(page)})
    write_manifest(markdown, "dynamics_table", {"tracked": tracked}, watch, files=files)


def entries(spec: DynamicsTableSpec, tracked: Sequence[Path]) -> list[Entry]:
    """Every run's quantities at its last step, on both splits and the prompts of T_m, T_f and T_r."""
    runs = [row.run for row in spec.rows]
    tracks = Tracks(runs, spec.seeds, tracked)
    return list(_entries(runs, spec.reference, tracks))


def _entries(runs: Sequence[str], reference: str, tracks: Tracks) -> Iterator[Entry]:
    for split, test, quantity in product(SPLITS, PROMPTS, QUANTITIES):
        before = _by_problem(tracks, reference, test, split, quantity)
        for run in runs:
            values = _by_problem(tracks, run, test, split, quantity)
            both = (values - before).dropna() if run != reference else before[:0]
            against = estimate(both) if len(both) else None
            yield Entry(run, split, test, quantity, estimate(values), len(values), against, len(both))


def _by_problem(tracks: Tracks, run: str, test: Arm, split: Split, quantity: Quantity) -> "pd.Series[float]":
    measure: Literal["p", "log_p"] = "p" if quantity == "off_both" else "log_p"
    own, other = (tracks.values(run, "end", test, split, response, measure) for response in ("own", "other"))
    match quantity:
        case "alp":
            return own
        case "margin":
            return own - other
        case "off_both":
            return 1 - (own + other) / 2


def sheet(spec: DynamicsTableSpec, found: Sequence[Entry]) -> Sheet:
    """A part for each split with a grid for each kind of prompt."""
    known = {(entry.split, entry.test, entry.run, entry.quantity): entry for entry in found}
    parts = []
    for split in SPLITS:
        grids = []
        for test, says in PROMPTS.items():
            rows = []
            for row in spec.rows:
                alp, margin, off = (known[split, test, row.run, quantity] for quantity in QUANTITIES)
                rows.append((row.run, row.how, _problems(margin), *_levels(margin), *_levels(alp), *_levels(off)))
            grids.append(Grid(says, _header(spec), tuple(rows)))
        parts.append(Part(HEADINGS[split], tuple(grids)))
    return Sheet(spec.name, TITLE, tuple(parts), tuple(_notes(spec)))


def _header(spec: DynamicsTableSpec) -> tuple[str, ...]:
    less = f"less {spec.reference}"
    return ("Run", "How", "n", "Margin", less, "ALP(y+)", "displacement", "Off both", less)


def _problems(entry: Entry) -> str:
    fewer = entry.against is not None and entry.shared < entry.n
    return f"{entry.n} ({entry.shared} shared)" if fewer else str(entry.n)


def _levels(entry: Entry) -> tuple[str, str]:
    return with_ends(entry.level, ".3f"), UNKNOWN if entry.against is None else with_ends(entry.against, "+.3f")


def _notes(spec: DynamicsTableSpec) -> Iterator[str]:
    yield (
        "At the end of each training. n: problems. In brackets the 95 % bootstrap interval over them; differences are "
        f"taken by problem, over those that {spec.reference} was measured on too: fewer where a run's data have other "
        "problems, and so its probe. None is adjusted for the number of rows."
    )
    yield (
        "Margin: ALP(y+) less ALP(y-), in nats per token, y+ the response of the prompt's direction and y- that of the "
        f"other. Displacement: ALP(y+) less that of {spec.reference}; below 0, preferred responses have become less "
        "likely. Off both: the mean probability that is not on the token that stands there, where y+ and where y- "
        f"stand. Less {spec.reference}: the difference to that run."
    )
    if len(spec.seeds) > 1:
        yield f"Means over training seeds {', '.join(map(str, spec.seeds))}; the intervals are over problems alone."
    else:
        yield f"One training, seed {spec.seeds[0]}: an interval speaks of other problems, not of another training."


def _csv_rows(spec: DynamicsTableSpec, found: Sequence[Entry]) -> list[dict[str, Any]]:
    how = {row.run: row.how for row in spec.rows}
    return [
        {
            "table": spec.name,
            "run": entry.run,
            "how": how[entry.run],
            "split": entry.split,
            "prompts": entry.test,
            "quantity": entry.quantity,
            "n": entry.n,
            "seeds": len(spec.seeds),
            **_csv_interval("", entry.level),
            **_csv_against(spec, entry),
        }
        for entry in found
    ]


def _csv_against(spec: DynamicsTableSpec, entry: Entry) -> dict[str, Any]:
    if entry.against is None:
        return {}
    return {"against": spec.reference, "shared": entry.shared, **_csv_interval("difference_", entry.against)}


def _csv_interval(prefix: str, interval: Interval) -> dict[str, Any]:
    return {f"{prefix}{name}": cell(value) for name, value in interval._asdict().items()}
