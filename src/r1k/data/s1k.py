"""Get s1k, the forward problems, from the embedded world, a file or the hub.

Files and hub datasets have the columns of s1K-1.1; the chain of thought and the answer are DeepSeek-R1's.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from r1k.config import Data, FileSource, HubSource, WorldSource
from r1k.errors import RecordError, field_path
from r1k.hub import dataset_rows, resolve_commit
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import Example, Text, write_jsonl


class S1kRow(BaseModel):
    """The columns of s1K-1.1 that r1k uses; other columns are ignored."""

    model_config = ConfigDict(extra="ignore")

    question: Text
    deepseek_thinking_trajectory: Text
    deepseek_attempt: Text
    deepseek_grade: str | None = None
    solution: str | None = None
    source_type: Text

    def example(self, index: int) -> Example:
        """Return the row as a forward example; `index` is its position in the source."""
        problem = f"s1k-{index:04d}"
        grades = {"yes": True, "no": False}
        return Example(
            id=f"{problem}-forward",
            problem=problem,
            direction="forward",
            question=self.question,
            reasoning=self.deepseek_thinking_trajectory,
            answer=self.deepseek_attempt,
            gold=self.solution or None,
            kind=self.source_type,
            grade=grades.get((self.deepseek_grade or "").strip().lower()),
        )


def get_s1k(*, data: Data, output: Path) -> None:
    """Write the forward problems as s1k.jsonl, from the embedded world, a file or the hub.

    Args:
        data: Section `data` of the config.
        output: The s1k.jsonl to write.

    Raises:
        RecordError: A row is invalid, or the number of problems is not `data.source.problems`.
    """
    watch = Stopwatch()
    source = data.source
    commit = resolve_commit("dataset", source.repo, source.revision) if isinstance(source, HubSource) else None
    examples = list(_examples(source, commit))
    kept = [example for example in examples if example.grade is not False] if data.filter_by_grade else examples
    if len(kept) != data.source.problems:
        raise RecordError(
            f"{_name(data)}: {len(kept)} problems, but data.source.problems is {data.source.problems}; "
            "the steps of every training run depend on it: correct the config or the source"
        )
    write_jsonl(output, kept)
    inputs = {"source": source.path} if isinstance(source, FileSource) else {}
    facts = {"source": source.model_dump(mode="json"), "hub_commit": commit}
    write_manifest(output, "data.s1k", inputs, watch, n=len(kept), excluded_by_grade=len(examples) - len(kept), **facts)


def _examples(source: WorldSource | FileSource | HubSource, commit: str | None) -> Iterator[Example]:
    match source:
        case WorldSource(problems=problems, seed=seed):
            from r1k.world import forward_examples

            yield from forward_examples(problems, seed)
        case FileSource(path=path):
            yield from _from_file(path)
        case HubSource(repo=repo, revision=revision, split=split):
            rows = dataset_rows(repo, commit or revision, split)
            yield from _validated(((f"{repo} row {number}", row) for number, row in enumerate(rows)))


def _from_file(path: Path) -> Iterator[Example]:
    if not path.is_file():
        raise RecordError(f"{path}: no such file; correct data.source.path")
    with path.open(encoding="utf-8") as handle:
        yield from _validated(_parsed(path, handle))


def _parsed(path: Path, lines: Iterable[str]) -> Iterator[tuple[str, object]]:
    for number, line in enumerate(lines, start=1):
        try:
            yield f"{path}:{number}", json.loads(line)
        except json.JSONDecodeError as error:
            raise RecordError(f"{path}:{number}: not a line of JSON ({error}); correct or remove the line") from error


def _validated(rows: Iterable[tuple[str, object]]) -> Iterator[Example]:
    for index, (where, row) in enumerate(rows):
        try:
            yield S1kRow.model_validate(row).example(index)
        except ValidationError as error:
            first = error.errors()[0]
            reasons = {"missing": "missing", "string_too_short": "empty", "string_pattern_mismatch": "empty"}
            raise RecordError(
                f"{where}: field {field_path(first['loc'])!r}: {reasons.get(first['type'], first['msg'])}; "
                "correct the row, or remove it and correct data.source.problems"
            ) from error


def _name(data: Data) -> str:
    return str(getattr(data.source, "path", None) or getattr(data.source, "repo", None) or "the world")
