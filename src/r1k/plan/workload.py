"""Count an experiment's workload in its finished artefacts: sizes of bases, lengths of texts and answers."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from r1k.config import Architecture, Experiment, Length
from r1k.errors import R1kError
from r1k.plan.estimate import CHARACTERS_PER_TOKEN, Workload, expected_workload
from r1k.plan.lengths import from_counts, mixture
from r1k.records import Example, Question, Sample, read_jsonl
from r1k.text import encode_prompt, format_question, format_response, load_tokenizer


def count_workload(experiment: Experiment, results: Path) -> Workload:
    """Return the workload, with counts from `results`/{experiment} in place of expectations where files exist.

    Tokens are counted by the tokenizer of the first base on disk; without a base, as characters / 3.
    """
    folder, workload, files = results / experiment.experiment, expected_workload(experiment), []
    architectures = {}
    for base in experiment.bases:
        path = folder / "bases" / base / "config.json"
        if path.is_file():
            architectures[base] = read_architecture(path)
            files.append(f"bases/{base}")
    count, prompt = _counters(folder, architectures)
    responses, prompts = dict(workload.responses), []
    for direction, name in (("forward", "s1k"), ("reverse", "r1k")):
        path = folder / "data" / f"{name}.jsonl"
        if path.is_file():
            examples = read_jsonl(path, Example)
            responses[direction] = from_counts([count(format_response(e.response)) + 1 for e in examples])
            prompts.append(from_counts([prompt(example.question) for example in examples]))
            files.append(f"data/{name}.jsonl")
    questions, answers = dict(workload.questions), dict(workload.answers)
    for name in experiment.benchmarks:
        path = folder / "benchmarks" / f"{name}.jsonl"
        if path.is_file():
            items = read_jsonl(path, Question)
            questions[name] = (len(items), from_counts([prompt(format_question(item)) for item in items]))
            files.append(f"benchmarks/{name}.jsonl")
        samples = sorted(folder.glob(f"evaluate/*/*/{name}/samples.jsonl"))
        if samples:
            answers[name] = _answers(samples)
            files.append(f"{len(samples)} x evaluate/{name}")
    return replace(
        workload,
        prompt=mixture(*prompts) if prompts else workload.prompt,
        responses=responses,
        questions=questions,
        answers=answers,
        architectures=architectures,
        counted_files=tuple(files),
    )


def read_architecture(path: Path) -> Architecture:
    """Return the sizes in a model's `config.json`; raises R1kError for an architecture other than Qwen2 and Llama."""
    value: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if value.get("model_type") not in ("qwen2", "llama"):
        raise R1kError(f"{path}: model_type {value.get('model_type')!r}; the plan supports qwen2 and llama")
    return Architecture(
        hidden_size=value["hidden_size"],
        num_hidden_layers=value["num_hidden_layers"],
        num_attention_heads=value["num_attention_heads"],
        num_key_value_heads=value["num_key_value_heads"],
        intermediate_size=value["intermediate_size"],
        vocab_size=value["vocab_size"],
        tie_word_embeddings=value["tie_word_embeddings"],
        attention_bias=value["model_type"] == "qwen2" or bool(value.get("attention_bias")),
    )


def _answers(samples: Iterable[Path]) -> Length:
    return from_counts([max(1, sample.tokens) for path in samples for sample in read_jsonl(path, Sample)])


def _counters(folder: Path, bases: Iterable[str]) -> tuple[Callable[[str], int], Callable[[str], int]]:
    """Return two functions that count tokens: of a text, and of the prompt made from a question."""
    for base in bases:
        directory = folder / "bases" / base
        if (directory / "tokenizer.json").is_file():
            return _tokenizer_counters(directory)
    return lambda text: round(
        len(text) / CHARACTERS_PER_TOKEN
    ), lambda text: round(len(text) / CHARACTERS_PER_TOKEN) + 29


def _tokenizer_counters(directory: Path) -> tuple[Callable[[str], int], Callable[[str], int]]:
    tokenizer = load_tokenizer(directory)

    def count(text: str) -> int:
        return len(tokenizer(text, add_special_tokens=False)["input_ids"])

    return count, lambda question: len(encode_prompt(tokenizer, question, "a question"))
