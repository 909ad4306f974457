"""What a model answers to benchmark questions: lm-eval's evaluation of tasks of our own, samples kept, none scored."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lm_eval
import torch
from datasets import Dataset
from lm_eval.api.task import ConfigurableTask
from peft import PeftModel
from transformers import AutoModelForCausalLM, GenerationConfig, PreTrainedTokenizerBase

from r1k.config import Evaluate
from r1k.errors import R1kError
from r1k.evaluate.chat import ChatLM, Turn
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import Question, Sample, read_jsonl, write_jsonl
from r1k.text import END_OF_TURN, encode_prompt, format_question, load_tokenizer, prompt_text

DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


class BenchmarkTask(ConfigurableTask):  # type: ignore[misc]
    """An lm-eval task over questions in memory. The user's turn is the question, unscored: grading is a later stage."""

    def __init__(self, name: str, questions: Sequence[Question], max_new_tokens: int) -> None:
        self._rows = [{"id": q.id, "turn": format_question(q), "gold": q.gold} for q in questions]
        super().__init__(
            config={
                "task": name,
                "test_split": "test",
                "output_type": "generate_until",
                "doc_to_text": "turn",
                "doc_to_target": "gold",
                "num_fewshot": 0,
                "generation_kwargs": {"until": [END_OF_TURN], "max_gen_toks": max_new_tokens, "do_sample": False},
                "metric_list": [{"metric": "bypass", "aggregation": "bypass", "higher_is_better": True}],
            }
        )

    def download(self, dataset_kwargs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        self.dataset = {"test": Dataset.from_list(self._rows)}


def generate(
    *,
    base: Path,
    adapter: Path | None,
    benchmarks: Mapping[str, Path],
    outputs: Mapping[str, Path],
    evaluate: Evaluate,
) -> None:
    """Write a run's samples for each benchmark, by name, in the order of its questions.

    The model, `base` with `adapter` where there is one, is loaded once, on the GPU where there is one. R1kError where a
    question cannot be a prompt of this model, before anything is generated.
    """
    watch = Stopwatch()
    # lm-eval warns of a model that is handed to it ready-made, as it is here.
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    questions = {name: read_jsonl(path, Question) for name, path in benchmarks.items()}
    tokenizer = load_tokenizer(base)
    for name, path in benchmarks.items():
        for question in questions[name]:
            encode_prompt(tokenizer, format_question(question), f"{path}: {question.id}")
    chat = ChatLM(load_model(base, adapter, evaluate), tokenizer, evaluate.batch_size)
    samples = answer(chat, questions, evaluate.max_new_tokens)
    inputs = {"base": base} if adapter is None else {"base": base, "adapter": adapter}
    for name, path in benchmarks.items():
        write_jsonl(outputs[name], samples[name])
        write_manifest(
            outputs[name],
            "evaluate.generate",
            {**inputs, "questions": path},
            watch,
            n=len(samples[name]),
            tokens=sum(sample.tokens for sample in samples[name]),
            truncated=sum(sample.truncated for sample in samples[name]),
            device=str(chat.device),
            adapter_applied="beside the base's weights, not merged into them",
            sampling={"greedy": True, "repetition_penalty": None},
            settings=evaluate.model_dump(mode="json"),
        )


def load_model(base: Path, adapter: Path | None, evaluate: Evaluate) -> Any:
    """The model in the config's precision, the adapter kept apart from the base's weights, as in training."""
    if not (base / "config.json").is_file():
        raise R1kError(f"{base}: holds no model (no config.json); make it with `snakemake {base}`")
    model = AutoModelForCausalLM.from_pretrained(
        base, dtype=DTYPES[evaluate.precision], use_safetensors=True, local_files_only=True
    )
    # transformers fills what a generation leaves open from here: Qwen2.5's has a repetition penalty, which changes
    # greedy answers too. Only the tokens that end a text are kept.
    model.generation_config = GenerationConfig(eos_token_id=model.generation_config.eos_token_id)
    if adapter is not None:
        if not (adapter / "adapter_model.safetensors").is_file():
            raise R1kError(f"{adapter}: holds no adapter_model.safetensors; make it with `snakemake {adapter}`")
        model = PeftModel.from_pretrained(model, str(adapter))
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()


def answer(chat: ChatLM, questions: Mapping[str, Sequence[Question]], max_new_tokens: int) -> dict[str, list[Sample]]:
    """One sample a question, for all benchmarks in one lm-eval run.

    R1kError where lm-eval made another prompt than `r1k.text` makes for training and probing.
    """
    tasks = {name: BenchmarkTask(name, items, max_new_tokens) for name, items in questions.items()}
    # `simple_evaluate` adds only a description of the machine, for which it runs pip and asks the hub.
    results = lm_eval.evaluate(
        lm=chat, task_dict={"tasks": tasks}, apply_chat_template=True, bootstrap_iters=0, log_samples=True
    )
    return {
        name: [
            _sample(chat.tokenizer, items[logged["doc_id"]], logged, chat.turns[(name, logged["doc_id"])])
            for logged in sorted(results["samples"][name], key=lambda logged: int(logged["doc_id"]))
        ]
        for name, items in questions.items()
    }


def _sample(tokenizer: PreTrainedTokenizerBase, question: Question, logged: Mapping[str, Any], turn: Turn) -> Sample:
    prompt = logged["arguments"][0][0]
    if prompt != prompt_text(tokenizer, format_question(question)):
        raise R1kError(
            f"{question.benchmark}, {question.id}: lm-eval made another prompt than the one trained on; "
            "install the versions of the lock file in envs/"
        )
    return Sample(
        id=question.id,
        benchmark=question.benchmark,
        prompt=prompt,
        completion=logged["resps"][0][0],
        tokens=turn.tokens,
        truncated=turn.truncated,
    )
