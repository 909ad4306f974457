"""Commands of evaluation: generate, grade, score."""

import argparse
from pathlib import Path
from typing import Any

from r1k import config
from r1k.cli.options import add_command, optional_paths, paths, section, sections, usage
from r1k.errors import ConfigError


def add(commands: Any) -> None:
    def generate(o: argparse.Namespace) -> None:
        from r1k.evaluate.generate import generate

        for option in ("outputs", "samples"):
            if len(getattr(o, option)) != len(o.questions):
                raise ConfigError(f"--{option}: give one for each of --questions")
        names = [path.stem for path in o.questions]
        generate(
            base=o.base,
            adapter=o.adapter,
            benchmarks=dict(zip(names, o.questions, strict=True)),
            outputs=dict(zip(names, o.outputs, strict=True)),
            samples=dict(zip(names, o.samples, strict=True)),
            evaluate=section(config.Evaluate, o.evaluate),
            state=o.state,
            processes=o.processes,
        )

    command = add_command(commands, "generate", generate, "a model's answers to benchmarks, by lm-eval")
    usage(command)
    sections(command, "evaluate")
    paths(command, "base", "state")
    optional_paths(command, adapter="the run's adapter; none for the base itself")
    command.add_argument("--questions", type=Path, nargs="+", required=True, help="questions, {benchmark}.jsonl each")
    command.add_argument("--outputs", type=Path, nargs="+", required=True, help="samples, one for each of --questions")
    command.add_argument(
        "--samples", type=int, nargs="+", required=True, help="answers to each question, for each of --questions"
    )
    command.add_argument(
        "--processes", type=int, default=0, help="processes; 0, the default: one for each visible GPU, at least one"
    )

    def grade(o: argparse.Namespace) -> None:
        from r1k.evaluate.grade import grade

        grade(questions=o.questions, samples=o.samples, shape=o.shape, output=o.output)

    command = add_command(commands, "grade", grade, "a verdict for each answer, by rules")
    paths(command, "questions", "samples", "output")
    command.add_argument(
        "--shape", choices=["integer", "expression", "choice"], required=True, help="what an answer is"
    )

    def score(o: argparse.Namespace) -> None:
        from r1k.evaluate.score import score

        score(run=o.run, seed=o.seed, benchmark=o.benchmark, graded=o.graded, output=o.output)

    command = add_command(commands, "score", score, "counts and intervals from verdicts")
    command.add_argument("--run", required=True, help="name of the run")
    command.add_argument("--seed", type=int, required=True, help="the run's seed")
    command.add_argument("--benchmark", required=True, help="name of the benchmark")
    paths(command, "graded", "output")
