"""Measure the audit's search for benchmark questions in a full-size study.

    python benchmarks/bench_audit.py

The study has 1,000 problems in both directions and 728 benchmark questions. Texts consist of random words with Zipf's
distribution and are as long as R1's longest; every tenth problem quotes a part of a benchmark question. The time
includes reading s1k, r1k and the benchmarks, 8-grams and copies in every question, reasoning and answer, the overlaps,
and writing them. It excludes tokenization, which `--tokens BASE` times separately.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from r1k.data.audit.audit import summarize_contamination
from r1k.data.audit.contamination import find_contamination, read_benchmarks
from r1k.data.audit.formats import example_facts
from r1k.data.audit.tokens import TokenCache
from r1k.data.sets import mix, read_example_pairs
from r1k.records import DIRECTIONS, Direction, Example, Question, write_jsonl
from r1k.text import load_tokenizer

LIMIT = 10.0
LETTERS = str.maketrans("0123456789", "abcdefghij")
BENCHMARKS = {"aime24": 30, "math500": 500, "gpqa": 198}
QUESTION, ANSWER = 60, 250
"""Words per question and per answer."""


def main() -> None:
    """Create the files in a temporary directory, run the audit, and print its time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=1000)
    parser.add_argument("--words", type=int, default=4000, help="words per chain of thought")
    parser.add_argument("--tokens", type=Path, metavar="BASE", help="base model whose tokenizer is timed")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        questions = [_benchmark(root / f"{name}.jsonl", name, n, rng) for name, n in BENCHMARKS.items()]
        quoted = [q for path in questions for q in path.read_text().splitlines()]
        spans = [Question.model_validate_json(line).question for line in quoted]
        for direction, name in zip(DIRECTIONS, ("s1k", "r1k"), strict=True):
            examples = _examples(direction, options.problems, options.words, spans, rng)
            write_jsonl(root / f"{name}.jsonl", examples)
        _report(root, questions, options.tokens)


def _report(root: Path, questions: list[Path], base: Path | None) -> None:
    start, processor = time.perf_counter(), time.process_time()
    both, benchmarks = read_example_pairs(root / "s1k.jsonl", root / "r1k.jsonl"), read_benchmarks(questions)
    read = time.perf_counter() - start
    found = find_contamination(both, benchmarks, list(BENCHMARKS))
    summarize_contamination(found, benchmarks, len(both))
    write_jsonl(root / "contamination.jsonl", found)
    wall = time.perf_counter() - start
    count = sum(len(f"{e.question} {e.reasoning} {e.answer}".split()) for e in mix(both))
    print(
        f"{len(both)} problems in both directions, {count:,} words, against "
        f"{sum(map(len, benchmarks.values()))} questions: {wall:.1f} s wall-clock time, of which {read:.1f} s reading; "
        f"{time.process_time() - processor:.1f} s CPU time; {len(found)} overlaps; "
        f"{'within' if wall <= LIMIT else 'ABOVE'} the limit of {LIMIT:g} s"
    )
    if base is not None:
        tokens, start = TokenCache(load_tokenizer(base)), time.perf_counter()
        total = sum(
            found.prompt + found.response for found in (example_facts(example, tokens) for example in mix(both))
        )
        print(f"{total:,} tokens in the same texts: {time.perf_counter() - start:.1f} s")


def _examples(
    direction: Direction, problems: int, length: int, spans: list[str], rng: np.random.Generator
) -> Iterator[Example]:
    for k in range(problems):
        quote = " ".join(spans[k % len(spans)].split()[:30]) if k % 10 == 0 else ""
        yield Example(
            id=f"p{k:04d}-{direction}",
            problem=f"p{k:04d}",
            direction=direction,
            question=f"{_text(QUESTION // 2, rng)} {quote} {_text(QUESTION // 2, rng)}",
            reasoning=f"{_text(length // 2, rng)} {quote} {_text(length // 2, rng)}",
            answer=_text(ANSWER, rng),
            kind="made",
        )


def _benchmark(path: Path, name: str, n: int, rng: np.random.Generator) -> Path:
    write_jsonl(
        path,
        (
            Question(id=f"{name}-{k:04d}", benchmark=name, question=_text(QUESTION, rng), gold="1", kind=name)
            for k in range(n)
        ),
    )
    return path


def _text(length: int, rng: np.random.Generator) -> str:
    return " ".join(_word(rank) for rank in (rng.zipf(1.2, length) % 50_000).tolist())


def _word(rank: int) -> str:
    """Return a word of letters alone, because texts that differ in their numbers count as reworded copies."""
    return "w" + str(rank).translate(LETTERS)


if __name__ == "__main__":
    main()
