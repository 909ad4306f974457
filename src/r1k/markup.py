"""Escape text for Markdown and LaTeX, so that a page shows it as it is."""

import re

REPLACEMENT = "\ufffd"
_UNSEEN = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x9f\u061c\u202a-\u202e\u2066-\u2069\ufeff]")
"""Control characters, characters that change the direction of text, and the byte order mark, which matplotlib cannot
write into a PDF."""
_LATEX_CHARACTERS = {
    "\\": r"\textbackslash{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "±": r"$\pm$",
    "Δ": r"$\Delta$",
    "\N{MINUS SIGN}": "$-$",
    "–": "--",
    "…": r"\dots{}",
}


def one_line(text: str) -> str:
    """Return `text` with every run of white space as one blank, and U+FFFD for control characters."""
    return _UNSEEN.sub(REPLACEMENT, re.sub(r"\s+", " ", text).strip())


def escape_markdown(text: str) -> str:
    """Return `text` escaped for Markdown, also inside a table's cell."""
    escaped = re.sub(r"([\\`*{}\[\]<>|~$]|:(?=//)|&(?=#?\w+;))", r"\\\1", one_line(text))
    escaped = re.sub(r"^(#*|\d{1,9})([-#+.)])(?=\s|$)", r"\1\\\2", escaped)
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", escaped)


def fenced(text: str) -> str:
    """Return `text` as a Markdown code block whose fence is longer than any fence in the text."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}text\n{text}\n{fence}"


def escape_latex(text: str) -> str:
    """Return `text` escaped for LaTeX."""
    return "".join(_LATEX_CHARACTERS.get(character, character) for character in one_line(text))
