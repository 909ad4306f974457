"""Paired tests as a document: scores, tests, and the notes and records that belong to them."""

import math
from collections.abc import Callable, Iterator, Sequence

from r1k.config import TableSpec
from r1k.report.document import UNKNOWN, CellContent, Document, DocumentSection, Grid, percent_cell, points_cell
from r1k.report.numbers import percent
from r1k.report.tables.accuracy.results import accuracy_title
from r1k.report.tables.paired_tests.comparisons import Comparison
from r1k.report.tables.paired_tests.notes import paired_notes
from r1k.report.tables.paired_tests.records import paired_records
from r1k.report.tables.paired_tests.results import PairedBlock
from r1k.report.tables.paired_tests.scores import AVERAGE, RunScore


def paired_document(spec: TableSpec, blocks: Sequence[PairedBlock]) -> Document:
    """Return the grids of each block under its heading, with notes on how to read them."""
    several = len(blocks) > 1
    return Document(
        name=f"{spec.name}-paired-tests",
        title=f"{accuracy_title(spec)}, with paired tests",
        sections=tuple(
            DocumentSection(tuple(_grids(block)), f"{block.direction.capitalize()} questions" if several else "")
            for block in blocks
        ),
        notes=tuple(paired_notes(spec, blocks)),
        records=tuple(paired_records(spec, blocks)),
    )


def _grids(block: PairedBlock) -> Iterator[Grid]:
    yield _scores_grid("Percent correct", block, block.scores, lambda score: percent_cell(score.score))
    if any(score.passed for score in block.scores):
        yield _scores_grid("At least one of all samples correct (pass@k), percent", block, block.scores, _passed)
    if any(score.majority for score in block.scores):
        yield _scores_grid("Most frequent answer correct (majority@k), percent", block, block.scores, _majority)
    if block.clean:
        yield _scores_grid("Percent correct without contaminated questions", block, block.clean, _clean)
    yield _scores_grid("Unparsed / truncated, in percent", block, block.scores, _failures, average=False)
    if any(score.components for score in block.scores):
        caption = "Standard error from questions / training runs / answers, in points"
        yield _scores_grid(caption, block, block.scores, _errors, average=False)
    if block.comparisons:
        yield _comparisons_grid(block)


def _scores_grid(
    caption: str,
    block: PairedBlock,
    scores: Sequence[RunScore],
    cell: Callable[[RunScore], CellContent],
    average: bool = True,
) -> Grid:
    """Return runs by benchmarks, without benchmarks that have no scores."""
    titles = _titles(block)
    names = [name for name in titles if any(score.benchmark == name for score in scores)]
    names = [name for name in names if average or name != AVERAGE]
    cells = {(score.run, score.benchmark): cell(score) for score in scores}
    runs = dict.fromkeys(score.run for score in scores)
    rows = ((run, *(cells[run, name] for name in names)) for run in runs)
    return Grid(("Run", *(titles[name] for name in names)), tuple(rows), caption)


def _titles(block: PairedBlock) -> dict[str, str]:
    return {**block.benchmarks, AVERAGE: "Average"}


def _passed(score: RunScore) -> CellContent:
    return percent_cell(score.passed[max(score.passed)]) if score.passed else UNKNOWN


def _majority(score: RunScore) -> CellContent:
    return percent_cell(score.majority) if score.majority else UNKNOWN


def _clean(score: RunScore) -> CellContent:
    return percent_cell(score.score, "" if score.n is None else f"(n = {score.n})")


def _failures(score: RunScore) -> str:
    return _percents(score.unparsed, score.truncated)


def _errors(score: RunScore) -> str:
    parts = score.components
    return UNKNOWN if parts is None else _percents(parts.from_questions, parts.from_seeds, parts.from_samples)


def _percents(*values: float | None) -> str:
    return " / ".join(UNKNOWN if value is None else str(percent(value)) for value in values)


def _comparisons_grid(block: PairedBlock) -> Grid:
    titles = _titles(block)
    header = ("Run", "Against", "On", "Difference, points", "p", "p (Holm)", "Survives", "Detectable, points")
    rows = ((item.run, item.against, titles[item.benchmark], *_test_cells(item)) for item in block.comparisons)
    return Grid(header, tuple(rows), "Differences on the same questions")


def _test_cells(item: Comparison) -> tuple[CellContent, ...]:
    survives = "yes" if item.survives else "no"
    return points_cell(item.difference), _p(item.p), _p(item.adjusted), survives, _percents(item.detectable)


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{math.floor(value * 1000 + 0.5) / 1000:.3f}"
