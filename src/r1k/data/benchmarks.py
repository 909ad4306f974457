"""Get benchmark questions from the embedded world, a JSONL file, the hub or lm-eval, as one record type."""

import random
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from r1k.config import AnswerType, Benchmark, FileQuestions, HubQuestions, QuestionFields, TaskQuestions, WorldQuestions
from r1k.data.columns import DataRow
from r1k.errors import ConfigError, RecordError
from r1k.hub import dataset_rows, resolve_commit
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import Question, iterate_objects, write_jsonl
from r1k.text import OPTION_LETTERS


def get_benchmark(*, name: str, benchmark: Benchmark, output: Path) -> None:
    """Write a benchmark's questions as JSONL, from the embedded world, a file, the hub or a task of lm-eval.

    Args:
        name: The benchmark's name.
        benchmark: The benchmark's entry in the config.
        output: The JSONL file to write.

    Raises:
        RecordError: A row is invalid (the message names file, line and field), or the number of rows is not `source.n`.
        ConfigError: The columns do not fit the benchmark's answer type.
    """
    watch = Stopwatch()
    source = benchmark.source
    commit = resolve_commit("dataset", source.repo, source.revision) if isinstance(source, HubQuestions) else None
    questions = list(_questions(name, benchmark, commit))
    if not isinstance(source, WorldQuestions) and len(questions) != source.n:
        raise RecordError(
            f"{_where(source)}: {len(questions)} questions, but benchmarks.{name}.source.n is {source.n}; scores on "
            "different questions are not comparable: restore the source, or correct n"
        )
    write_jsonl(output, questions)
    inputs = {"source": source.path} if isinstance(source, FileQuestions) else {}
    facts = {"n": len(questions), "answer_type": benchmark.answer_type, "source": source.model_dump(mode="json")}
    if benchmark.answer_type == "choice":
        facts["shuffle_seed"] = benchmark.shuffle_seed
    write_manifest(output, "data.benchmarks", inputs, watch, hub_commit=commit, **facts)


def _questions(name: str, benchmark: Benchmark, commit: str | None) -> Iterable[Question]:
    match benchmark.source:
        case WorldQuestions(per_direction=per_direction, seed=seed):
            from r1k.world import questions

            return questions(name, benchmark.answer_type, per_direction, seed, benchmark.shuffle_seed)
        case FileQuestions(path=path, fields=fields):
            return _read_rows(name, benchmark, fields, _file_rows(name, path))
        case HubQuestions(repo=repo, config=config, revision=revision, split=split, fields=fields):
            found = enumerate(dataset_rows(repo, commit or revision, split, config))
            return _read_rows(name, benchmark, fields, ((f"{repo}, row {index}", row) for index, row in found))
        case TaskQuestions(task=task, folder=folder):
            from r1k.data.tasks import task_questions

            if benchmark.answer_type == "choice":
                raise ConfigError(
                    f"benchmarks.{name}.answer_type: an lm-eval task cannot be a choice; set integer or expression"
                )
            return task_questions(name, task, folder)


def _where(source: FileQuestions | HubQuestions | TaskQuestions) -> str:
    match source:
        case FileQuestions(path=path):
            return str(path)
        case HubQuestions(repo=repo):
            return repo
        case TaskQuestions(task=task):
            return f"lm-eval's task {task}"


def _file_rows(name: str, path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if not path.exists():
        raise RecordError(f"{path}: no such file; correct benchmarks.{name}.source.path")
    return iterate_objects(path)


def _read_rows(
    name: str, benchmark: Benchmark, fields: QuestionFields, rows: Iterable[tuple[str, Mapping[str, Any]]]
) -> Iterator[Question]:
    if (benchmark.answer_type == "choice") != bool(fields.distractors):
        raise ConfigError(
            f"benchmarks.{name}.source.fields.distractors: names {len(fields.distractors)} columns, and answer_type is "
            f"{benchmark.answer_type}; list the columns of the wrong options for a choice, and no columns otherwise"
        )
    for index, (where, cells) in enumerate(rows):
        row, identity = DataRow(where, cells, f"benchmarks.{name}.source.fields"), f"{name}-{index:04d}"
        answer = _gold(row, fields.answer, benchmark.answer_type)
        options, gold = None, answer
        if benchmark.answer_type == "choice":
            wrong = [row.text(column).strip() for column in fields.distractors]
            options, gold = _shuffled(where, answer, wrong, f"{benchmark.shuffle_seed}/{identity}")
        yield Question(
            id=identity,
            benchmark=name,
            question=row.text(fields.question).strip(),
            options=options,
            gold=gold,
            kind=name if fields.subject is None else row.text(fields.subject).strip(),
        )


def _gold(row: DataRow, column: str, answer_type: AnswerType) -> str:
    """Return the gold answer; a whole number that a program wrote as 204.0 is the integer 204."""
    value = row.cell(column)
    if answer_type == "integer" and isinstance(value, float) and value.is_integer():
        return str(int(value))
    return row.text(column).strip()


def _shuffled(where: str, right: str, wrong: list[str], seed: str) -> tuple[list[str], str]:
    """Return the options in an order that depends only on the seed, and the letter of the right option."""
    if right in wrong:
        raise RecordError(f"{where}: a wrong option equals the right one; correct the row")
    options = [right, *wrong]
    random.Random(seed).shuffle(options)
    return options, OPTION_LETTERS[options.index(right)]
