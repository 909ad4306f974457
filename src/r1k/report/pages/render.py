"""Render HTML pages from the jinja templates of this folder. All values are escaped unless a template says `safe`."""

import base64
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt

from r1k.errors import R1kError
from r1k.files import atomic_write
from r1k.markup import one_line
from r1k.provenance import commit

HERE = Path(__file__).parent


def write_page(template: str, output: Path, **values: Any) -> None:
    """Render a template of this folder to `output`, whole or not at all. It also gets the `commit` of the code."""
    with atomic_write(output) as handle:
        handle.writelines(_environment().get_template(template).generate(values, commit=commit() or "unknown"))


def read_bytes(path: Path) -> bytes:
    """Return the bytes of an artefact; raises R1kError if it does not exist."""
    if not path.is_file():
        raise R1kError(f"{path}: no such file; make it with `snakemake {path}`")
    return path.read_bytes()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"one_line": one_line, "markdown": _markdown, "data_uri": _data_uri}
    return environment


def _markdown(text: str) -> str:
    """Return Markdown as HTML; HTML in it is shown as text."""
    return str(MarkdownIt("commonmark", {"html": False}).enable("table").render(text))


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
