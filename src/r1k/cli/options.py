"""A command's options, made from its function: the signature gives types and defaults, the docstring gives the help.

A keyword-only parameter `some_name` is the option `--some-name`; a parameter before the `*` is a positional argument.

    Path, int, float, str     a required value; optional if it has a default
    Path | None = None        optional, and the value may be missing: a rule with an empty input writes the bare option
    list[Path], Sequence[str] one or more values; any number, or none, if it has a default
    bool = False              a flag
    Literal["a", "b"]         one of these words
    Section                   a section of the config, as YAML or JSON text or as @FILE, validated
"""

import argparse
import inspect
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NoReturn, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from r1k.cli.commands import Command
from r1k.cli.docstrings import read_docstring
from r1k.cli.sections import read_section
from r1k.errors import R1kError

METAVARS = {Path: "PATH", int: "INT", float: "NUMBER", str: "TEXT"}
USAGE = "Directory in which to record this attempt and its GPU-hours; `r1k summary` reads it."


class UsageError(R1kError):
    """Options that do not fit the command."""


class _Parser(argparse.ArgumentParser):
    """A parser that raises its errors, so that all errors of the command line are printed in one way."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see `{self.prog} --help`")


def parse(command: Command, function: Callable[..., Any], arguments: Sequence[str]) -> dict[str, Any]:
    """Return the arguments of `function` by parameter name; raise R1kError for options that do not fit."""
    return vars(make_parser(command, function).parse_args(arguments))


def make_parser(command: Command, function: Callable[..., Any]) -> argparse.ArgumentParser:
    """Return the parser of a command's options."""
    documented = read_docstring(function)
    parser = _Parser(
        prog=f"r1k {command.name}",
        description=documented.summary,
        allow_abbrev=False,
        formatter_class=partial(argparse.HelpFormatter, max_help_position=30),
        add_help=False,
    )
    required, optional = parser.add_argument_group("required"), parser.add_argument_group("optional")
    hints = get_type_hints(function, include_extras=True)
    for parameter in inspect.signature(function).parameters.values():
        option = parameter.name
        settings = _settings(option, hints[parameter.name], parameter.default)
        settings["help"] = _help(documented.arguments.get(parameter.name, ""), parameter.default)
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            parser.add_argument(parameter.name, **{k: v for k, v in settings.items() if k != "required"})
            continue
        group = required if settings.get("required") else optional
        group.add_argument(f"--{option.replace('_', '-')}", dest=parameter.name, **settings)
    if command.usage:
        optional.add_argument("--usage", type=Path, metavar="PATH", help=USAGE)
    optional.add_argument("-h", "--help", action="help", help="Show this help and exit.")
    return parser


def _settings(option: str, hint: Any, default: Any) -> dict[str, Any]:
    """Return argparse's settings of an option with this type and default."""
    wanted, may_be_none = _without_none(hint)
    plain = _plain(wanted)
    if plain is bool:
        return {"action": "store_true"}
    if default is inspect.Parameter.empty and may_be_none:
        default = None
    settings: dict[str, Any] = {"required": True}
    if default is not inspect.Parameter.empty:
        settings = {"default": default}
    if _is_list(plain):
        wanted = get_args(plain)[0]
        settings["nargs"] = "*" if "default" in settings else "+"
    elif (plain is Path and default is None) or (plain is str and default == ""):
        settings |= {"nargs": "?", "const": default}
    return settings | _values(option, wanted)


def _values(option: str, hint: Any) -> dict[str, Any]:
    """Return how argparse reads and names one value of this type."""
    plain = _plain(hint)
    if get_origin(plain) is Literal:
        return {"choices": get_args(plain)}
    if _is_section(plain):
        return {"type": partial(read_section, option, hint), "metavar": "YAML"}
    return {"type": plain, "metavar": METAVARS[plain]}


def _help(text: str, default: Any) -> str:
    silent = default in ("", ()) or any(default is value for value in (inspect.Parameter.empty, None, False))
    return (text if silent else f"{text} (default: {default})").replace("%", "%%")


def _without_none(hint: Any) -> tuple[Any, bool]:
    """Return the type without `None`, and whether `None` was in it."""
    if get_origin(hint) not in (Union, UnionType):
        return hint, False
    kept = [part for part in get_args(hint) if part is not NoneType]
    return Union[tuple(kept)], len(kept) < len(get_args(hint))  # noqa: UP007


def _plain(hint: Any) -> Any:
    """Return the type without its annotations."""
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _is_list(plain: Any) -> bool:
    origin = get_origin(plain)
    return isinstance(origin, type) and issubclass(origin, Collection)


def _is_section(plain: Any) -> bool:
    parts = get_args(plain) or (plain,)
    return all(isinstance(part, type) and issubclass(part, BaseModel) for part in parts)
