"""Split a quantity into its number and its unit. A letter is a unit only from a list and only after a number."""

import re
from dataclasses import dataclass
from fractions import Fraction

Dimensions = tuple[tuple[str, int], ...]

_LENGTHS = {
    "nm nanometer nanometre": "1e-9",
    "um µm μm micron micrometer micrometre": "1e-6",
    "mm millimeter millimetre": "1e-3",
    "cm centimeter centimetre": "1e-2",
    "dm decimeter decimetre": "1e-1",
    "m meter metre": "1",
    "km kilometer kilometre": "1000",
    "in inch inches": "0.0254",
    "ft foot feet": "0.3048",
    "yd yard": "0.9144",
    "mi mile": "1609.344",
}
_OTHERS = {
    "mass": {
        "mg milligram": "1e-6",
        "g gram gm": "1e-3",
        "kg kilogram kilo": "1",
        "tonne": "1000",
        "lb pound": "0.45359237",
        "oz ounce": "0.028349523125",
    },
    "time": {
        "ns nanosecond": "1e-9",
        "us µs μs microsecond": "1e-6",
        "ms millisecond": "1e-3",
        "s sec second": "1",
        "min minute": "60",
        "h hr hour": "3600",
        "day": "86400",
        "week": "604800",
    },
    "month": {"month": "1", "yr year": "12", "decade": "120", "century centuries": "1200"},
    "angle": {"degree deg": "1"},
    "radian": {"rad radian": "1"},
    "temperature": {"K kelvin": "1"},
    "celsius": {"°C celsius": "1"},
    "fahrenheit": {"°F fahrenheit": "1"},
    "current": {"A amp ampere": "1", "mA milliampere": "1e-3"},
    "amount": {"mol mole": "1"},
    "dollar": {"dollar USD buck": "1", "cent ¢ penny pennies": "0.01"},
    "euro": {"euro EUR €": "1"},
    "yuan": {"yuan RMB CNY": "1"},
    "yen": {"yen JPY ¥": "1"},
    "rupee": {"rupee Rs INR": "1"},
    "byte": {"byte": "1", "bit": "0.125"},
}
_DERIVED: dict[str, tuple[str, dict[str, int]]] = {
    "L l liter litre": ("1e-3", {"length": 3}),
    "mL ml milliliter millilitre cc": ("1e-6", {"length": 3}),
    "gal gallon": ("0.003785411784", {"length": 3}),
    "acre": ("4046.8564224", {"length": 2}),
    "ha hectare": ("10000", {"length": 2}),
    "mph": ("0.44704", {"length": 1, "time": -1}),
    "kph kmh kmph": ("5/18", {"length": 1, "time": -1}),
    "Hz hertz": ("1", {"time": -1}),
    "N newton": ("1", {"mass": 1, "length": 1, "time": -2}),
    "Pa pascal": ("1", {"mass": 1, "length": -1, "time": -2}),
    "kPa kilopascal": ("1000", {"mass": 1, "length": -1, "time": -2}),
    "J joule": ("1", {"mass": 1, "length": 2, "time": -2}),
    "kJ kilojoule": ("1000", {"mass": 1, "length": 2, "time": -2}),
    "eV electronvolt": ("1.602176634e-19", {"mass": 1, "length": 2, "time": -2}),
    "W watt": ("1", {"mass": 1, "length": 2, "time": -3}),
    "kW kilowatt": ("1000", {"mass": 1, "length": 2, "time": -3}),
    "V volt": ("1", {"mass": 1, "length": 2, "time": -3, "current": -1}),
    "ohm Ω \\Omega": ("1", {"mass": 1, "length": 2, "time": -3, "current": -2}),
    "C coulomb": ("1", {"current": 1, "time": 1}),
}


def _table() -> dict[str, tuple[Fraction, dict[str, int]]]:
    found: dict[str, tuple[Fraction, dict[str, int]]] = {}
    simple = {"length": _LENGTHS, **_OTHERS}
    for dimension, units in simple.items():
        for names, factor in units.items():
            found |= {name: (Fraction(factor), {dimension: 1}) for name in names.split()}
    for names, (size, dimensions) in _DERIVED.items():
        found |= {name: (Fraction(size), dimensions) for name in names.split()}
    return found


UNITS = _table()
"""Size in the dimension's first unit, and exponents of the dimensions, by a unit's name."""
SHORT_ALONE = frozenset("m s g h L J N V W K A C".split())  # noqa: SIM905
"""Letters that can be a unit outside `\\text{…}`, after a space, where the other answer has no letter."""
SCALES = {
    "hundred": 10**2,
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
    "dozen": 12,
}
PERCENT = frozenset({"%", "\\%", "percent", "percentage", "pct", "per cent"})
GENERIC = frozenset({"unit", "units"})
NO_NOUN = frozenset(
    "is are was be not no wrong incorrect false right correct or and nor than if when where while then but "  # noqa: SIM905
    "except base mod modulo times plus minus over divided by equals equal to between at least most about approximately "
    "from infinity undefined nonzero zero one two three half quarter third thirds quarters halves negative positive "
    "squared cubed factorial root solution solutions real red blue green".split()
)
"""Words that are no unit: they change or deny the number before them."""
_WRAP = (
    r"\\(?:text|textrm|textnormal|textbf|textit|textsf|mathrm|mathbf|mathsf|mbox|operatorname|rm)\s*"
    r"\{((?:[^{}]|\{[^{}]*\})*)\}"
)
WRAPPED = re.compile(_WRAP)
DEGREE = re.compile(r"\s*\^\s*\{?\s*\\circ\s*\}?\s*")
DEGREE_UNIT = re.compile(rf"(?P<head>.*[\d}})])\s*\^\s*\{{?\s*\\circ\s*\}}?\s*(?P<scale>{_WRAP}|[CF])?\s*\Z", re.DOTALL)
TOKEN = re.compile(r"(?P<name>\\%|\\Omega|[A-Za-zµμΩ°¢%€¥]+)\s*(?:\^\s*(?:\{\s*(-?\d+)\s*\}|(-?\d))|(squared|cubed))?")
CURRENCY = re.compile(
    r"\A\s*(?P<minus>-?)\s*(?P<sign>\\\$|\$|€|£|¥|\\pounds|\\text\s*\{\s*\\?\$\s*\})\s*(?P<head>.*)\Z", re.DOTALL
)
CURRENCIES = {"€": "euro", "£": "pound sterling", "\\pounds": "pound sterling", "¥": "yen"}
NUMERIC = re.compile(
    r"\\(?:frac|sqrt|pi|cdot|times|div|ln|log|sin|cos|tan|binom|infty|overline|le|ge|approx|pm|exp)(?![a-zA-Z])|(?<![a-zA-Z])e(?=\^)"
)
FUNCTION = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc)(?![a-zA-Z])")
END_OF_NUMBER = re.compile(r"(?:[\d})!%]|\\pi)\s*\Z")


@dataclass(frozen=True)
class Unit:
    """A unit: a size in base units with dimensions, or else a noun such as `students`."""

    factor: Fraction = Fraction(1)
    dimensions: Dimensions = ()
    nouns: frozenset[str] = frozenset()
    is_percent: bool = False
    is_short: bool = False
    """Whether it is a bare letter, which can be a variable as well."""

    @property
    def is_degree(self) -> bool:
        """Whether it is an angle in degrees."""
        return self.dimensions == (("angle", 1),)


@dataclass(frozen=True)
class ParsedQuantity:
    """A number as text, a factor from words such as `million`, and a unit; None if it has none."""

    number: str
    scale: int = 1
    unit: Unit | None = None


def split_quantity(text: str) -> ParsedQuantity:
    """Return the number and the unit of an answer; an answer without a unit is all number."""
    degree = DEGREE_UNIT.match(text)
    if degree and not FUNCTION.search(degree["head"]):
        letter = degree["scale"] or ""
        letter = WRAPPED.sub(r"\1", letter).strip()
        name = {"": "degree", "C": "°C", "F": "°F"}.get(letter)
        if name:
            return ParsedQuantity(degree["head"], 1, _unit({name: 1}))
    currency = CURRENCY.match(text)
    if currency and re.search(r"\d", currency["head"]):
        rest = split_quantity(currency["head"])
        name = CURRENCIES.get(currency["sign"], "dollar")
        unit = _unit({name: 1}) if name in UNITS else Unit(nouns=frozenset(name.split()))
        if rest.unit is None or rest.unit == unit:
            return ParsedQuantity(currency["minus"] + rest.number, rest.scale, unit)
    for start in re.finditer(_WRAP + r"|\\?%|(?<![\\a-zA-Z_^])[A-Za-zµμΩ°¢€¥]+|\\frac\s*\{\s*\\(?:text|mathrm)", text):
        head, tail = text[: start.start()], text[start.start() :]
        is_wrapped = tail.startswith("\\") and not tail.startswith("\\%")
        if head.count("{") != head.count("}"):
            continue
        if not (head.strip() and is_wrapped) and not END_OF_NUMBER.search(head):
            continue
        if not is_wrapped and re.search(r"[a-zA-Z]", NUMERIC.sub("", head)):
            return ParsedQuantity(text)
        found = _read_tail(tail, is_wrapped, head != head.rstrip())
        if found is not None:
            return ParsedQuantity(head.strip(), *found)
    return ParsedQuantity(text)


def _read_tail(tail: str, is_wrapped: bool, after_space: bool) -> tuple[int, Unit | None] | None:
    """Return the scale and unit that a text after a number is; None if it is neither."""
    text = re.sub(r"\\frac\s*\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}\s*\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}", r"\1/\2", tail)
    text = WRAPPED.sub(r" \1", text).replace("\\cdot", " ").replace("\\times", " ").strip().rstrip(".").strip()
    text = re.sub(r"\bper cent\b", "percent", text)
    text = re.sub(r"\bper\b", "/", text)
    scale = 1
    while (word := re.match(r"(?:of\s+)?([a-z]+)\b\s*", text)) and word[1].removesuffix("s") in SCALES:
        scale *= SCALES[word[1].removesuffix("s")]
        text = text[word.end() :]
    if not text:
        return (scale, None) if scale > 1 else None
    if re.fullmatch(r"(?:" + "|".join(map(re.escape, PERCENT)) + r")(?:\s+points?)?", text):
        return scale, Unit(is_percent=True)
    unit = _read_unit(text, is_wrapped, after_space)
    return None if unit is None else (scale, unit)


def _read_unit(text: str, is_wrapped: bool, after_space: bool) -> Unit | None:
    text = re.sub(r"\b(square|sq\.?)\s+([A-Za-z]+)", r"\2^2", text)
    text = re.sub(r"\b(cubic|cu\.?)\s+([A-Za-z]+)", r"\2^3", text)
    powers: dict[str, int] = {}
    position, sign = 0, 1
    while position < len(text):
        gap = re.compile(r"[\s*.()·]*(/?)[\s*.()·]*").match(text, position)
        assert gap is not None
        token = TOKEN.match(text, gap.end())
        if token is None or (name := _known(token["name"])) is None:
            break
        sign = -1 if gap[1] else sign
        power = int(token[2] or token[3] or {"squared": 2, "cubed": 3}.get(token[4] or "", 1))
        powers[name] = powers.get(name, 0) + sign * power
        position = token.end()
    rest = text[position:].strip(" ().")
    if GENERIC & set(powers) and not rest:
        return Unit()
    if powers and not rest:
        is_short = not is_wrapped and text in SHORT_ALONE | {each + "^2" for each in "m"}
        if not is_wrapped and re.fullmatch(r"[A-Za-z](?:\^\{?-?\d+\}?)?", text):
            is_allowed = after_space and text[0] in SHORT_ALONE
            return _unit(powers, is_short=True) if is_allowed else None
        return _unit(powers, is_short=is_short)
    return _with_nouns(powers, rest, is_wrapped, after_space)


def _with_nouns(powers: dict[str, int], rest: str, is_wrapped: bool, after_space: bool) -> Unit | None:
    """Return a unit with the words after it, or words alone: `students`, `hours ago`."""
    words = re.findall(r"[^\W\d_]+", rest.casefold())
    if not words or max(map(len, words)) < 2 or NO_NOUN & set(words) or re.search(r"[\d^_=<>\\+,;]", rest):
        return None
    if not is_wrapped and not (after_space and all(len(word) >= 3 for word in words) and len(words[0]) >= 4):
        return None
    if powers:
        return _unit(powers)
    return Unit(nouns=frozenset(word.removesuffix("s") for word in words if len(word) > 2 or len(words) == 1))


def _known(name: str) -> str | None:
    """Return a unit's name as in UNITS, from a plural or another case."""
    for each in (name, name.removesuffix("s"), name.casefold(), name.casefold().removesuffix("s")):
        if each in UNITS or each in GENERIC:
            return each if len(each) > 1 or each == name else None
    return None


def _unit(powers: dict[str, int], is_short: bool = False) -> Unit:
    factor = Fraction(1)
    dimensions: dict[str, int] = {}
    for name, power in powers.items():
        if name in GENERIC:
            continue
        size, parts = UNITS[name]
        factor *= size**power
        for dimension, exponent in parts.items():
            dimensions[dimension] = dimensions.get(dimension, 0) + exponent * power
    kept = tuple(sorted((name, exponent) for name, exponent in dimensions.items() if exponent))
    return Unit(factor, kept, is_short=is_short)
