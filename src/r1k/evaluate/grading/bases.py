"""Numbers written with a base: `2516_8`, `1011_{two}`, `3F (base 16)`."""

import re

_NAMES = (
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen".split()  # noqa: SIM905
)
BASE_NAMES = {name: base for base, name in enumerate(_NAMES, start=2)}
WRAP = re.compile(r"\\(?:text|mathrm|textrm|mbox|textnormal)\s*\{([^{}]*)\}")
BASED = re.compile(
    r"(?P<digits>-?[0-9A-Za-z]+)\s*(?:_\s*\{?\s*\(?\s*(?:base)?\s*(?P<sub>\d+|[a-z]+)\s*\)?\s*\}?"
    r"|\s(?:in\s+)?\(?\s*base[\s-]*(?P<word>\d+|[a-z]+)\s*\)?)"
)


def read_based(text: str) -> tuple[str, int] | None:
    """Return the digits and base of a number that states its base; None for any other text."""
    plain = re.sub(r"\A\((\w+)\)(?=\s*_)", r"\1", WRAP.sub(r"\1", text.strip()))
    match = BASED.fullmatch(plain.replace("\u00a0", " ").strip())
    if match is None:
        return None
    name = match["sub"] or match["word"]
    base = int(name) if name.isdecimal() else BASE_NAMES.get(name, 0)
    digits = match["digits"].upper()
    if not 2 <= base <= 36 or not re.search(r"\d", digits) or _value(digits, base) is None:
        return None
    return digits, base


def same_base(gold: str, answer: str) -> bool | None:
    """Return whether two numbers, of which one at least states its base, are equal; None if neither states one.

    An answer may omit the gold answer's base, or give the value in base ten.
    """
    one, other = read_based(gold), read_based(answer)
    if one is None and other is None:
        return None
    values = [_value(*each) if each else _value(text.strip(), 10) for each, text in ((one, gold), (other, answer))]
    if values[0] is not None and values[0] == values[1]:
        return True
    return one is not None and other is None and answer.strip().upper().lstrip("0") == one[0].lstrip("0")


def _value(digits: str, base: int) -> int | None:
    try:
        return int(digits, base)
    except ValueError:
        return None
