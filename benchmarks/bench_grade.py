"""Measure the speed of grading by rules: 10,192 answers, of the paper's 14 models to its 3 benchmarks, on 2 cores.

    python benchmarks/bench_grade.py

The answers are synthetic: of 500 expressions, 290 have whole numbers as answers, as in a sample of MATH500. A quarter
of the answers is wrong, with different errors per model; every third right answer has another form. Sixteen answers are
intractable or unparsable. Two processes grade seven models each. Their processor time is printed too, because
wall-clock time on a busy machine is unreliable. Starting Python and importing is included.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from r1k.evaluate.rules import TIMEOUT_SECONDS
from r1k.records import Graded, Question, Sample, read_jsonl, write_jsonl

LIMIT = 60.0
CORES = 2
SIZES = {"integer": 30, "expression": 500, "choice": 198}
WHOLE = 290
OPTIONS = ["12 J", "18 J", "24 J", "36 J"]
INTRACTABLE = [
    "{n}00000000!",
    "2^{{10^{{{n}}}}} + x",
    "\\sum_{{k={n}}}^{{10^9}} \\frac{{1}}{{k}}",
    "\\frac{{{n}}}{{",
    "{n}" + "(" * 100 + "1" + ")" * 100,
]
FORMS = [
    ("\\frac{{{n}}}{{7}}", "{m}/14"),
    ("{n}\\sqrt{{3}}", "\\sqrt{{3}} \\cdot {n}"),
    ("x^2 + {n}x", "x(x + {n})"),
    ("({n}, 3)", "({n}, \\frac{{6}}{{2}})"),
    ("[{n}, \\infty)", "x \\ge {n}"),
    ("{n}\\pi", "{n}π"),
    ("{n} - 5i", "-5i + {n}"),
]
WORK = """
import sys
from pathlib import Path
from r1k.evaluate.grade import grade
for place in map(Path, sys.argv[1:]):
    names = {name: place / f"{name}.jsonl" for name in ("questions", "samples")}
    grade(**names, answer_type=place.name, output=place / "graded.jsonl")
"""


def main() -> None:
    """Write the files to a temporary directory, measure the time, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=14)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        jobs = [list(_files(Path(place) / str(model), model)) for model in range(options.models)]
        start = time.perf_counter()
        shares = [[str(path) for job in jobs[k::CORES] for path in job] for k in range(CORES)]
        workers = [subprocess.Popen([sys.executable, "-c", WORK, *share]) for share in shares]
        ended = [worker.wait() for worker in workers]
        if any(ended):
            raise SystemExit("a grading process failed")
        wall = time.perf_counter() - start
        graded = [verdict for job in jobs for path in job for verdict in read_jsonl(path / "graded.jsonl", Graded)]
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"{len(graded):,} answers by {CORES} processes: {wall:.1f} s wall-clock, "
        f"{used.ru_utime + used.ru_stime:.1f} s of processors; {sum(verdict.correct for verdict in graded):,} right; "
        f"{dict(Counter(verdict.rule for verdict in graded))}; time-outs of {TIMEOUT_SECONDS} s; "
        f"{'within' if wall <= LIMIT else 'ABOVE'} the limit of {LIMIT:g} s"
    )


def _files(root: Path, model: int) -> Iterator[Path]:
    for answer_type, size in SIZES.items():
        made = [_pair(answer_type, number, model) for number in range(size)]
        write_jsonl(root / answer_type / "questions.jsonl", [question for question, _ in made])
        write_jsonl(root / answer_type / "samples.jsonl", [sample for _, sample in made])
        yield root / answer_type


def _pair(answer_type: str, number: int, model: int) -> tuple[Question, Sample]:
    gold, answer = _answer(answer_type, number, model)
    question = Question(
        id=f"{answer_type}-{number}",
        benchmark=answer_type,
        question="?",
        options=OPTIONS if answer_type == "choice" else None,
        gold=gold,
        kind="made",
    )
    text = f"<|im_start|>think\n{'so ' * 3000}\n<|im_start|>answer\n\\boxed{{{answer}}}"
    sample = Sample(id=question.id, benchmark=answer_type, prompt="?", completion=text, tokens=3000, truncated=False)
    return question, sample


def _answer(answer_type: str, number: int, model: int) -> tuple[str, str]:
    wrong = (number + model) % 4 == 3
    if answer_type == "choice":
        letter = number % 4
        return "ABCD"[letter], ["{}", "({})", "\\text{{{}}}", "{})"][model % 4].format("ABCD"[(letter + wrong) % 4])
    if answer_type == "integer" or number < WHOLE:
        return str(number), str(number + wrong)
    if number % 50 == 7 + 5 * model and model < 4:
        return "12", INTRACTABLE[(number // 50 + model) % len(INTRACTABLE)].format(n=2 + number + 1000 * model)
    written, other = FORMS[number % len(FORMS)]
    n = 2 + number + (1000 * (1 + model) if wrong else 0)
    form = other if wrong or (number + model) % 3 == 2 else written
    return written.format(n=2 + number), form.format(n=n, m=2 * n)


if __name__ == "__main__":
    main()
