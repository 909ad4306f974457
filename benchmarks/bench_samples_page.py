"""What it takes to open the page of answers in a headless Chromium: 5,000 answers of R1's length.

    python benchmarks/bench_samples_page.py

Made-up words, 2,500 characters to 25,000 a completion, among them some outside ASCII, of 10 runs on 500 questions: a
page at the 50 MB at which texts are cut. Timed: making it; opening it, until all of it is loaded and painted, the
median of five times; going on to the next answer and to another run; a search.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from browser import chromium
from r1k.records import Graded, Question, Sample, write_jsonl
from r1k.report.pages.samples.page import write_samples_page

LIMIT = 2.0
RUNS = 10
TIMES = 5
WORDS = np.array(["the", "number", "is", "√2·π", "so", "wait,", "\\frac{1}{2}", "x<y", "hence", "energy"])


def main() -> None:
    """Make the files in a temporary directory, time, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=5000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        questions = _questions(root / "math.jsonl", options.answers // RUNS)
        folders = [_run(root / f"run-{k}" / "0" / "math", questions, np.random.default_rng(k)) for k in range(RUNS)]
        start = time.perf_counter()
        write_samples_page(
            title="benchmark",
            questions=[root / "math.jsonl"],
            samples=[folder / "samples.jsonl" for folder in folders],
            graded=[folder / "graded.jsonl" for folder in folders],
            redistributable=["math"],
            output=root / "samples.html",
        )
        megabytes = (root / "samples.html").stat().st_size / 1e6
        print(f"{options.answers:,} answers, a page of {megabytes:.1f} MB: made in {time.perf_counter() - start:.1f} s")
        _time(root / "samples.html")


def _time(page: Path) -> None:
    with chromium() as browser:
        opened = []
        for _ in range(TIMES):
            browser.open("about:blank")
            opened.append(browser.open(page.as_uri()))
        median = statistics.median(opened)
        print(
            f"opened in {median:.2f} s ({min(opened):.2f} to {max(opened):.2f}), "
            f"{'within' if median < LIMIT else 'ABOVE'} the limit of {LIMIT:g} s"
        )
        for what, call in {
            "the next answer": "step(1)",
            "another run, read for the first time": "form.elements.run.value = 'run-1'; refilter()",
            "a search of a run's texts": "form.elements.text.value = 'nowhere to be found'; refilter()",
        }.items():
            took = browser.value(f"(start => {{ {call}; return performance.now() - start }})(performance.now())")
            print(f"{what}: {took:.0f} ms")


def _questions(path: Path, n: int) -> list[Question]:
    questions = [
        Question(
            id=f"math-{k:04d}", benchmark="math", direction="forward", question="How many? " * 20, gold="1", kind="k"
        )
        for k in range(n)
    ]
    write_jsonl(path, questions)
    return questions


def _run(folder: Path, questions: list[Question], rng: np.random.Generator) -> Path:
    lengths = rng.integers(400, 4000, len(questions))
    texts = [" ".join(rng.choice(WORDS, length)) for length in lengths]
    common = [{"id": question.id, "benchmark": "math"} for question in questions]
    write_jsonl(
        folder / "samples.jsonl",
        (
            Sample(
                **which,
                prompt="?",
                completion=f"<|im_start|>think\n{text}\n<|im_start|>answer\nAnswer: \\boxed{{1}}",
                tokens=int(length),
                truncated=False,
            )
            for which, text, length in zip(common, texts, lengths, strict=True)
        ),
    )
    write_jsonl(
        folder / "graded.jsonl",
        (
            Graded(
                **which,
                direction="forward",
                gold="1",
                extracted="1",
                correct=bool(rng.random() < 0.5),
                rule="integer",
                last_number="1",
                last_number_correct=True,
                truncated=False,
            )
            for which in common
        ),
    )
    return folder


if __name__ == "__main__":
    main()
