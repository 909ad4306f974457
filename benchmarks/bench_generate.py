"""Measure answers per second of r1k's generation, relative to lm-eval's own model with batches of 1.

    python benchmarks/bench_generate.py
    python benchmarks/bench_generate.py --experiment results/smollm2 --run smollm2-mix --questions 8

Both answer the same questions of a finished experiment's benchmarks with the same model and limit, in one call of
lm-eval each; r1k also writes each batch to disk. Loading the model is not timed. Repeats are interleaved, so that other
load on the machine affects both alike. The answers are compared too.
"""

import argparse
import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, zip_longest
from pathlib import Path

import lm_eval
import torch
from lm_eval.models.huggingface import HFLM

from r1k.config import Evaluate
from r1k.evaluate.answer_cache import AnswerLog, CachedAnswer, read_cached_answers
from r1k.evaluate.budget_forcing import stop_rules
from r1k.evaluate.engines.transformers_engine import TransformersEngine, load_model
from r1k.evaluate.generate import max_positions
from r1k.evaluate.lm_eval_adapter import BenchmarkTask, ChatLM, make_document
from r1k.evaluate.prompts import Prompt
from r1k.records import Question, read_jsonl
from r1k.runtime import tune_process
from r1k.text import load_tokenizer

LIMIT = 2.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiment", type=Path, default=Path("results/demo"), help="folder of a finished experiment")
    parser.add_argument("--base", default="tiny", help="base of the run")
    parser.add_argument("--run", default="tiny-s1k", help="run whose adapter answers")
    parser.add_argument(
        "--questions", type=int, default=150, help="number of questions, taken from the benchmarks in turn"
    )
    parser.add_argument("--batch-size", type=int, default=50)
    parser.add_argument("--max-new-tokens", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    base, adapter = options.experiment / "bases" / options.base, options.experiment / "runs" / options.run / "0/adapter"
    evaluate = Evaluate(
        max_new_tokens=options.max_new_tokens, batch_size=options.batch_size, dtype="float32", engine="transformers"
    )
    questions = _questions(options.experiment / "benchmarks", options.questions)
    tokenizer = load_tokenizer(base)
    model = load_model(base, adapter, evaluate)
    engine = TransformersEngine(model, stop_rules(base, tokenizer, None), evaluate.batch_size, None)

    def generate(prompts: Sequence[Prompt]) -> Mapping[str, CachedAnswer]:
        with tempfile.TemporaryDirectory() as place, AnswerLog(Path(place)) as log:
            for answers in engine.answers(prompts):
                log.add(answers)
            return read_cached_answers(Path(place))

    theirs = HFLM(pretrained=load_model(base, adapter, evaluate), tokenizer=tokenizer, batch_size=1, backend="causal")
    ours = ChatLM(tokenizer, max_positions(base), evaluate.seed, generate)
    models: dict[str, Callable[[], list[str]]] = {
        "lm-eval, batches of 1": lambda: _answers(theirs, questions, evaluate),
        f"ours, batches of {options.batch_size}": lambda: _answers(ours, questions, evaluate),
    }
    _report(models, len(questions), options.repeats)


def _report(models: Mapping[str, Callable[[], list[str]]], n: int, repeats: int) -> None:
    rates: dict[str, list[float]] = {name: [] for name in models}
    texts: dict[str, list[str]] = {}
    for _ in range(repeats):
        for name, answers in models.items():
            start = time.perf_counter()
            texts[name] = answers()
            rates[name].append(n / (time.perf_counter() - start))
    medians = {name: statistics.median(found) for name, found in rates.items()}
    for name, median in medians.items():
        each = ", ".join(f"{rate:.2f}" for rate in rates[name])
        print(f"{name}: {median:.2f} answers a second ({each})")
    before, after = medians.values()
    # lm-eval skips special tokens when it decodes.
    theirs, ours = ([_plain(text) for text in found] for found in texts.values())
    same = sum(one == other for one, other in zip(theirs, ours, strict=True))
    verdict = "at least" if after >= LIMIT * before else "BELOW"
    print(f"{after / before:.1f} times as many, {verdict} {LIMIT:g}; {same} of {n} texts are equal except for markers")


def _plain(text: str) -> str:
    return text.replace("<|im_start|>", "").strip()


def _answers(model: HFLM | ChatLM, questions: Sequence[Question], evaluate: Evaluate) -> list[str]:
    """Return the answers of one call of lm-eval."""
    documents = [make_document(model.tokenizer, question, tagged=False) for question in questions]
    task = BenchmarkTask("bench", documents, 1, evaluate)
    results = lm_eval.evaluate(
        lm=model, task_dict={"tasks": {"bench": task}}, apply_chat_template=True, bootstrap_iters=0, log_samples=True
    )
    found = sorted(results["samples"]["bench"], key=lambda logged: int(logged["doc_id"]))
    return [str(logged["resps"][0][0]) for logged in found]


def _questions(folder: Path, n: int) -> list[Question]:
    files = [read_jsonl(path, Question) for path in sorted(folder.glob("*.jsonl"))]
    return [question for question in chain(*zip_longest(*files)) if question is not None][:n]


if __name__ == "__main__":
    tune_process()
    main()
