"""Replay field reports of the area `grading`: extract and grade one completion against a gold answer."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from r1k.errors import R1kError
from r1k.evaluate.grade import grade, grade_sample
from r1k.records import Question, Sample, write_jsonl


def replay(area: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the verdict, rule and extracted answer for a row's input, or the error that grading raises."""
    del area
    answer_type = given["shape"]
    question = Question(
        id="q1",
        benchmark="field",
        question="?",
        options=given.get("options") or (["w", "x", "y", "z"] if answer_type == "choice" else None),
        gold=given["gold"],
        kind="field",
    )
    sample = Sample(
        id="q1",
        benchmark="field",
        prompt="?",
        completion=given["completion"],
        tokens=1,
        truncated=bool(given.get("truncated")),
    )
    if given.get("through") == "grade()":
        return _through_files(question, sample, answer_type)
    graded = grade_sample(question, sample, answer_type)
    return {"correct": graded.correct, "rule": graded.rule, "extracted": graded.extracted}


def _through_files(question: Question, sample: Sample, answer_type: Any) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder) / f"{name}.jsonl" for name in ("questions", "samples", "output")}
        write_jsonl(paths["questions"], [question])
        write_jsonl(paths["samples"], [sample])
        try:
            grade(**paths, answer_type=answer_type)
        except R1kError as error:
            return {"error_type": type(error).__name__, "error": str(error)}
        return {"written": paths["output"].read_text(encoding="utf-8")}
