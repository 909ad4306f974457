"""Options that commands share, and the config's sections as options."""

import argparse
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel

from r1k import config
from r1k.errors import ConfigError

S = TypeVar("S", bound=BaseModel)
Asked = TypeVar("Asked", bound=config.Server)
Command = Callable[[argparse.Namespace], None]

PATHS = {
    "output": "what is written, whole or not at all",
    "state": "directory where unfinished work is kept",
    "s1k": "forward examples, s1k.jsonl",
    "r1k": "reverse examples, r1k.jsonl",
    "forward": "the variant's forward examples, s1k.jsonl",
    "reverse": "the variant's reverse examples, r1k.jsonl",
    "tokenizer": "the tokenizer's directory",
    "journal": "where the answers of the teacher, or of the judge, are kept as they arrive",
    "checks": "the verdicts on the inverses, checks.jsonl",
    "data": "the run's data set",
    "base": "the base model's directory",
    "run": "the run's run.json",
    "steps": "directory that holds the adapters of the measured steps",
    "pairs": "the probe set, probe.jsonl",
    "adapter": "the adapter, as it is after the training or a step of it",
    "forward-run": "what is picked from of the run for forward prompts",
    "reverse-run": "the same of the run for reverse prompts",
    "forward-tracked": "the tracked responses of the run for forward prompts",
    "reverse-tracked": "those of the run for reverse prompts",
    "tracked": "the responses that are followed token by token, by span",
    "greedy": "what the models before the training answered by themselves",
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
    "summary": "the audit's summary, audit.json",
    "contamination": "what examples share with benchmark questions, contamination.jsonl",
    "examples": "lengths and form of each example, examples.jsonl",
    "attempts": "the directory that was given to the jobs with --usage",
}

PATH_LISTS = {
    "scores": "score.json of each run and benchmark",
    "graded": "verdicts, …/RUN/SEED/BENCHMARK/graded.jsonl each",
    "samples": "answers, …/RUN/SEED/BENCHMARK/samples.jsonl each",
    "questions": "the benchmarks' questions, {benchmark}.jsonl each",
    "adapters": "the adapters that are merged, in the config's order",
    "influences": "what steps on examples do to responses, of each run",
    "logprobs": "the probed runs' records",
    "tracked": "the probed runs' tracked responses",
    "tables": "tables, as Markdown",
    "figures": "figures, as PNG",
}

SECTIONS = {
    "data": "section data of the config",
    "variant": "the variant's entry in the config",
    "checks": "section data.checks of the config",
    "benchmark": "the benchmark's entry in the config",
    "base": "the base's entry in the config",
    "teacher": "section teacher of the config",
    "plan": "the run's plan, as the workflow computes it",
    "probe": "section probe of the config",
    "ntk": "the kernel's resolved specification",
    "evaluate": "section evaluate of the config",
    "judge": "section evaluate.judge of the config",
    "table": "the table's resolved specification",
    "dynamics": "Figure 2's resolved specification",
    "audit": "what the audit may quote, and where trainings cut, as the workflow computes it",
}


def add_command(commands: Any, name: str, call: Command, summary: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=summary, description=summary.capitalize() + ".")
    parser.set_defaults(call=call)
    return parser


def usage(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--usage", type=Path, metavar="PATH", help="directory for a record of the attempt; none is kept"
    )


def paths(parser: argparse.ArgumentParser, *names: str) -> None:
    for name in names:
        parser.add_argument(f"--{name}", type=Path, required=True, metavar="PATH", help=PATHS[name])


def path_lists(parser: argparse.ArgumentParser, *names: str) -> None:
    for name in names:
        parser.add_argument(f"--{name}", type=Path, nargs="+", required=True, metavar="PATH", help=PATH_LISTS[name])


def title(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--title", required=True, help="name of the experiment")


def quotable(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--quotable", nargs="*", default=[], metavar="BENCHMARK", help="the benchmarks whose text may be shown"
    )


def asking(parser: argparse.ArgumentParser, where: str) -> None:
    """How the server of a section is asked, which a rule passes on apart from it; see `asked`."""
    parser.add_argument("--asking", metavar="YAML", help=f"section {where}.asking of the config; its own defaults")


def asked(server: Asked, how: str | None) -> Asked:
    """A server's section with what `--asking` says."""
    return server if how is None else server.model_copy(update={"asking": section(config.Asking, how)})


def optional_paths(parser: argparse.ArgumentParser, **names: str) -> None:
    # A rule whose input is empty writes the option without a value.
    for name, text in names.items():
        parser.add_argument(f"--{name}", type=Path, nargs="?", metavar="PATH", help=text)


def sections(parser: argparse.ArgumentParser, *names: str) -> None:
    for name in names:
        parser.add_argument(f"--{name}", required=True, metavar="YAML", help=SECTIONS[name])


def section(model: type[S], text: str) -> S:
    return config.validate(model, value(text))


def value(text: str) -> Any:
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
