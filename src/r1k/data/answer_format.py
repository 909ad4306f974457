"""Normalize the format of answers in both directions, to separate direction from format.

A teacher's forward and reverse answers differ in format (in s1K's rows, reverse answers begin with "Answer:" and are
boxed, forward answers less often), so a model may learn the format instead. A normalized answer has no box and no label
before its end, and its last line is `Answer: …`.
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
    """Return the answer in the common format.

    The final answer is the content of the last box; without a box, the text after the last label; otherwise the last
    line. The function is idempotent.
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
    # A label at the start of a long answer does not mark the final answer.
    if after and not (labels[-1].start() == 0 and "\n" in after):
        return _plain(after.splitlines()[0])
    lines = [line for line in LABEL.sub("", answer).splitlines() if _plain(line)]
    return _plain(lines[-1]) if lines else _plain(answer)


def _plain(text: str) -> str:
    """Return the text on one line, without Markdown marks and math delimiters around it."""
    line = MARKUP.sub("", " ".join(text.split()))
    for opening, closing in MATH:
        inside = line.removeprefix(opening).removesuffix(closing)
        if len(inside) == len(line) - len(opening) - len(closing) and opening not in inside:
            return inside.strip()
    return line
