"""Rewrite answers so that math-verify can parse them: symbols outside LaTeX, and LaTeX that it does not know."""

import re
from fractions import Fraction

SYMBOLS = {
    "−": "-",
    "·": "\\cdot ",
    "⋅": "\\cdot ",
    "×": "\\times ",
    "÷": "\\div ",
    "π": "\\pi ",
    "∞": "\\infty ",
    "≤": "\\le ",
    "≥": "\\ge ",
    "∅": "\\emptyset ",
    "\\varnothing": "\\emptyset ",
}
SYMBOL = re.compile("|".join(map(re.escape, SYMBOLS)) + r"(?![a-zA-Z])")
ROOT = re.compile(r"√\s*(?:\(([^()]*)\)|\{([^{}]*)\}|(\w))")
LEADING = re.compile(r"\A\s*(?:=|\\approx(?![a-zA-Z])|≈)\s*")
"""A relation at the start of an answer; its left side is in the question."""
SCIENTIFIC = re.compile(r"(?<![\w.\\])(\d+(?:\.\d+)?)[eE]([+-]?\d+)(?!\w)")
REPEATING = re.compile(r"(?<![\w.\\])(\d*)\.(\d*)\\overline\{(\d+)\}")


def normalize_latex(answer: str) -> str:
    """Return an answer in LaTeX that math-verify parses as meant; most answers stay unchanged."""
    text = LEADING.sub("", answer)
    text = ROOT.sub(lambda root: f"\\sqrt{{{root[1] or root[2] or root[3]}}}", text)
    text = SYMBOL.sub(lambda symbol: SYMBOLS[symbol[0]], text)
    text = SCIENTIFIC.sub(r"\1 \\times 10^{\2}", text)
    return REPEATING.sub(_fraction, text)


def _fraction(decimal: re.Match[str]) -> str:
    """Return a repeating decimal as a fraction: `0.58\\overline{3}` is 0.58 + 3/900."""
    whole, fixed, repeated = decimal.groups()
    value = Fraction(int(whole + fixed or "0"), 10 ** len(fixed))
    value += Fraction(int(repeated), (10 ** len(repeated) - 1) * 10 ** len(fixed))
    return f"\\frac{{{value.numerator}}}{{{value.denominator}}}"
