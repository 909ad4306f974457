"""Commands of evaluation: generate, judge, grade, score."""

import argparse
from pathlib import Path
from typing import Any, get_args

from r1k import config
from r1k.cli.options import add_command, asked, asking, optional_paths, path_lists, paths, section, sections, usage
from r1k.errors import ConfigError


def add(commands: Any) -> None:
    def generate(o: argparse.Namespace) -> None:
        from r1k.evaluate.generate import generate
        from r1k.train.describe import read_run

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
            tagged=o.run is not None and read_run(o.run).direction_tag,
        )

    command = add_command(commands, "generate", generate, "a model's answers to benchmarks, by lm-eval")
    usage(command)
    sections(command, "evaluate")
    paths(command, "base", "state")
    optional_paths(
        command,
        adapter="the run's adapter; none for the base itself",
        run="the run's run.json, which says whether prompts tell their direction; none: they do not",
    )
    path_lists(command, "questions")
    command.add_argument("--outputs", type=Path, nargs="+", required=True, help="samples, one for each of --questions")
    command.add_argument(
        "--samples", type=int, nargs="+", required=True, help="answers to each question, for each of --questions"
    )
    command.add_argument(
        "--processes", type=int, default=0, help="processes; 0, the default: one for each visible GPU, at least one"
    )

    def judge(o: argparse.Namespace) -> None:
        from r1k.evaluate.judge import judge_answers

        judge_answers(
            judge=asked(section(config.Judge, o.judge), o.asking),
            grader=o.grader,
            least_judged=o.least_judged,
            questions=o.questions,
            samples=o.samples,
            output=o.output,
            journal=o.journal,
        )

    command = add_command(commands, "judge", judge, "a judge model's verdicts on answers, for grade")
    sections(command, "judge")
    asking(command, "evaluate.judge")
    _grader(command)
    command.add_argument(
        "--least-judged", type=float, default=0.9, help="share of the answers that must get a verdict (0.9)"
    )
    paths(command, "questions", "samples", "output", "journal")

    def grade(o: argparse.Namespace) -> None:
        from r1k.evaluate.grade import grade

        grade(
            questions=o.questions,
            samples=o.samples,
            shape=o.shape,
            output=o.output,
            grader=o.grader,
            verdicts=o.verdicts,
        )

    command = add_command(commands, "grade", grade, "a verdict for each answer")
    paths(command, "questions", "samples", "output")
    _grader(command)
    optional_paths(command, verdicts="the judge's verdicts, of `r1k judge`; none where there is no judge")
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


def _grader(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--grader", choices=get_args(config.Grader), default="rules", help="who decides (rules, the default)"
    )
