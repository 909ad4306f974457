"""Get s1k, the forward problems, from the embedded world, a file or the hub.

Files and hub datasets have the columns of s1K-1.1, whose chain of thought and answer are DeepSeek-R1's, or those that
`data.source.fields` names.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from r1k.config import Data, ExampleFields, FileSource, HubSource, WorldSource
from r1k.data.columns import DataRow
from r1k.errors import RecordError
from r1k.hub import dataset_rows, resolve_commit
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import Example, iterate_objects, write_jsonl

S1K_FIELDS = ExampleFields(
    question="question", reasoning="deepseek_thinking_trajectory", answer="deepseek_attempt", kind="source_type"
)
"""The columns of s1K-1.1. Its grades and gold answers, which not every copy has, are read where a row has them."""
S1K_OPTIONAL = {"grade": "deepseek_grade", "gold": "solution"}


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
        case FileSource(path=path, fields=fields):
            if not path.exists():
                raise RecordError(f"{path}: no such file; correct data.source.path")
            yield from read_examples(iterate_objects(path), fields, kind=path.stem)
        case HubSource(repo=repo, config=config, revision=revision, split=split, fields=fields):
            rows = dataset_rows(repo, commit or revision, split, config)
            found = ((f"{repo} row {number}", row) for number, row in enumerate(rows))
            yield from read_examples(found, fields, kind=repo)


def read_examples(
    rows: Iterable[tuple[str, Mapping[str, Any]]], fields: ExampleFields | None, kind: str
) -> Iterator[Example]:
    """Yield rows as forward examples, in order.

    Args:
        rows: The place of each row, for messages, and its cells.
        fields: Names of the columns; None for those of s1K-1.1.
        kind: Where the problems are from, if no column says it.

    Raises:
        RecordError: A cell is missing or invalid, or two rows have one id.
    """
    seen: dict[str, str] = {}
    for index, (where, cells) in enumerate(rows):
        row = DataRow(where, cells, "data.source.fields")
        named = fields or S1K_FIELDS.model_copy(
            update={name: column for name, column in S1K_OPTIONAL.items() if column in cells}
        )
        problem = f"s1k-{index:04d}" if named.id is None else row.text(named.id).strip()
        if problem in seen:
            raise RecordError(
                f"{where}: field {named.id!r}: {problem!r} is already the id of {seen[problem]}; ids must be unique: "
                "correct one of the two, or leave id out of data.source.fields"
            )
        seen[problem] = where
        question, reasoning, answer = _texts(row, named)
        yield Example(
            id=f"{problem}-forward",
            problem=problem,
            direction="forward",
            question=question,
            reasoning=reasoning,
            answer=answer,
            gold=row.optional_text(named.gold),
            kind=kind if named.kind is None else row.text(named.kind),
            grade=row.grade(named.grade),
        )


def _texts(row: DataRow, fields: ExampleFields) -> tuple[str, str, str]:
    """Return question, reasoning and answer from the columns that hold them; `ExampleFields` checks that some do."""
    if fields.messages is not None:
        question, response = row.exchange(fields.messages)
        return (question, *row.parted(fields.messages, response))
    question = row.text(str(fields.question))
    if fields.response is not None:
        return (question, *row.parted(fields.response, row.only_text(fields.response)))
    return question, row.only_text(str(fields.reasoning)), row.text(str(fields.answer))


def _name(data: Data) -> str:
    return str(getattr(data.source, "path", None) or getattr(data.source, "repo", None) or "the world")
