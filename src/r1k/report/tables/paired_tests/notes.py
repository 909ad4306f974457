"""Notes below paired tests."""

from collections.abc import Iterator, Sequence

from r1k.config import TableSpec
from r1k.report.statistics.paired import LEVEL
from r1k.report.tables.paired_tests.results import PairedBlock


def paired_notes(spec: TableSpec, blocks: Sequence[PairedBlock]) -> Iterator[str]:
    """Yield the notes: n, intervals, standard errors, averages, tests, the config's notes."""
    shapes = [shape for block in blocks for shape in block.answers.values()]
    several = any(seeds * samples > 1 for seeds, _, samples in shapes)
    for block in blocks:
        which = "" if block.direction == "all" else f" ({block.direction})"
        sizes = ", ".join(f"{title} {block.answers[name][1]}" for name, title in block.benchmarks.items())
        yield f"Questions{which}: {sizes}. Unparsed answers count as wrong."
    if several:
        samples = sorted({samples for _, _, samples in shapes})
        yield (
            f"Mean over training seeds {', '.join(map(str, spec.seeds))} and {' or '.join(map(str, samples))} samples "
            "per question (avg@k). In brackets: the 95 % interval of a bootstrap over questions, each with all of its "
            "answers."
        )
        yield (
            "Standard errors: from sampling questions, training runs, and answers (with the interaction of run and "
            "question). Intervals and tests hold for these training runs: they leave out the "
            "second standard error."
        )
    else:
        yield (
            f"One training run, seed {spec.seeds[0]}, and one answer per question. In brackets: the 95 % interval, "
            "Wilson's for a score, the adjusted Wald interval of paired counts (Bonett and Price) for a difference."
        )
    yield "Average: the plain mean of the benchmarks; its interval combines theirs as independent."
    yield from _notes_on_tests(blocks, several)
    yield from dict.fromkeys(spec.notes)


def _notes_on_tests(blocks: Sequence[PairedBlock], several: bool) -> Iterator[str]:
    family = [comparison for block in blocks for comparison in block.comparisons]
    if not family:
        return
    flips = "a randomisation test that flips the sign of a question's difference"
    test = f"{flips}, with all of its answers" if several else f"McNemar's exact test; for averages, {flips}"
    survivors = sum(comparison.survives for comparison in family)
    yield (
        f"p: two-sided, {test}. Holm: adjusted over the {len(family)} comparisons of this table, of which {survivors} "
        f"survive at {LEVEL}."
    )
    yield (
        "Detectable: the smallest true difference that a single test at 5 % detects with 80 % power, if as many "
        "questions differ as in these results. Smaller differences can exist undetected."
    )
