"""The command line: parse, call one function. Stages are imported only when their command runs."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from r1k import __version__
from r1k.cli import bases, data, evaluate, plan, report, route, teacher, train
from r1k.errors import R1kError
from r1k.threads import wait_passively
from r1k.usage import accounted

NEEDS_NETWORK = {"get-s1k", "get-benchmark", "get-base", "push"}
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
    for stage in (data, bases, teacher, train, evaluate, route, report, plan):
        stage.add(commands)
    return parser
