"""What a model answers to benchmark questions: lm-eval's evaluation of tasks of our own, samples kept, none scored."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import lm_eval
import torch
from transformers import AutoConfig, PreTrainedTokenizerBase

from r1k.config import Evaluate
from r1k.errors import ConfigError, R1kError, RecordError
from r1k.evaluate.engines import ADAPTER_APPLIED, check_model, choose
from r1k.evaluate.lm_eval_adapter import BenchmarkTask, ChatLM, Turn, document
from r1k.evaluate.resume import Writer, answers_key
from r1k.files import exclusive
from r1k.provenance import Stopwatch, facts_of, write_manifest
from r1k.records import Question, Sample, read_jsonl, write_jsonl
from r1k.text import encode_prompt, format_question, load_tokenizer, prompt_text, tag_of
from r1k.train.describe import read_run

EVALUATE = Evaluate()
UNREADABLE = "�"
"""What stands for bytes that are no character, as where the limit cut one."""


def generate(
    *,
    base: Path,
    adapter: Path | None = None,
    run: Path | None = None,
    questions: Sequence[Path],
    outputs: Sequence[Path],
    repeats: Sequence[int],
    evaluate: Evaluate,
    batch_size: int = EVALUATE.batch_size,
    tokens_per_batch: int = 0,
    state: Path,
    processes: int = 0,
) -> None:
    """Generate a model's answers to benchmarks with lm-eval; after a kill, generate only the missing ones.

    Args:
        base: Directory of the base model.
        adapter: The run's adapter; if missing, the base answers.
        run: The run's run.json, which says whether prompts state their direction; if missing, they do not.
        questions: The benchmarks' questions, one BENCHMARK.jsonl each.
        outputs: The samples.jsonl to write, one for each of the questions' files.
        repeats: Answers per question, a number for each of the questions' files.
        evaluate: Section `evaluate` of the config.
        batch_size: Answers generated at once per GPU; sets memory, not results.
        tokens_per_batch: Maximum tokens of a batch with transformers; 0 means no maximum. Sets memory, not results.
        state: Directory that keeps answers as they are finished.
        processes: Processes; 0 means one per visible GPU, at least one.

    Raises:
        ConfigError: The lists differ in length, or name a benchmark twice.
        RecordError: A benchmark's file has changed since it was made.
        R1kError: A question cannot be a prompt of this model, or the engine cannot run here.
    """
    watch = Stopwatch()
    jobs = _jobs(questions, outputs, repeats)
    evaluate = evaluate.model_copy(update={"batch_size": batch_size, "tokens_per_batch": tokens_per_batch or None})
    tagged = run is not None and read_run(run).direction_tag
    check_model(base, adapter)
    engine = choose(evaluate.engine, torch.cuda.is_available())
    asked = {name: read_questions(job.questions) for name, job in jobs.items()}
    tokenizer = load_tokenizer(base, tagged)
    for name, job in jobs.items():
        for question in asked[name]:
            tag = tag_of(question.direction, tagged)
            encode_prompt(tokenizer, format_question(question), f"{job.questions}: {question.id}", tag)
    key = answers_key(base, adapter, evaluate, engine)
    place = state / key
    wanted = processes or max(1, torch.cuda.device_count())
    with exclusive(place / "lock", f"generation by {adapter or base}"):
        writer = Writer(base, adapter, evaluate, engine, place, wanted)
        chat = ChatLM(tokenizer, positions(base), evaluate.seed, writer)
        answered = answer(chat, asked, {name: job.repeats for name, job in jobs.items()}, evaluate, tagged)
        for name, job in jobs.items():
            write_jsonl(job.output, answered[name])
            inputs = {"base": base, "questions": job.questions} | ({} if adapter is None else {"adapter": adapter})
            facts = describe(answered[name], job.repeats, evaluate) | {
                "key": key,
                "answers_kept": writer.found,
                "engine": engine,
                "processes": wanted,
                "adapter_applied": ADAPTER_APPLIED[engine],
                "direction_tag": tagged,
                "settings": evaluate.model_dump(mode="json"),
            }
            write_manifest(job.output, "evaluate.generate", inputs, watch, **facts)


class _BenchmarkJob(NamedTuple):
    """One benchmark: its questions, where its samples go, and how many there are per question."""

    questions: Path
    output: Path
    repeats: int


def _jobs(questions: Sequence[Path], outputs: Sequence[Path], repeats: Sequence[int]) -> dict[str, _BenchmarkJob]:
    """Return the jobs by benchmark, which is the name of the questions' file."""
    for option, number in (("outputs", len(outputs)), ("repeats", len(repeats))):
        if number != len(questions):
            raise ConfigError(f"--{option}: give one for each of --questions")
    rows = zip(questions, outputs, repeats, strict=True)
    jobs = {path.stem: _BenchmarkJob(path, output, each) for path, output, each in rows}
    if len(jobs) != len(questions):
        raise ConfigError("--questions: two files have the same name; name each file after its benchmark")
    return jobs


def read_questions(path: Path) -> list[Question]:
    """A benchmark's questions; RecordError where they are not as many as its manifest says."""
    found, made = read_jsonl(path, Question), facts_of(path).get("n")
    if made not in (None, len(found)):
        raise RecordError(
            f"{path}: {len(found)} questions, and its manifest says {made}; scores on other questions do not compare: "
            f"make it again with `snakemake --force {path}`"
        )
    return found


def positions(base: Path) -> int:
    """The longest sequence of a base, in tokens, prompt and answer together."""
    return int(AutoConfig.from_pretrained(base, local_files_only=True).max_position_embeddings)


def answer(
    chat: ChatLM,
    questions: Mapping[str, Sequence[Question]],
    samples: Mapping[str, int],
    evaluate: Evaluate,
    tagged: bool = False,
) -> dict[str, list[Sample]]:
    """The samples of each question, for all benchmarks in one lm-eval run.

    R1kError where lm-eval made another prompt than `r1k.text` makes for training and probing.
    """
    # lm-eval tells of what it does with tasks that are handed to it ready-made, as here.
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    documents = {name: [document(chat.tokenizer, item, tagged) for item in items] for name, items in questions.items()}
    tasks = {name: BenchmarkTask(name, rows, samples[name], evaluate) for name, rows in documents.items()}
    # `simple_evaluate` adds only a description of the machine, for which it runs pip and asks the hub.
    results = lm_eval.evaluate(
        lm=chat, task_dict={"tasks": tasks}, apply_chat_template=True, bootstrap_iters=0, log_samples=True
    )
    return {
        name: [
            _sample(chat.tokenizer, items[logged["doc_id"]], number, logged, chat.turns[name, logged["doc_id"], number])
            for logged in sorted(results["samples"][name], key=lambda logged: int(logged["doc_id"]))
            for number in range(samples[name])
        ]
        for name, items in questions.items()
    }


def describe(samples: Sequence[Sample], each: int, evaluate: Evaluate) -> dict[str, Any]:
    """What a manifest says of samples: counts, how they were drawn, and by name those that need a look."""
    drawn = {"temperature": evaluate.temperature, "top_p": evaluate.top_p, "seed": evaluate.seed}
    return {
        "n": len(samples),
        "samples_each": each,
        "tokens": sum(sample.tokens for sample in samples),
        "truncated": sum(sample.truncated for sample in samples),
        "empty": [_name(sample) for sample in samples if not sample.completion.strip()],
        "unreadable": [_name(sample) for sample in samples if UNREADABLE in sample.completion],
        "sampling": ({"greedy": True} if each == 1 else {"greedy": False, **drawn}) | {"repetition_penalty": None},
    }


def _name(sample: Sample) -> str:
    return f"{sample.id}/{sample.sample}"


def _sample(
    tokenizer: PreTrainedTokenizerBase, question: Question, number: int, logged: Mapping[str, Any], turn: Turn
) -> Sample:
    prompt = logged["arguments"][0][0]
    if prompt != prompt_text(tokenizer, format_question(question), logged["doc"]["tag"]):
        raise R1kError(
            f"{question.benchmark}, {question.id}: lm-eval made another prompt than the one trained on; "
            "install the versions of the lock file in envs/"
        )
    return Sample(
        id=question.id,
        benchmark=question.benchmark,
        sample=number,
        prompt=prompt,
        completion=logged["resps"][0][number],
        tokens=turn.tokens,
        truncated=turn.truncated,
        seed=turn.seed,
    )
