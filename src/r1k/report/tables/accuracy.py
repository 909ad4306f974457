"""Tables 1 and 2: from score files to Markdown, CSV and LaTeX."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from r1k.config import Row, TableSpec
from r1k.errors import ConfigError, RecordError, field_path
from r1k.files import write_texts
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import Score, Tally
from r1k.report.statistics.estimates import Estimate, accuracy, average
from r1k.report.tables.published import contradictions, published_value, resolution
from r1k.report.tables.rendering import render
from r1k.report.tables.table_model import Block, Cell, Label, Line, TableData

Which = Literal["all", "forward", "reverse"]
Scores = Mapping[tuple[str, int, str], Score]
"""By run, seed and benchmark."""

TITLES = {
    "sft": "accuracy after supervised fine-tuning",
    "dpo": "accuracy after DPO, against the SFT model that it started from",
}
OTHERWISE = "accuracy by training"
"""Where rows are other than SFT's, and no changes against a parent are shown."""


def title(spec: TableSpec) -> str:
    """What a table of accuracies shows."""
    plain = spec.shows == "dpo" or {row.method for row in spec.rows} <= {"none", "sft"}
    return TITLES[spec.shows] if plain else OTHERWISE


def make_table(*, spec: TableSpec, scores: Sequence[Path], markdown: Path, csv: Path, latex: Path) -> None:
    """Write a table in three formats from `score.json` files.

    Scores that the table does not need are left aside. `spec.notes` are printed below, after those on n, intervals
    and seeds. RecordError names the run, seed and benchmark of a score that is missing or comes twice; ConfigError a
    table that cannot be filled in.
    """
    watch = Stopwatch()
    rendered = render(table_data(spec, read_scores(scores)))
    files = write_texts({markdown: rendered.markdown, csv: rendered.csv, latex: rendered.latex})
    write_manifest(markdown, "table", {"scores": scores}, watch, files=files)


def read_scores(paths: Sequence[Path]) -> dict[tuple[str, int, str], Score]:
    """Scores by run, seed and benchmark."""
    found: dict[tuple[str, int, str], Score] = {}
    origins: dict[tuple[str, int, str], Path] = {}
    for path in paths:
        score = _read_score(path)
        key = (score.run, score.seed, score.benchmark)
        if key in found:
            raise RecordError(
                f"{path}: run {score.run!r}, seed {score.seed}, benchmark {score.benchmark!r} is already in "
                f"{origins[key]}; give one of the two"
            )
        found[key], origins[key] = score, path
    return found


def _read_score(path: Path) -> Score:
    if not path.is_file():
        raise RecordError(f"{path}: no such file; make it with `snakemake {path}`")
    try:
        return Score.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = f"field {field_path(first['loc'])!r}: " if first["loc"] else ""
        raise RecordError(f"{path}: {where}{first['msg']}; rebuild it with `snakemake --force {path}`") from error


def table_data(spec: TableSpec, scores: Scores) -> TableData:
    """The table's content: a block for each of the directions, and the notes that belong below it."""
    builder = _Builder(spec, scores)
    blocks = tuple(builder.block(direction) for direction in spec.directions)
    return TableData(
        name=spec.name,
        title=title(spec),
        shows=spec.shows,
        blocks=blocks,
        notes=(*_notes(spec, blocks), *(_published_notes(spec) if spec.published else ()), *dict.fromkeys(spec.notes)),
    )


@dataclass(frozen=True)
class _Builder:
    """Fills a table's cells from scores."""

    spec: TableSpec
    scores: Scores

    def block(self, direction: Which) -> Block:
        benchmarks = {name: title for name, title in self.spec.benchmarks.items() if self._marks(name, direction)}
        if not benchmarks:
            raise ConfigError(
                f"tables.{self.spec.name}.directions: no benchmark marks {direction} questions; leave it out"
            )
        lines = [self._line(row, label, benchmarks, direction) for row, label in _labels(self.spec)]
        if self.spec.published and direction == "all" and not any(map(_has_published, lines)):
            raise ConfigError(
                f"tables.{self.spec.name}.published: the paper has no value for any row; it has models titled 7B and "
                "14B, benchmarks titled AIME, Math and GPQA"
            )
        return Block(direction, benchmarks, tuple(lines))

    def _marks(self, benchmark: str, direction: Which) -> bool:
        """Whether a benchmark has questions of a direction; all of its scores must agree on that."""
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

    def _tallies(self, run: str, benchmark: str, direction: Which) -> dict[int, Tally]:
        found = {seed: _tally(self._score(run, seed, benchmark), direction) for seed in self.spec.seeds}
        tallies = {seed: tally for seed, tally in found.items() if tally is not None}
        if len({tally.n for tally in tallies.values()}) > 1:
            asked = ", ".join(f"{tally.n} with seed {seed}" for seed, tally in tallies.items())
            raise RecordError(
                f"table {self.spec.name}: run {run!r} was asked {asked} questions of {benchmark!r}; all seeds must be "
                "asked the same questions: evaluate them again"
            )
        return tallies

    def _line(self, row: Row, label: Label, benchmarks: Mapping[str, str], direction: Which) -> Line:
        cells = [self._cell(row, name, direction) for name in benchmarks]
        parents = [cell.parent for cell in cells if cell.parent is not None]
        return Line(
            label=label,
            model=row.model,
            run=row.run,
            group=row.base,
            cells=tuple(cells),
            average=Cell(
                estimate=average([cell.estimate for cell in cells]),
                parent=average(parents) if parents else None,
                published=self._published(row, "Average", direction),
            ),
            facts={"method": row.method, "base": row.base, "parent": row.parent or ""},
        )

    def _cell(self, row: Row, benchmark: str, direction: Which) -> Cell:
        tallies = self._tallies(row.run, benchmark, direction)
        shows_change = self.spec.shows == "dpo" and row.parent is not None
        before = self._tallies(str(row.parent), benchmark, direction) if shows_change else None
        return Cell(
            estimate=_accuracy(tallies),
            tallies=tallies,
            parent=_accuracy(before) if before else None,
            published=self._published(row, self.spec.benchmarks[benchmark], direction),
        )

    def _published(self, row: Row, title: str, direction: Which) -> Decimal | None:
        if not self.spec.published or direction != "all" or row.variant is not None:
            return None
        return published_value(row.method, row.start_data if row.method == "dpo" else row.data, row.model, title)


def _runs(spec: TableSpec) -> list[str]:
    """The runs whose scores the table needs."""
    parents = [row.parent for row in spec.rows if row.parent is not None] if spec.shows == "dpo" else []
    return list(dict.fromkeys([*(row.run for row in spec.rows), *parents]))


def _tally(score: Score, direction: Which) -> Tally | None:
    return {"all": score.all, "forward": score.forward, "reverse": score.reverse}[direction]


def _accuracy(tallies: Mapping[int, Tally]) -> Estimate:
    values = list(tallies.values())
    return accuracy([tally.correct for tally in values], values[0].n)


def _has_published(line: Line) -> bool:
    return any(cell.published is not None for cell in line.columns)


def _labels(spec: TableSpec) -> list[tuple[Row, Label]]:
    """Each row and what it is called; rows that would be called alike are told apart by the run's name."""
    plain = [(row, _label(spec, row)) for row in spec.rows]
    times = Counter((label, row.model) for row, label in plain)
    return [
        (row, label if times[label, row.model] == 1 else replace(label, after=f"({row.run})")) for row, label in plain
    ]


def _label(spec: TableSpec, row: Row) -> Label:
    match row.method:
        case "none":
            return Label(before="base (no training)")
        case "sft":
            stages = [row.variant, f"after {row.parent}" if row.parent else None]
            return Label(data=row.data, after=" ".join(filter(None, stages)))
        case "dpo":
            return Label(data=row.start_data, before="" if spec.shows == "dpo" else "DPO on", after=row.variant or "")
        case "merge" | "route":
            return Label(before=f"{row.method} of {', '.join(row.of)}")


def _notes(spec: TableSpec, blocks: Sequence[Block]) -> list[str]:
    brackets = "In brackets the 95 % interval: Wilson's for a benchmark; for the average, theirs taken as independent."
    notes = [f"Percent of questions answered right. {brackets}", *map(_sizes, blocks), _seeds(spec)]
    if spec.shows == "sft":
        notes.append("Bold: the best of the rows with the same base.")
    else:
        notes.append(
            "Arrows: up or down against the SFT model that DPO started from, = for no change. In parentheses the "
            "difference of the two averages as printed, in points."
        )
    if len(blocks[0].benchmarks) > 1:
        notes.append("Average: the plain mean of the benchmarks, whatever their number of questions.")
    notes.append(
        "Unparsed answers count as wrong. Truncated: the limit of new tokens was reached. Right by the last number: "
        "had the last number of the completion been taken for the answer, whatever its format (– where answers are "
        "no numbers)."
    )
    return notes


def _sizes(block: Block) -> str:
    sizes = ", ".join(
        f"{title} {next(iter(cell.tallies.values())).n}"
        for title, cell in zip(block.benchmarks.values(), block.lines[0].cells, strict=True)
    )
    which = "" if block.direction == "all" else f" ({block.direction})"
    return f"Questions{which}: {sizes}."


def _seeds(spec: TableSpec) -> str:
    if len(spec.seeds) == 1:
        return f"One training, seed {spec.seeds[0]}: the interval is over questions, not over trainings."
    named = ", ".join(map(str, spec.seeds))
    return (
        f"Mean over training seeds {named}. The interval is over questions: that of one run's n, not narrowed by the "
        "seeds, and without the variation between trainings, which ± gives (standard deviation over seeds)."
    )


def _published_notes(spec: TableSpec) -> list[str]:
    tables = ("table1", "text") if spec.shows == "sft" else ("table2",)
    found = [finding for finding in (*contradictions(), *resolution()) if finding.table in tables]
    return [
        "Published: the paper's own value.",
        *(f"In the paper's print, {finding.where}: {finding.message}." for finding in found),
    ]
