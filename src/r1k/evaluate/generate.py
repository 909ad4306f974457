"""Generate answers to benchmark questions through lm-eval, with our own tasks, which it does not score."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import lm_eval
import torch
from transformers import AutoConfig, PreTrainedTokenizerBase

from r1k.config import Evaluate
from r1k.errors import ConfigError, R1kError, RecordError
from r1k.evaluate.engines.model_files import check_model
from r1k.evaluate.engines.selection import ADAPTER_APPLIED, choose_engine
from r1k.evaluate.lm_eval_adapter import AssistantTurn, BenchmarkTask, ChatLM, make_document
from r1k.evaluate.resume import CachedGenerator, answers_key
from r1k.files import exclusive
from r1k.provenance import Stopwatch, facts_of, write_manifest
from r1k.records import Question, Sample, read_jsonl, write_jsonl
from r1k.text import encode_prompt, format_question, load_tokenizer, prompt_text, tag_of
from r1k.train.describe import read_run

EVALUATE = Evaluate()
UNREADABLE = "�"
"""The replacement character, which a decoder writes for bytes that are not valid UTF-8."""


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
        state: Directory that keeps finished answers.
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
    engine = choose_engine(evaluate.engine, torch.cuda.is_available())
    benchmarks = {name: read_questions(job.questions) for name, job in jobs.items()}
    tokenizer = load_tokenizer(base, tagged)
    for name, job in jobs.items():
        for question in benchmarks[name]:
            tag = tag_of(question.direction, tagged)
            encode_prompt(tokenizer, format_question(question), f"{job.questions}: {question.id}", tag)
    key = answers_key(base, adapter, evaluate, engine)
    cache = state / key
    num_processes = processes or max(1, torch.cuda.device_count())
    with exclusive(cache / "lock", f"generation by {adapter or base}"):
        generator = CachedGenerator(base, adapter, evaluate, engine, cache, num_processes)
        chat = ChatLM(tokenizer, max_positions(base), evaluate.seed, generator)
        counts = {name: job.repeats for name, job in jobs.items()}
        samples = generate_samples(chat, benchmarks, counts, evaluate, tagged)
        for name, job in jobs.items():
            write_jsonl(job.output, samples[name])
            inputs = {"base": base, "questions": job.questions} | ({} if adapter is None else {"adapter": adapter})
            facts = sample_facts(samples[name], job.repeats, evaluate) | {
                "key": key,
                "answers_cached": generator.num_cached,
                "engine": engine,
                "processes": num_processes,
                "adapter_applied": ADAPTER_APPLIED[engine],
                "direction_tag": tagged,
                "settings": evaluate.model_dump(mode="json"),
            }
            write_manifest(job.output, "evaluate.generate", inputs, watch, **facts)


class _BenchmarkJob(NamedTuple):
    """One benchmark: its questions, the path of its samples, and the number of answers per question."""

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
    """Return a benchmark's questions. Raises RecordError if their number differs from the manifest's."""
    found, expected = read_jsonl(path, Question), facts_of(path).get("n")
    if expected not in (None, len(found)):
        raise RecordError(
            f"{path}: {len(found)} questions, but its manifest says {expected}; scores on different questions are not "
            f"comparable: make it again with `snakemake --force {path}`"
        )
    return found


def max_positions(base: Path) -> int:
    """Return the maximum sequence length of a base, in tokens, prompt and answer together."""
    return int(AutoConfig.from_pretrained(base, local_files_only=True).max_position_embeddings)


def generate_samples(
    chat: ChatLM,
    questions: Mapping[str, Sequence[Question]],
    repeats: Mapping[str, int],
    evaluate: Evaluate,
    tagged: bool = False,
) -> dict[str, list[Sample]]:
    """Return the samples of each benchmark, from one lm-eval run over all of them.

    Raises R1kError if lm-eval's prompt differs from the one that `r1k.text` makes for training and probing.
    """
    # lm-eval logs messages about tasks that are passed to it as objects, as here.
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    documents = {
        name: [make_document(chat.tokenizer, item, tagged) for item in items] for name, items in questions.items()
    }
    tasks = {name: BenchmarkTask(name, rows, repeats[name], evaluate) for name, rows in documents.items()}
    # Not `simple_evaluate`: it only adds a description of the machine, for which it runs pip and queries the hub.
    results = lm_eval.evaluate(
        lm=chat, task_dict={"tasks": tasks}, apply_chat_template=True, bootstrap_iters=0, log_samples=True
    )
    return {
        name: [
            _sample(chat.tokenizer, items[logged["doc_id"]], number, logged, chat.turns[name, logged["doc_id"], number])
            for logged in sorted(results["samples"][name], key=lambda logged: int(logged["doc_id"]))
            for number in range(repeats[name])
        ]
        for name, items in questions.items()
    }


def sample_facts(samples: Sequence[Sample], repeats: int, evaluate: Evaluate) -> dict[str, Any]:
    """Return the manifest's facts about samples: counts, sampling settings, ids of empty and unreadable ones."""
    sampling = {"temperature": evaluate.temperature, "top_p": evaluate.top_p, "seed": evaluate.seed}
    return {
        "n": len(samples),
        "repeats": repeats,
        "tokens": sum(sample.tokens for sample in samples),
        "truncated": sum(sample.truncated for sample in samples),
        "empty": [_name(sample) for sample in samples if not sample.completion.strip()],
        "unreadable": [_name(sample) for sample in samples if UNREADABLE in sample.completion],
        "sampling": ({"greedy": True} if repeats == 1 else {"greedy": False, **sampling})
        | {"repetition_penalty": None},
    }


def _name(sample: Sample) -> str:
    return f"{sample.id}/{sample.sample}"


def _sample(
    tokenizer: PreTrainedTokenizerBase, question: Question, number: int, logged: Mapping[str, Any], turn: AssistantTurn
) -> Sample:
    prompt = logged["arguments"][0][0]
    if prompt != prompt_text(tokenizer, format_question(question), logged["doc"]["tag"]):
        raise R1kError(
            f"{question.benchmark}, {question.id}: lm-eval's prompt differs from the prompt of training; "
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
