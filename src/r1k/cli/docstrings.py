"""What a command's help takes from a docstring: its first paragraph and its `Args:` section."""

import inspect
import re
from collections.abc import Callable
from typing import Any, NamedTuple

ARGUMENT = re.compile(r"    (\w+): (.*)")


class Docstring(NamedTuple):
    """The parts of a docstring that describe a command."""

    summary: str
    """The first paragraph, on one line."""
    arguments: dict[str, str]
    """The text of each parameter, on one line."""


def read_docstring(function: Callable[..., Any]) -> Docstring:
    """Return the summary and the parameters' texts of a Google-style docstring."""
    text = inspect.getdoc(function) or ""
    summary = " ".join(text.partition("\n\n")[0].split())
    arguments: dict[str, str] = {}
    name = ""
    for line in text.partition("\nArgs:\n")[2].splitlines():
        if found := ARGUMENT.fullmatch(line):
            name, arguments[found[1]] = found.groups()
        elif line.startswith("     ") and name:
            arguments[name] += f" {line.strip()}"
        else:
            break
    return Docstring(summary, arguments)
