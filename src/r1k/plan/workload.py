"""What an experiment's finished artefacts say of its workload: sizes of bases, lengths of texts and answers."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from r1k.config import Architecture, Experiment, Length
from r1k.errors import R1kError
from r1k.plan.estimate import CHARACTERS, Workload, expected
from r1k.plan.lengths import measured, mixed
from r1k.records import Example, Question, Sample, read_jsonl
from r1k.text import format_question, format_response


def counted(experiment: Experiment, results: Path) -> Workload:
    """The workload with all that is under `results`/{experiment} in place of what is expected.

    Texts are counted by the tokenizer of the first base that is there, else as characters / 3.
    """
    folder, workload, found = results / experiment.experiment, expected(experiment), []
    architectures = {}
    for base in experiment.bases:
        path = folder / "bases" / base / "config.json"
        if path.is_file():
            architectures[base] = read_architecture(path)
            found.append(f"bases/{base}")
    count, prompt = _counters(folder, architectures)
    responses, prompts = dict(workload.responses), []
    for direction, name in (("forward", "s1k"), ("reverse", "r1k")):
        path = folder / "data" / f"{name}.jsonl"
        if path.is_file():
            examples = read_jsonl(path, Example)
            responses[direction] = measured([count(format_response(e.response)) + 1 for e in examples])
            prompts.append(measured([prompt(example.question) for example in examples]))
            found.append(f"data/{name}.jsonl")
    questions, answers = dict(workload.questions), dict(workload.answers)
    for name in experiment.benchmarks:
        path = folder / "benchmarks" / f"{name}.jsonl"
        if path.is_file():
            items = read_jsonl(path, Question)
            questions[name] = (len(items), measured([prompt(format_question(item)) for item in items]))
            found.append(f"benchmarks/{name}.jsonl")
        samples = sorted(folder.glob(f"evaluate/*/*/{name}/samples.jsonl"))
        if samples:
            answers[name] = _answers(samples)
            found.append(f"{len(samples)} x evaluate/{name}")
    return replace(
        workload,
        prompt=mixed(*prompts) if prompts else workload.prompt,
        responses=responses,
        questions=questions,
        answers=answers,
        architectures=architectures,
        counted=tuple(found),
    )


def read_architecture(path: Path) -> Architecture:
    """The sizes in a model's `config.json`; R1kError where it is of another architecture."""
    value: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if value.get("model_type") not in ("qwen2", "llama"):
        raise R1kError(f"{path}: model_type {value.get('model_type')!r}; the plan knows qwen2 and llama")
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
    return measured([max(1, sample.tokens) for path in samples for sample in read_jsonl(path, Sample)])


def _counters(folder: Path, bases: Iterable[str]) -> tuple[Callable[[str], int], Callable[[str], int]]:
    """Functions from a text, and from a question as a prompt, to tokens."""
    for base in bases:
        directory = folder / "bases" / base
        if (directory / "tokenizer.json").is_file():
            return _tokenizer_counters(directory)
    return lambda text: round(len(text) / CHARACTERS), lambda text: round(len(text) / CHARACTERS) + 29


def _tokenizer_counters(directory: Path) -> tuple[Callable[[str], int], Callable[[str], int]]:
    from jinja2 import Environment
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    template = Environment(autoescape=False).from_string(
        (directory / "chat_template.jinja").read_text(encoding="utf-8")
    )

    def count(text: str) -> int:
        return len(tokenizer.encode(text, add_special_tokens=False).ids)

    def prompt(question: str) -> int:
        turns = [{"role": "user", "content": question.strip()}]
        return count(template.render(messages=turns, add_generation_prompt=True))

    return count, prompt
