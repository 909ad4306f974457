"""Two runs as one model, the prompt's direction choosing between them (`method: route`).

Nothing is generated or scored anew: what the two runs have answered and been measured at is picked from.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from r1k.errors import RecordError
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import DIRECTIONS, Direction, LogProb, Question, Sample, Tracked, read_jsonl, write_jsonl

M = TypeVar("M", LogProb, Tracked)


def route_samples(*, questions: Path, forward: Path, reverse: Path, output: Path) -> None:
    """Write for each question the samples of the run of its direction; where that is not marked, the forward run's.

    RecordError for a question that its run has not answered.
    """
    watch = Stopwatch()
    paths: dict[Direction, Path] = {"forward": forward, "reverse": reverse}
    answers = {direction: _by_question(path) for direction, path in paths.items()}
    asked = read_jsonl(questions, Question)
    routed: list[Sample] = []
    for question in asked:
        direction = question.direction or "forward"
        if question.id not in answers[direction]:
            raise RecordError(
                f"{paths[direction]}: field 'id': no answer to {question.id!r} of {questions}; generate again"
            )
        routed += answers[direction][question.id]
    write_jsonl(output, routed)
    counts = Counter(question.direction or "forward" for question in asked)
    inputs = {"questions": questions, "forward": forward, "reverse": reverse}
    write_manifest(output, "route.samples", inputs, watch, n=len(routed), questions=counts)


def route_probe(
    *,
    run: str,
    logprobs: Mapping[Direction, Path],
    tracked: Mapping[Direction, Path],
    output: Path,
    output_tracked: Path,
) -> None:
    """Write the first and the last measurement of each run at the prompts of its direction, as those of `run`.

    RecordError where the two runs were not measured last at the same step.
    """
    _pick(run, LogProb, logprobs, output)
    _pick(run, Tracked, tracked, output_tracked)


def _pick(run: str, kind: type[M], paths: Mapping[Direction, Path], output: Path) -> None:
    watch = Stopwatch()
    found = {direction: read_jsonl(paths[direction], kind) for direction in DIRECTIONS}
    last = {direction: max(record.step for record in records) for direction, records in found.items()}
    if last["forward"] != last["reverse"]:
        raise RecordError(
            f"{paths['reverse']}: its last step is {last['reverse']}, and {last['forward']} in {paths['forward']}; "
            "route between runs that were measured alike"
        )
    picked = [record for step in (0, last["forward"]) for record in _at(found, step)]
    write_jsonl(output, [record.model_copy(update={"run": run}) for record in picked])
    write_manifest(
        output,
        "route.probe",
        {str(direction): path for direction, path in paths.items()},
        watch,
        run=run,
        n=len(picked),
    )


def _at(found: Mapping[Direction, list[M]], step: int) -> Iterator[M]:
    for direction, records in found.items():
        yield from (record for record in records if (record.step, record.direction) == (step, direction))


def _by_question(path: Path) -> dict[str, list[Sample]]:
    found: dict[str, list[Sample]] = {}
    for sample in read_jsonl(path, Sample):
        found.setdefault(sample.id, []).append(sample)
    return found
