"""Notes below an accuracy table."""

from collections.abc import Iterator, Sequence

from r1k.config import TableSpec
from r1k.report.tables.accuracy.model import AccuracyBlock
from r1k.report.tables.published import contradictions, resolution


def accuracy_notes(spec: TableSpec, blocks: Sequence[AccuracyBlock]) -> Iterator[str]:
    """Yield the notes: n, intervals, seeds, marks, counts, the paper's own inconsistencies, the config's notes."""
    yield (
        "Percent of questions answered correctly. In brackets: the 95 % interval, Wilson's for a benchmark; for the "
        "average, the benchmarks' intervals combined as independent."
    )
    yield from map(_sizes, blocks)
    yield _seeds(spec)
    if spec.kind == "sft":
        yield "Bold: the best of the rows with the same base."
    else:
        yield (
            "Arrows: up or down against the SFT model from which DPO started; = for no change. In parentheses: the "
            "difference of the two printed averages, in points."
        )
    if len(blocks[0].benchmarks) > 1:
        yield "Average: the plain mean of the benchmarks, whatever their number of questions."
    yield (
        "Unparsed answers count as wrong. Truncated: the answer reached the limit of new tokens. Correct by the last "
        "number: the last number of the completion is the answer, whatever its format (– if answers are not numbers)."
    )
    if spec.published:
        yield from _published(spec)
    yield from dict.fromkeys(spec.notes)


def _sizes(block: AccuracyBlock) -> str:
    cells = zip(block.benchmarks.values(), block.rows[0].cells, strict=True)
    sizes = ", ".join(f"{title} {cell.n}" for title, cell in cells)
    which = "" if block.direction == "all" else f" ({block.direction})"
    return f"Questions{which}: {sizes}."


def _seeds(spec: TableSpec) -> str:
    if len(spec.seeds) == 1:
        return f"One training run, seed {spec.seeds[0]}: the interval is over questions, not over training runs."
    return (
        f"Mean over training seeds {', '.join(map(str, spec.seeds))}. The interval is over questions: it is that of "
        "one run's n, and the seeds do not narrow it. It leaves out the variation between training runs, which ± gives "
        "(standard deviation over seeds)."
    )


def _published(spec: TableSpec) -> Iterator[str]:
    tables = ("table1", "text") if spec.kind == "sft" else ("table2",)
    yield "Published: the paper's value."
    for finding in (*contradictions(), *resolution()):
        if finding.table in tables:
            yield f"In the paper's print, {finding.where}: {finding.message}."
