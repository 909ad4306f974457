"""Compute a run's score on a benchmark: counts, accuracy and its interval, over all questions and by direction."""

from collections.abc import Sequence
from pathlib import Path

from r1k.errors import RecordError
from r1k.files import write_json
from r1k.intervals import wilson
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import DIRECTIONS, Direction, Graded, Score, Tally, read_jsonl


def score(*, run: str, seed: int, benchmark: str, graded: Path, output: Path) -> None:
    """Compute a run's accuracy on a benchmark with its 95 % interval, over all questions and by direction.

    Args:
        run: Name of the run.
        seed: The run's seed.
        benchmark: Name of the benchmark.
        graded: The graded answers, graded.jsonl.
        output: The score.json to write.

    Raises:
        RecordError: A question has several answers; a score counts one.
    """
    watch = Stopwatch()
    verdicts = read_jsonl(graded, Graded)
    for verdict in verdicts:
        if verdict.sample:
            raise RecordError(
                f"{graded}: field 'sample': question {verdict.id!r} has several answers, and a score counts questions; "
                "set repeats: 1 for the benchmark, or compare runs with `r1k make-paired-tests`"
            )
    result = tally_all(run, seed, benchmark, verdicts)
    write_json(output, result.model_dump(mode="json"))
    write_manifest(output, "evaluate.score", {"graded": graded}, watch, n=result.all.n)


def tally_all(run: str, seed: int, benchmark: str, graded: Sequence[Graded]) -> Score:
    """Return the score of a run's verdicts; a direction without questions is None."""
    return Score(
        run=run,
        seed=seed,
        benchmark=benchmark,
        all=tally(graded),
        **{direction: _tally_direction(graded, direction) for direction in DIRECTIONS},
    )


def tally(graded: Sequence[Graded]) -> Tally:
    """Return counts over one or more verdicts, and Wilson's 95 % interval of the accuracy."""
    n, correct = len(graded), sum(verdict.correct for verdict in graded)
    numeric = [verdict.last_number_correct for verdict in graded if verdict.last_number_correct is not None]
    share = wilson(correct, n)
    return Tally(
        n=n,
        correct=correct,
        unparsed=sum(verdict.rule == "unparsed" for verdict in graded),
        unread=sum(verdict.extracted is None for verdict in graded),
        timed_out=sum("timeout" in (verdict.rule, verdict.rules_rule) for verdict in graded),
        undecided=sum(verdict.rule == "undecided" for verdict in graded),
        unparsed_gold=sum(verdict.rules_rule == "unparsed_gold" for verdict in graded),
        truncated=sum(verdict.truncated for verdict in graded),
        last_number_correct=sum(numeric) if numeric else None,
        accuracy=share.value,
        low=share.low,
        high=share.high,
    )


def _tally_direction(graded: Sequence[Graded], direction: Direction) -> Tally | None:
    chosen = [verdict for verdict in graded if verdict.direction == direction]
    return tally(chosen) if chosen else None
