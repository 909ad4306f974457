"""Combine two runs into one model that selects the run by the prompt's direction (`method: route`).

It generates and scores nothing: it selects from the answers and measurements of the two runs.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from r1k.errors import RecordError
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import DIRECTIONS, Direction, LogProb, Question, Sample, Tracked, read_jsonl, write_jsonl

M = TypeVar("M", LogProb, Tracked)


def route_samples(*, questions: Path, forward_run: Path, reverse_run: Path, output: Path) -> None:
    """Select the answers to each question from the run of its direction; without a direction, from the forward run.

    Args:
        questions: The benchmark's questions.
        forward_run: Answers of the run for forward questions, samples.jsonl.
        reverse_run: Answers of the run for reverse questions, samples.jsonl.
        output: The samples.jsonl to write.

    Raises:
        RecordError: A question has no answer by its run.
    """
    watch = Stopwatch()
    paths: dict[Direction, Path] = {"forward": forward_run, "reverse": reverse_run}
    answers = {direction: _by_question(path) for direction, path in paths.items()}
    rows = read_jsonl(questions, Question)
    routed: list[Sample] = []
    for question in rows:
        direction = question.direction or "forward"
        if question.id not in answers[direction]:
            raise RecordError(
                f"{paths[direction]}: field 'id': no answer to {question.id!r} of {questions}; generate again"
            )
        routed += answers[direction][question.id]
    write_jsonl(output, routed)
    counts = Counter(question.direction or "forward" for question in rows)
    inputs = {"questions": questions, "forward": forward_run, "reverse": reverse_run}
    write_manifest(output, "route.samples", inputs, watch, n=len(routed), questions=counts)


def route_probe(
    *,
    run: str,
    forward_run: Path,
    reverse_run: Path,
    forward_tracked: Path,
    reverse_tracked: Path,
    output: Path,
    tracked: Path,
) -> None:
    """Select the first and the last measurement at each prompt from the run of its direction.

    Args:
        run: Name of the routed run.
        forward_run: Log-probabilities of the run for forward prompts.
        reverse_run: Log-probabilities of the run for reverse prompts.
        forward_tracked: Tracked responses of the run for forward prompts.
        reverse_tracked: Tracked responses of the run for reverse prompts.
        output: The log-probabilities to write.
        tracked: The tracked responses to write.

    Raises:
        RecordError: The last measured steps of the two runs differ.
    """
    _select(run, LogProb, {"forward": forward_run, "reverse": reverse_run}, output)
    _select(run, Tracked, {"forward": forward_tracked, "reverse": reverse_tracked}, tracked)


def _select(run: str, kind: type[M], paths: Mapping[Direction, Path], output: Path) -> None:
    watch = Stopwatch()
    measured = {direction: read_jsonl(paths[direction], kind) for direction in DIRECTIONS}
    last = {direction: max(record.step for record in records) for direction, records in measured.items()}
    if last["forward"] != last["reverse"]:
        raise RecordError(
            f"{paths['reverse']}: its last step is {last['reverse']}, but {last['forward']} in {paths['forward']}; "
            "route between runs that are probed at the same last step"
        )
    selected = [record for step in (0, last["forward"]) for record in _at_step(measured, step)]
    write_jsonl(output, [record.model_copy(update={"run": run}) for record in selected])
    write_manifest(
        output,
        "route.probe",
        {str(direction): path for direction, path in paths.items()},
        watch,
        run=run,
        n=len(selected),
    )


def _at_step(measured: Mapping[Direction, list[M]], step: int) -> Iterator[M]:
    for direction, records in measured.items():
        yield from (record for record in records if (record.step, record.direction) == (step, direction))


def _by_question(path: Path) -> dict[str, list[Sample]]:
    found: dict[str, list[Sample]] = {}
    for sample in read_jsonl(path, Sample):
        found.setdefault(sample.id, []).append(sample)
    return found
