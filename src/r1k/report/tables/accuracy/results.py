"""Accuracies of a table's rows, from scores."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from r1k.config import Row, TableSpec
from r1k.errors import ConfigError, RecordError
from r1k.intervals import Interval
from r1k.records import Score, Tally
from r1k.report.statistics.estimates import accuracy, average
from r1k.report.tables.accuracy.model import AccuracyBlock, AccuracyCell, AccuracyRow, AccuracyTable, RowLabel
from r1k.report.tables.accuracy.notes import accuracy_notes
from r1k.report.tables.published import published_value

QuestionSet = Literal["all", "forward", "reverse"]
ScoresByKey = Mapping[tuple[str, int, str], Score]
"""By run, seed and benchmark."""
TITLES = {
    "sft": "accuracy after supervised fine-tuning",
    "dpo": "accuracy after DPO, against the SFT model from which it started",
}
MIXED_TITLE = "accuracy by training run"
"""For rows of several methods that are not compared with a parent."""


def accuracy_title(spec: TableSpec) -> str:
    """Return the title of a table of accuracies."""
    one_method = spec.kind == "dpo" or {row.method for row in spec.rows} <= {"none", "sft"}
    return TITLES[spec.kind] if one_method else MIXED_TITLE


def accuracy_table(spec: TableSpec, scores: ScoresByKey) -> AccuracyTable:
    """Return the table's content: a block for each direction of questions, and the notes.

    Raises RecordError for a missing score, and ConfigError for a direction or published values that do not exist.
    """
    builder = _Builder(spec, scores)
    blocks = tuple(builder.block(direction) for direction in spec.directions)
    return AccuracyTable(
        name=spec.name,
        title=accuracy_title(spec),
        kind=spec.kind,
        blocks=blocks,
        notes=tuple(accuracy_notes(spec, blocks)),
    )


@dataclass(frozen=True)
class _Builder:
    """Fills a table's cells from scores."""

    spec: TableSpec
    scores: ScoresByKey

    def block(self, direction: QuestionSet) -> AccuracyBlock:
        benchmarks = {name: title for name, title in self.spec.benchmarks.items() if self._marks(name, direction)}
        if not benchmarks:
            raise ConfigError(
                f"tables.{self.spec.name}.directions: no benchmark marks {direction} questions; leave it out"
            )
        rows = [self._row(row, label, benchmarks, direction) for row, label in _labels(self.spec)]
        if self.spec.published and direction == "all" and not any(map(_has_published, rows)):
            raise ConfigError(
                f"tables.{self.spec.name}.published: the paper has no value for any row; it has models titled 7B and "
                "14B, benchmarks titled AIME, Math and GPQA"
            )
        return AccuracyBlock(direction, benchmarks, tuple(rows))

    def _marks(self, benchmark: str, direction: QuestionSet) -> bool:
        """Return whether a benchmark has questions of a direction; raise RecordError if its scores disagree."""
        found = {
            run: all(_tally(self._score(run, seed, benchmark), direction) is not None for seed in self.spec.seeds)
            for run in _runs(self.spec)
        }
        if len(set(found.values())) > 1:
            lacking = next(run for run, has in found.items() if not has)
            raise RecordError(
                f"table {self.spec.name}: the score of run {lacking!r} on {benchmark!r} does not count {direction} "
                "questions and those of other runs do; grade it again"
            )
        return all(found.values())

    def _score(self, run: str, seed: int, benchmark: str) -> Score:
        if (run, seed, benchmark) not in self.scores:
            raise RecordError(
                f"table {self.spec.name}: no score of run {run!r}, seed {seed}, on benchmark {benchmark!r} among the "
                f"{len(self.scores)} that were given; make evaluate/{run}/{seed}/{benchmark}/score.json and give it"
            )
        return self.scores[run, seed, benchmark]

    def _tallies(self, run: str, benchmark: str, direction: QuestionSet) -> dict[int, Tally]:
        found = {seed: _tally(self._score(run, seed, benchmark), direction) for seed in self.spec.seeds}
        tallies = {seed: tally for seed, tally in found.items() if tally is not None}
        if len({tally.n for tally in tallies.values()}) > 1:
            asked = ", ".join(f"{tally.n} with seed {seed}" for seed, tally in tallies.items())
            raise RecordError(
                f"table {self.spec.name}: run {run!r} was asked {asked} questions of {benchmark!r}; all seeds must be "
                "asked the same questions: evaluate them again"
            )
        return tallies

    def _row(self, row: Row, label: RowLabel, benchmarks: Mapping[str, str], direction: QuestionSet) -> AccuracyRow:
        cells = [self._cell(row, name, direction) for name in benchmarks]
        parents = [cell.parent for cell in cells if cell.parent is not None]
        return AccuracyRow(
            label=label,
            model=row.model,
            run=row.run,
            method=row.method,
            base=row.base,
            parent=row.parent or "",
            cells=tuple(cells),
            average=AccuracyCell(
                accuracy=average([cell.accuracy for cell in cells]),
                parent=average(parents) if parents else None,
                published=self._published(row, "Average", direction),
            ),
        )

    def _cell(self, row: Row, benchmark: str, direction: QuestionSet) -> AccuracyCell:
        tallies = self._tallies(row.run, benchmark, direction)
        shows_change = self.spec.kind == "dpo" and row.parent is not None
        before = self._tallies(str(row.parent), benchmark, direction) if shows_change else None
        return AccuracyCell(
            accuracy=_accuracy(tallies),
            tallies=tallies,
            parent=_accuracy(before) if before else None,
            published=self._published(row, self.spec.benchmarks[benchmark], direction),
        )

    def _published(self, row: Row, title: str, direction: QuestionSet) -> Decimal | None:
        if not self.spec.published or direction != "all" or row.variant is not None:
            return None
        return published_value(row.method, row.start_data if row.method == "dpo" else row.data, row.model, title)


def _runs(spec: TableSpec) -> list[str]:
    """Return the runs whose scores the table needs."""
    parents = [row.parent for row in spec.rows if row.parent is not None] if spec.kind == "dpo" else []
    return list(dict.fromkeys([*(row.run for row in spec.rows), *parents]))


def _tally(score: Score, direction: QuestionSet) -> Tally | None:
    return {"all": score.all, "forward": score.forward, "reverse": score.reverse}[direction]


def _accuracy(tallies: Mapping[int, Tally]) -> Interval:
    values = list(tallies.values())
    return accuracy([tally.correct for tally in values], values[0].n)


def _has_published(row: AccuracyRow) -> bool:
    return any(cell.published is not None for cell in row.columns)


def _labels(spec: TableSpec) -> list[tuple[Row, RowLabel]]:
    """Return each row with its label; rows that would have the same label get the run's name."""
    plain = [(row, _label(spec, row)) for row in spec.rows]
    times = Counter((label, row.model) for row, label in plain)
    return [
        (row, label if times[label, row.model] == 1 else replace(label, after=f"({row.run})")) for row, label in plain
    ]


def _label(spec: TableSpec, row: Row) -> RowLabel:
    match row.method:
        case "none":
            return RowLabel(before="base (no training)")
        case "sft":
            stages = [row.variant, f"after {row.parent}" if row.parent else None]
            return RowLabel(data=row.data, after=" ".join(filter(None, stages)))
        case "dpo":
            return RowLabel(data=row.start_data, before="" if spec.kind == "dpo" else "DPO on", after=row.variant or "")
        case "merge" | "route":
            return RowLabel(before=f"{row.method} of {', '.join(row.source_runs)}")
