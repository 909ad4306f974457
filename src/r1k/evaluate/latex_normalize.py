"""Rewrite answers to the LaTeX that latex2sympy parses: Unicode mathematics, program notation, upright letters."""

import re
import unicodedata
from fractions import Fraction

SYMBOLS = {
    "−": "-",
    "–": "-",
    "‐": "-",
    "‑": "-",
    "﹣": "-",
    "·": "\\cdot ",
    "⋅": "\\cdot ",
    "∙": "\\cdot ",
    "∗": "*",
    "×": "\\times ",
    "✕": "\\times ",
    "÷": "\\div ",
    "∕": "/",
    "⁄": "/",
    "π": "\\pi ",
    "∞": "\\infty ",
    "≤": "\\le ",
    "⩽": "\\le ",
    "≥": "\\ge ",
    "⩾": "\\ge ",
    "≠": "\\ne ",
    "≈": "\\approx ",
    "≡": "\\equiv ",
    "±": "\\pm ",
    "∓": "\\mp ",
    "∅": "\\emptyset ",
    "∪": "\\cup ",
    "∩": "\\cap ",
    "∈": "\\in ",
    "∖": "\\setminus ",
    "ℝ": "\\mathbb{R}",
    "ℤ": "\\mathbb{Z}",
    "ℕ": "\\mathbb{N}",
    "ℚ": "\\mathbb{Q}",
    "ℂ": "\\mathbb{C}",
    "…": "\\ldots ",
    "⋯": "\\ldots ",
    "∑": "\\sum ",
    "∏": "\\prod ",
    "∫": "\\int ",
    "⌊": "\\lfloor ",
    "⌋": "\\rfloor ",
    "⌈": "\\lceil ",
    "⌉": "\\rceil ",
    "⟨": "\\langle ",
    "⟩": "\\rangle ",
    "°": "^{\\circ}",
    "º": "^{\\circ}",
    "˚": "^{\\circ}",
    "℃": "^{\\circ}C",
    "℉": "^{\\circ}F",
    "\\degrees": "^{\\circ}",
    "\\degree": "^{\\circ}",
    "\\varnothing": "\\emptyset ",
    "\\leqslant": "\\le ",
    "\\geqslant": "\\ge ",
    "\\leq": "\\le ",
    "\\geq": "\\ge ",
    "\\neq": "\\ne ",
    "<=": "\\le ",
    ">=": "\\ge ",
    "!=": "\\ne ",
    "\\lt": "<",
    "\\gt": ">",
    "\\dots": "\\ldots ",
    "\\cdots": "\\ldots ",
    "\\lbrace": "\\{",
    "\\rbrace": "\\}",
    "\\lbrack": "[",
    "\\rbrack": "]",
    "\\lvert": "|",
    "\\rvert": "|",
    "\\vert": "|",
    "\\mid": "|",
    "\\varphi": "\\phi ",
    "\\varepsilon": "\\epsilon ",
    "\\vartheta": "\\theta ",
    "\\lg": "\\log_{10} ",
    "\\imath": "i",
    "\\exponentialE": "e",
    "\\slash": "/",
    "“": "",
    "”": "",
}
_LETTERS = "αβγδεζηθικλμνξρστυφχψωΓΔΘΛΞΣΦΨΩ"
_LETTER_NAMES = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau upsilon phi "  # noqa: SIM905
    "chi psi omega Gamma Delta Theta Lambda Xi Sigma Phi Psi Omega".split()
)
GREEK = dict(zip(_LETTERS, _LETTER_NAMES, strict=True))
SYMBOL = re.compile("|".join(re.escape(name) + ("(?![a-zA-Z])" if name[0] == "\\" else "") for name in SYMBOLS))
GREEK_LETTER = re.compile("[" + "".join(GREEK) + "]")
SUPERSCRIPTS = {"⁻": "-", "⁺": "+", "⁽": "(", "⁾": ")", "ⁿ": "n", "ⁱ": "i", "ˣ": "x", "ᵗ": "t"} | {
    "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]: str(digit) for digit in range(10)
}
SUBSCRIPTS = {"₋": "-", "₊": "+", "ₙ": "n", "ₓ": "x", "ᵢ": "i"} | {
    "₀₁₂₃₄₅₆₇₈₉"[digit]: str(digit) for digit in range(10)
}
RAISED = re.compile("[" + "".join(SUPERSCRIPTS) + "]+")
LOWERED = re.compile("[" + "".join(SUBSCRIPTS) + "]+")
VULGAR = re.compile("[¼½¾⅐-⅞]")
INVISIBLE = re.compile("[\u200b-\u200f\u2060-\u2064\ufeff\u00ad]")
ROOTS = {"√": "\\sqrt", "∛": "\\sqrt[3]", "∜": "\\sqrt[4]"}
ROOT = re.compile(r"([√∛∜])\s*(?:\(([^()]*)\)|\{([^{}]*)\}|(\d+(?:\.\d+)?|\w))")

DOUBLED = re.compile(r"\\\\(?=[a-zA-Z])")
DOLLAR = re.compile(r"(?<!\\)\$")
DELIMITERS = re.compile(r"(?<!\\)\\[\[\]()](?!\s*[\d.]+\s*(?:pt|em|ex|mm))")
SIZES = re.compile(r"\\(?:left|right|middle|[bB]igg?[lrm]?|displaystyle|textstyle|limits|nolimits)(?![a-zA-Z])\.?")
SPACES = re.compile(r"(?<!\\)\\(?:qquad|quad|enspace|thinspace|,|;|:|>|\s)|\\hspace\*?\{[^{}]*\}|~|\s+")
NEGATIVE_SPACE = re.compile(r"\\!\s*|\\negthinspace\s*|\{\s*,\s*\}\s*")
TRAILING = re.compile(r"(?:\s|\\\\|\\(?=\s*\Z))+\Z")
FRACTION = re.compile(r"\\(?:[dtc]|x)?frac(?![a-zA-Z])")
CHOOSE = re.compile(r"\{\s*([^{}]+?)\s*\\choose\s*([^{}]+?)\s*\}")
BARE_FRACTION = re.compile(
    r"\\frac\s*(?:(\d)\s*(\d|\{)|(\{(?:[^{}]|\{[^{}]*\})*\})\s*(\d|[a-zA-Z])|([a-zA-Z])\s*(\d|[a-zA-Z]|\{)|(\d)\s*([a-zA-Z]))"
)
BARE_ROOT = re.compile(r"\\sqrt\s*(?:(\d)|([a-zA-Z])(?![a-zA-Z]))")

UPRIGHT = re.compile(
    r"\\(?:mathrm|operatorname\*?|text|textrm|textnormal|mathit|textit|mathbf|textbf|boldsymbol|bm|mathsf|rm)\s*"
    r"\{\s*([a-zA-Z]+)\s*\}"
)
FUNCTIONS = (
    "arcsin arccos arctan sinh cosh tanh sin cos tan csc sec cot ln log lg exp min max gcd lcm det".split()  # noqa: SIM905
)
NAMES = [*GREEK.values(), "pi"]
NAMED = re.compile(
    r"(?<![\\a-zA-Z])(" + "|".join(sorted({*FUNCTIONS, *NAMES}, key=len, reverse=True)) + r")(?![a-zA-Z])"
)
CALLS = re.compile(r"(?<![a-zA-Z])\\?(sqrt|cbrt|exp|abs)\s*\(")
OPENING_CALLS = {"sqrt": "\\sqrt{", "cbrt": "\\sqrt[3]{", "exp": "e^{", "abs": "|"}
POWER = re.compile(r"\*\*|\^\s*\^")
POWER_CALL = re.compile(r"\^\s*\(")
POWER_SIGNED = re.compile(r"\^\s*([+-]\s*(?:\d+|[a-zA-Z]))")
POWER_DIGITS = re.compile(r"\^\s*(\d{2,})(?!\d)")
INFINITE = re.compile(
    r"(?<![\\a-zA-Z])(?:infinity|infty|inf|oo)(?![a-zA-Z])|\\text\s*\{\s*infinity\s*\}", re.IGNORECASE
)

LEADING = re.compile(r"\A\s*(?:(?:the )?(?:final )?answer(?: is)?\b\s*:?|=|\\approx(?![a-zA-Z])|≈|:)\s*", re.IGNORECASE)
"""A relation at the start of an answer; its left side is in the question."""
SCIENTIFIC = re.compile(r"(?<![\w.\\])(\d+(?:\.\d+)?|\.\d+)[eE]([+-]?\d+)(?!\w)")
TIMES_TEN = re.compile(r"(?<=\d)\s*[xX]\s*(?=10\s*\^)")
REPEATING = re.compile(
    r"(?<![\w.\\])(\d*)\.(\d*?)(?:\\(?:overline|bar|dot)\s*\{(\d+)\}|\((\d+)\)(?!\d)|(\d+)\s*(?:\.{3}|\\ldots(?![a-zA-Z])))"
)
PERIOD = re.compile(r"\A(\d*?)(?:(\d)\2\2+|(\d{2,6})\3+)\Z")
THOUSANDS = re.compile(r"(?<![\d.,])(\d{1,3})((?:,\d{3})+)(?![\d,])")
THOUSANDS_SPACED = re.compile(r"(?<![\d.,\w])(\d{1,3})((?: \d{3})+)(?![\d,]| \d)")
MIXED = re.compile(r"(?<![\d./^_{])(\d+)\s+(\d+)\s*/\s*(\d+)(?![\d.])")
ORDINAL = re.compile(r"(?<=\d)\s*\^?\s*\{?\s*(?:\\(?:text|mathrm|textrm)\s*\{\s*)?(?:st|nd|rd|th)\s*\}?\s*\}?\s*\Z")


def normalize_latex(answer: str) -> str:
    """Return an answer in LaTeX that latex2sympy parses as meant; most answers change only in their spaces."""
    text = _fractions(normalize_layout(answer))
    text = UPRIGHT.sub(_upright, text)
    text = INFINITE.sub(r"\\infty ", text)
    text = POWER.sub("^", text)
    text = _calls(text)
    text = NAMED.sub(r"\\\1 ", text)
    text = POWER_DIGITS.sub(r"^{\1}", POWER_SIGNED.sub(r"^{\1}", text))
    text = TIMES_TEN.sub(r" \\times ", SCIENTIFIC.sub(r"\1 \\times 10^{\2}", text))
    text = REPEATING.sub(_repeating, text)
    text = MIXED.sub(r"\1\\frac{\2}{\3}", text)
    return re.sub(r"\s+", " ", text).strip()


def normalize_layout(answer: str) -> str:
    """Return an answer with Unicode as LaTeX, one kind of space, and no sizes of brackets or relation at its start."""
    return ORDINAL.sub("", LEADING.sub("", _layout(_unicode(answer))))


def join_thousands(text: str) -> str:
    """Return a text with numbers such as `1,234` and `1 234` without their separators."""
    text = THOUSANDS.sub(lambda number: number[0].replace(",", ""), text)
    return THOUSANDS_SPACED.sub(lambda number: number[0].replace(" ", ""), text)


def _unicode(text: str) -> str:
    """Return a text with Unicode mathematics as LaTeX and the digits of other scripts as ASCII."""
    if text.isascii():
        return SYMBOL.sub(lambda symbol: SYMBOLS[symbol[0]], text)
    text = INVISIBLE.sub("", text)
    text = ROOT.sub(lambda root: f"{ROOTS[root[1]]}{{{root[2] or root[3] or root[4]}}}", text)
    text = RAISED.sub(lambda run: "^{" + "".join(SUPERSCRIPTS[each] for each in run[0]) + "}", text)
    text = LOWERED.sub(lambda run: "_{" + "".join(SUBSCRIPTS[each] for each in run[0]) + "}", text)
    text = VULGAR.sub(_vulgar, text)
    text = SYMBOL.sub(lambda symbol: SYMBOLS[symbol[0]], text)
    text = GREEK_LETTER.sub(lambda letter: f"\\{GREEK[letter[0]]} ", text)
    return "".join(_plain_character(character) for character in text)


def _plain_character(character: str) -> str:
    if character.isascii():
        return character
    if character.isspace():
        return " "
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    plain = unicodedata.normalize("NFKC", character)
    return plain if plain.isascii() else character


def _vulgar(character: re.Match[str]) -> str:
    over, _, under = unicodedata.normalize("NFKC", character[0]).partition("⁄")
    return f"\\frac{{{over}}}{{{under}}}"


def _layout(text: str) -> str:
    """Return a text without sizes of brackets and signs of mathematics around its parts, with one kind of space."""
    if "\\begin" not in text:
        text = DOUBLED.sub(r"\\", text)
    if len(DOLLAR.findall(text)) % 2 == 0:
        text = DOLLAR.sub(" ", text)
    text = CHOOSE.sub(r"\\binom{\1}{\2}", DELIMITERS.sub(" ", text))
    text = NEGATIVE_SPACE.sub(lambda space: "," if "," in space[0] else "", text)
    text = SIZES.sub("", text)
    return TRAILING.sub("", SPACES.sub(" ", TRAILING.sub("", text))).strip()


def _fractions(text: str) -> str:
    r"""Return a text with `\frac12`, `\frac1{2}` and `\sqrt2` with all their braces."""
    text = FRACTION.sub(r"\\frac", text)
    for _ in range(text.count("\\frac")):
        changed = BARE_FRACTION.sub(_braced_fraction, text)
        if changed == text:
            break
        text = changed
    return BARE_ROOT.sub(lambda root: f"\\sqrt{{{root[1] or root[2]}}}", text)


def _braced_fraction(bare: re.Match[str]) -> str:
    over, under = [group for group in bare.groups() if group is not None]
    over = over if over.startswith("{") else f"{{{over}}}"
    return f"\\frac{over}" + (under if under == "{" else f"{{{under}}}")


def _upright(command: re.Match[str]) -> str:
    """Return an upright letter as a letter, and an upright function or constant as its command."""
    name = command[1]
    if name in FUNCTIONS or name in NAMES:
        return f"\\{name} "
    return name if len(name) == 1 and "text" not in command[0][:6] else command[0]


def _calls(text: str) -> str:
    """Return a text with `sqrt(…)`, `exp(…)` and `^(…)` in braces; calls whose parentheses do not close stay."""
    for pattern in (CALLS, POWER_CALL):
        position = 0
        while (call := pattern.search(text, position)) is not None:
            end = _closing(text, call.end())
            if end is None:
                break
            inside = text[call.end() : end]
            opening = "^{" if pattern is POWER_CALL else OPENING_CALLS[call[1]]
            closing = "|" if opening == "|" else "}"
            text = text[: call.start()] + opening + inside + closing + text[end + 1 :]
            position = call.start() + len(opening)
    return text


def _closing(text: str, start: int) -> int | None:
    """Return the position of the parenthesis that closes the one before `start`."""
    depth = 1
    for position in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[position], 0)
        if depth == 0:
            return position
    return None


def _repeating(decimal: re.Match[str]) -> str:
    r"""Return a repeating decimal as a fraction: `0.58\overline{3}` is 0.58 + 3/900; others stay as they are."""
    whole, fixed = decimal[1], decimal[2]
    repeated = decimal[3] or decimal[4]
    if repeated is None:
        period = PERIOD.match(fixed + decimal[5])
        if period is None:
            return decimal[0]
        fixed, repeated = period[1], period[2] or period[3]
    value = Fraction(int(whole + fixed or "0"), 10 ** len(fixed))
    value += Fraction(int(repeated), (10 ** len(repeated) - 1) * 10 ** len(fixed))
    return f"\\frac{{{value.numerator}}}{{{value.denominator}}}"
