"""Questions of any generative lm-eval task: its prompts as user turns, its targets as gold answers."""

from collections.abc import Iterator
from pathlib import Path

from lm_eval.api.task import ConfigurableTask
from lm_eval.tasks import TaskManager

from r1k.errors import ConfigError, RecordError, did_you_mean
from r1k.hub import hub_errors
from r1k.records import Question


def task_questions(name: str, task: str, folder: Path | None) -> Iterator[Question]:
    """Yield the questions of an lm-eval task, or of a task file in `folder`, as benchmark `name`.

    The task's few-shot examples precede each question; its stop sequences, filters and metrics are not used.

    Raises:
        ConfigError: The task does not exist, or scores log-likelihoods.
        RecordError: A target is neither text nor a number.
    """
    loaded = _load(name, task, folder)
    documents = loaded.test_docs() if loaded.has_test_docs() else loaded.validation_docs()
    for index, document in enumerate(documents):
        target = loaded.doc_to_target(document)
        if isinstance(target, bool) or not isinstance(target, str | int | float) or not str(target).strip():
            raise RecordError(
                f"task {task}, document {index}: its target is neither text nor a number ({target!r:.80}), so it "
                "cannot be compared with an answer; use another task"
            )
        yield Question(
            id=f"{name}-{index:04d}",
            benchmark=name,
            question=str(loaded.fewshot_context(document, num_fewshot=loaded.config.num_fewshot or 0)),
            gold=str(target).strip(),
            kind=task,
        )


def _load(name: str, task: str, folder: Path | None) -> ConfigurableTask:
    key = f"benchmarks.{name}.source"
    if folder is not None and not folder.is_dir():
        raise ConfigError(f"{key}.folder: no directory {folder}; correct it")
    manager = TaskManager(include_path=folder, include_defaults=folder is None)
    if task not in manager.all_subtasks:
        raise ConfigError(
            f"{key}.task: no task {task!r} in {folder or 'lm-eval'}{did_you_mean(task, manager.all_subtasks)}"
        )
    with hub_errors(f"the data of lm-eval's task {task}"):
        loaded = manager.load([task])["tasks"][task]
    if loaded.OUTPUT_TYPE != "generate_until":
        raise ConfigError(f"{key}.task: {task!r} scores log-likelihoods ({loaded.OUTPUT_TYPE}); use a generative task")
    return loaded
