"""A robust table as a reader sees it: words in grids, and what they mean below."""

import math
from collections.abc import Callable, Iterator, Sequence

from r1k.config import TableSpec
from r1k.report.document import Grid, Part, Sheet, percents, points
from r1k.report.statistics.paired import LEVEL
from r1k.report.tables.accuracy import title
from r1k.report.tables.paired_tests.comparisons import Comparison
from r1k.report.tables.paired_tests.content import RobustBlock
from r1k.report.tables.paired_tests.scores import AVERAGE, RobustScore
from r1k.report.tables.table_model import percent

UNKNOWN = "–"


def sheet(spec: TableSpec, content: Sequence[RobustBlock]) -> Sheet:
    """The grids of each block under its heading, and notes on how to read them."""
    parts = [Part(_heading(block) if len(content) > 1 else "", tuple(_grids(block))) for block in content]
    return Sheet(
        f"{spec.name}-robust",
        f"{title(spec)}, and which differences survive",
        tuple(parts),
        tuple(_notes(spec, content)),
    )


def _heading(block: RobustBlock) -> str:
    return f"{block.direction.capitalize()} questions"


def _grids(block: RobustBlock) -> Iterator[Grid]:
    yield _scores_grid("Percent right", block, block.scores, lambda score: percents(score.score))
    if any(score.passed for score in block.scores):
        yield _scores_grid("At least one right of all samples (pass@k), percent", block, block.scores, _passed)
    if any(score.majority for score in block.scores):
        yield _scores_grid("Most frequent answer right (majority@k), percent", block, block.scores, _majority)
    if block.clean:
        yield _scores_grid("Percent right without contaminated questions", block, block.clean, _clean)
    yield _scores_grid("Unparsed / truncated, in percent", block, block.scores, _behind, average=False)
    if any(score.components for score in block.scores):
        says = "Standard error by questions / trainings / answers, in points"
        yield _scores_grid(says, block, block.scores, _errors, average=False)
    if block.comparisons:
        yield _comparisons_grid(block)


def _scores_grid(
    says: str,
    block: RobustBlock,
    scores: Sequence[RobustScore],
    word: Callable[[RobustScore], str],
    average: bool = True,
) -> Grid:
    """Runs by benchmarks; benchmarks without scores are left out."""
    titles = _titles(block)
    names = [name for name in titles if any(score.benchmark == name for score in scores)]
    names = [name for name in names if average or name != AVERAGE]
    words = {(score.run, score.benchmark): word(score) for score in scores}
    runs = dict.fromkeys(score.run for score in scores)
    rows = (tuple(words[run, name] for name in names) for run in runs)
    header = ("Run", *(titles[name] for name in names))
    return Grid(says, header, tuple((run, *row) for run, row in zip(runs, rows, strict=True)))


def _titles(block: RobustBlock) -> dict[str, str]:
    return {**block.benchmarks, AVERAGE: "Average"}


def _passed(score: RobustScore) -> str:
    return percents(score.passed[max(score.passed)]) if score.passed else UNKNOWN


def _majority(score: RobustScore) -> str:
    return percents(score.majority) if score.majority else UNKNOWN


def _clean(score: RobustScore) -> str:
    return percents(score.score) + ("" if score.n is None else f" (n = {score.n})")


def _behind(score: RobustScore) -> str:
    return " / ".join(UNKNOWN if share is None else str(percent(share)) for share in (score.unparsed, score.truncated))


def _errors(score: RobustScore) -> str:
    parts = score.components
    if parts is None:
        return UNKNOWN
    errors = (parts.from_questions, parts.from_seeds, parts.from_samples)
    return " / ".join(UNKNOWN if error is None else str(percent(error)) for error in errors)


def _comparisons_grid(block: RobustBlock) -> Grid:
    titles = _titles(block)
    header = ("Run", "Against", "On", "Difference, points", "p", "p (Holm)", "Survives", "Detectable, points")
    rows = tuple((item.run, item.against, titles[item.benchmark], *_compared(item)) for item in block.comparisons)
    return Grid("Differences on the same questions", header, rows)


def _compared(item: Comparison) -> tuple[str, ...]:
    detectable = UNKNOWN if item.detectable is None else str(percent(item.detectable))
    return points(item.difference), _p(item.p), _p(item.adjusted), "yes" if item.survives else "no", detectable


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{math.floor(value * 1000 + 0.5) / 1000:.3f}"


def _notes(spec: TableSpec, content: Sequence[RobustBlock]) -> Iterator[str]:
    shapes = [shape for block in content for shape in block.answers.values()]
    several = any(seeds * samples > 1 for seeds, _, samples in shapes)
    for block in content:
        which = "" if block.direction == "all" else f" ({block.direction})"
        sizes = ", ".join(f"{title} {block.answers[name][1]}" for name, title in block.benchmarks.items())
        yield f"Questions{which}: {sizes}. Unparsed answers count as wrong."
    if several:
        samples = sorted({samples for _, _, samples in shapes})
        yield (
            f"The mean over training seeds {', '.join(map(str, spec.seeds))} and {' or '.join(map(str, samples))} "
            "samples a question (avg@k). In brackets the 95 % interval of a bootstrap that draws questions, each with "
            "all of its answers."
        )
        yield (
            "Standard errors: the score's variance by the draw of the questions, of the trainings, and of the answers "
            "(with what a training is good at by chance). Intervals and tests hold for these trainings: they do not "
            "cover the second."
        )
    else:
        yield (
            f"One training, seed {spec.seeds[0]}, and one answer a question. In brackets the 95 % interval: Wilson's "
            "for a score, the adjusted Wald interval of paired counts (Bonett and Price) for a difference."
        )
    yield "Average: the plain mean of the benchmarks; its interval takes theirs as independent."
    yield from _notes_on_tests(content, several)
    yield from dict.fromkeys(spec.notes)


def _notes_on_tests(content: Sequence[RobustBlock], several: bool) -> Iterator[str]:
    family = [item for block in content for item in block.comparisons]
    if not family:
        return
    drawn = "a randomisation test that flips the sign of a question's difference"
    test = f"{drawn}, with all of its answers" if several else f"McNemar's exact test; for averages, {drawn}"
    survivors = sum(item.survives for item in family)
    yield (
        f"p: two-sided, {test}. Holm: adjusted over the {len(family)} comparisons of this table, of which {survivors} "
        f"survive at {LEVEL}."
    )
    yield (
        "Detectable: the smallest true difference that a single test at 5 % finds four times in five, with as many "
        "questions that differ as were seen. A smaller one can be there and not be seen."
    )
