"""One form for the answers of both directions, so that direction can be told from format.

A teacher's forward and reverse answers differ in form (of real rows, the reverse ones begin with "Answer:" and are
boxed, the forward ones less often): what a model learns from them may be the form. In the normalised form no answer has
a box, nor a label before its end, and each ends with one line, `Answer: …`.
"""

import re

from r1k.boxed import last_boxed, unboxed
from r1k.text import ANSWER_PREFIX

LABEL = re.compile(
    r"^[ \t#>*_]*(?:the\s+)?(?:final\s+)?answer(?:\s+is)?[ \t*_]*:[ \t*_]*", re.IGNORECASE | re.MULTILINE
)
MARKUP = re.compile(r"^(?:[\s#>*_]|-\s)+|[\s*_]+$")
MATH = (("\\[", "\\]"), ("\\(", "\\)"), ("$$", "$$"), ("$", "$"))
BLANK_LINES = re.compile(r"\n{3,}")
EMPTY_MATH = re.compile(r"\\\[\s*\\\]|\\\(\s*\\\)|\$\$\s*\$\$")


def normalize_answer(answer: str) -> str:
    """The answer in the one form. What it says last is the inside of its last box, else what follows its last label,
    else its last line. Normalising twice is normalising once.
    """
    final = _final(answer)
    body = BLANK_LINES.sub("\n\n", EMPTY_MATH.sub("", unboxed(LABEL.sub("", answer)))).strip()
    lines = [line for line in body.splitlines() if line.strip()]
    if lines and _plain(lines[-1]) == final:
        body = body[: body.rindex(lines[-1])].rstrip()
    return f"{body}\n\n{ANSWER_PREFIX}{final}" if body else f"{ANSWER_PREFIX}{final}"


def _final(answer: str) -> str:
    inside = last_boxed(answer)
    if inside is not None and inside.strip():
        return _plain(unboxed(inside))
    labels = list(LABEL.finditer(answer))
    after = answer[labels[-1].end() :].strip() if labels else ""
    # A label that opens the whole answer names no part of it.
    if after and not (labels[-1].start() == 0 and "\n" in after):
        return _plain(after.splitlines()[0])
    lines = [line for line in LABEL.sub("", answer).splitlines() if _plain(line)]
    return _plain(lines[-1]) if lines else _plain(answer)


def _plain(text: str) -> str:
    """One line, without Markdown's marks and the signs of mathematics around it."""
    line = MARKUP.sub("", " ".join(text.split()))
    for opening, closing in MATH:
        inside = line.removeprefix(opening).removesuffix(closing)
        if len(inside) == len(line) - len(opening) - len(closing) and opening not in inside:
            return inside.strip()
    return line
