"""The command line: find the command in the table, parse its options, call its function."""

import os
import sys
from collections.abc import Sequence

from r1k import __version__
from r1k.cli.commands import COMMANDS, OVERVIEW, Command
from r1k.errors import ConfigError, R1kError, did_you_mean
from r1k.runtime import tune_process


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, or 2 after printing an error that the user can correct."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    name = given[0] if given else ""
    if name in ("-h", "--help"):
        print(OVERVIEW)
        return 0
    if name == "--version":
        print(f"r1k {__version__}")
        return 0
    try:
        _run(_find(name), given[1:])
    except R1kError as error:
        print(f"r1k {name}: {error}" if name in COMMANDS else f"r1k: {error}", file=sys.stderr)
        return 2
    return 0


def _find(name: str) -> Command:
    if not name:
        raise ConfigError("no command given; `r1k --help` lists the commands")
    if name not in COMMANDS:
        raise ConfigError(f"unknown command {name!r}{did_you_mean(name, COMMANDS)}; `r1k --help` lists the commands")
    return COMMANDS[name]


def _run(command: Command, arguments: Sequence[str]) -> None:
    # The libraries read these variables when they are imported, and loading a command imports them.
    if not command.network:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    tune_process()

    from r1k.cli.options import parse
    from r1k.usage import record_attempt

    function = command.load()
    options = parse(command, function, arguments)
    usage = options.pop("usage", None)
    made = options["outputs"][0] if "outputs" in options else options.get("output")
    with record_attempt(usage, command.name, made, options.get("nodes", 1)):
        result = function(**options)
    if isinstance(result, str):
        print(result.removesuffix("\n"))
