"""Split an answer into its parts: lists, tuples, intervals, sets, matrices, relations, and what they consist of."""

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["list", "set", "tuple", "interval", "matrix", "equation", "inequality", "scalar"]

OPENING, CLOSING = "([{", ")]}"
ENVIRONMENT = re.compile(
    r"\\begin\s*\{([a-zA-Z]*?)(?:matrix|array|cases)\}(?:\{[^{}]*\})?(.*)\\end\s*\{[a-zA-Z]*\}", re.DOTALL
)
AND = re.compile(
    r"(?:,\s*)?(?:\\(?:text|mathrm|textrm|mbox|textnormal)\s*\{\s*,?\s*(?:and|or)\s*\}|(?<![\\a-zA-Z])(?:and|or)(?![a-zA-Z])"
    r"|\\(?:lor|land|vee|wedge)(?![a-zA-Z])|\\cup(?![a-zA-Z])|;|,)"
)
RELATION = re.compile(r"(\\(?:le|ge|ne|approx|equiv|cong|simeq|sim|in|to|Rightarrow|implies)(?![a-zA-Z])|[<>=])")
MODULUS = re.compile(r"\\pmod\s*(?:\{([^{}]*)\}|(\d))|\(\s*\\?(?:mod|bmod)\s*\{?\s*([^(){}]*)\}?\s*\)|\\bmod\s*(\S+)")
NAME = re.compile(r"\\?[a-zA-Z]+(?:_(?:\{[^{}]*\}|\w))?'*")
PLUS_MINUS = re.compile(r"\\(pm|mp)(?![a-zA-Z])")
ELLIPSIS = re.compile(r"\\ldots(?![a-zA-Z])|\.\.\.")
SUBSCRIPT = re.compile(r"_\s*(?:\{[^{}]*\}|\w)")
BUILDER = re.compile(r"\\\{.*(?:\||:).*\\\}", re.DOTALL)


@dataclass(frozen=True)
class Node:
    """A part of an answer. A scalar has text alone; `label` is the left side of its equation, such as `x`."""

    kind: Kind
    text: str
    parts: tuple["Node", ...] = ()
    brackets: str = ""
    """The two brackets of an interval; the relations of an inequality or equation, in order."""
    label: str | None = None
    shape: tuple[int, int] = (0, 0)
    """Rows and columns of a matrix."""


def read_structure(text: str) -> Node:
    """Return the structure of an answer whose layout is normalized."""
    text = text.strip().rstrip(",;").strip()
    modulus = MODULUS.search(text)
    if modulus and text[modulus.end() :].strip() == "":
        text = text[: modulus.start()].strip().rstrip(",").strip()
    parts = _split(text, AND)
    if len(parts) > 1:
        return _list(text, parts)
    relation = _relation(text)
    if relation is not None:
        return relation
    matrix = _matrix(text)
    if matrix is not None:
        return matrix
    group = _group(text)
    if group is not None:
        return group
    if PLUS_MINUS.search(text):
        signs = [_signed(text, sign) for sign in "+-"]
        return Node("list", text, tuple(read_structure(each) for each in signs))
    return Node("scalar", text)


def _list(text: str, parts: list[str]) -> Node:
    """Return a list; the lists in it count as their own parts, and `x = 1, 2` labels both."""
    rows = _split(text, re.compile(";"))
    if len(rows) > 1:
        groups = [read_structure(row) for row in rows]
        if all(group.kind in ("list", "tuple") for group in groups):
            return Node("list", text, tuple(Node("tuple", each.text, each.parts, label=each.label) for each in groups))
    nodes: list[Node] = []
    for part in parts:
        node = read_structure(part)
        nodes += node.parts if node.kind == "list" else [node]
    nodes = _by_rows(nodes)
    return Node("list", text, tuple(nodes))


def _by_rows(nodes: list[Node]) -> list[Node]:
    """Return one tuple for each solution of a list such as `x = 1, y = 2, x = 3, y = 4`."""
    labels = [node.label for node in nodes]
    width = len(set(labels))
    if None in labels or width < 2 or width == len(nodes) or len(nodes) % width:
        return nodes
    if labels != labels[:width] * (len(nodes) // width):
        return nodes
    rows = [nodes[start : start + width] for start in range(0, len(nodes), width)]
    return [Node("tuple", ", ".join(node.text for node in row), tuple(row)) for row in rows]


def _relation(text: str) -> Node | None:
    found = _split(text, RELATION, keep=True)
    sides, signs = [side.strip() for side in found[::2]], found[1::2]
    if len(sides) < 2:
        return None
    if "\\approx" in signs:
        cut = signs.index("\\approx")
        is_name = cut == 0 and is_label(sides[0])
        kept = sides[: cut + 1 + is_name]
        signs = ["=" if sign == "\\approx" else sign for sign in signs[: cut + is_name]]
        sides = kept
        if len(sides) == 1:
            return read_structure(sides[0])
    signs = ["=" if sign in ("\\equiv", "\\cong", "\\simeq") else sign for sign in signs]
    if signs == ["\\in"] or signs[-1:] == ["\\in"]:
        inner = read_structure(sides[-1])
        return Node(inner.kind, inner.text, inner.parts, inner.brackets, sides[0], inner.shape)
    if all(sign == "=" for sign in signs):
        return _equation(text, sides)
    if all(sign in ("<", ">", "\\le", "\\ge", "=", "\\ne") for sign in signs):
        return Node("inequality", text, tuple(Node("scalar", side) for side in sides), " ".join(signs))
    return None


def _equation(text: str, sides: list[str]) -> Node:
    """Return the value of an equation whose left side is a name, with its label; else the equation."""
    name = sides[-2] if len(sides) > 2 and not is_label(sides[0]) else sides[0]
    if is_label(name):
        value = read_structure(sides[-1])
        label = re.sub(r"\s+", "", name)
        if value.kind == "list" and not any(part.label for part in value.parts):
            return Node("list", text, tuple(_labelled(part, label) for part in value.parts))
        return _labelled(value, label)
    return Node("equation", text, tuple(Node("scalar", side) for side in sides))


def _labelled(node: Node, label: str) -> Node:
    return Node(node.kind, node.text, node.parts, node.brackets, label, node.shape)


def is_label(side: str) -> bool:
    """Return whether the left side of an equation names its value: `x`, `f(x)`, `A:B`, `|AB|`, `(p, q)`."""
    bare = SUBSCRIPT.sub("", side)
    bare = re.sub(r"\^\s*\{?\s*(?:-1|\\prime)\s*\}?(?=\s*\()", "", bare)
    bare = re.sub(r"\(\s*-?\d+\s*\)", "", bare)
    if re.search(r"[-+*^<>!\d]|\\(?:cdot|times|sqrt|pm|sin|cos|tan|log|ln|int|sum|pi(?![a-zA-Z]))", bare):
        return False
    return bool(re.search(r"[a-zA-Z]", bare)) and len(bare) <= 40


def _matrix(text: str) -> Node | None:
    inner = text
    while inner.startswith("(") and inner.endswith(")") and _matching(inner, 0) == len(inner) - 1:
        inner = inner[1:-1].strip()
    match = ENVIRONMENT.fullmatch(inner)
    if match is None or "\\begin" in match[2]:
        return None
    rows = [row for row in re.split(r"\\\\(?:\[[^\]]*\])?|\\cr", match[2].strip()) if row.strip()]
    cells = [[cell.strip() for cell in row.replace("\\hline", "").split("&")] for row in rows]
    if not cells or len({len(row) for row in cells}) != 1:
        return None
    parts = tuple(Node("scalar", cell) for row in cells for cell in row)
    return Node("matrix", text, parts, shape=(len(cells), len(cells[0])))


def _group(text: str) -> Node | None:
    """Return a text in brackets as a tuple, interval or set; a number in parentheses as that number."""
    if text.startswith("\\{") and text.endswith("\\}"):
        if BUILDER.fullmatch(text):
            return None
        return _contents("set", text[2:-2], text, "")
    if text.startswith("\\langle") and text.endswith("\\rangle"):
        return _contents("tuple", text[7:-7], text, "")
    if len(text) < 2 or text[0] not in OPENING or text[-1] not in CLOSING or _matching(text, 0) != len(text) - 1:
        return None
    inside = text[1:-1].strip()
    pair = text[0] + text[-1]
    if pair == "{}":
        return read_structure(inside) if inside else Node("scalar", "\\emptyset")
    commas = _split(inside, re.compile(r"[,;]"))
    if len(commas) == 1:
        return read_structure(inside) if pair == "()" and inside else None
    if pair == "()":
        return _contents("tuple", inside, text, pair)
    if len(commas) == 2:
        return Node("interval", text, tuple(Node("scalar", each.strip()) for each in commas), pair)
    return _contents("list", inside, text, "") if pair == "[]" else None


def _contents(kind: Kind, inside: str, text: str, brackets: str) -> Node:
    if not inside.strip():
        return Node("scalar", "\\emptyset")
    separator = ";" if len(_split(inside, re.compile(";"))) > 1 else ","
    parts: list[Node] = []
    for each in _split(inside, re.compile(separator)):
        part = read_structure(each)
        parts += part.parts if part.kind == "list" and PLUS_MINUS.search(each) else [part]
    return Node(kind, text, tuple(parts), brackets)


def _split(text: str, pattern: re.Pattern[str], keep: bool = False) -> list[str]:
    """Return the texts between matches outside brackets; with `keep`, the matches as well."""
    found: list[str] = []
    start = position = depth = 0
    while position < len(text):
        match = pattern.match(text, position) if depth == 0 else None
        if match and match.end() > position:
            found += [text[start : match.start()], match[0]]
            start = position = match.end()
            continue
        if text[position] == "\\" and position + 1 < len(text):
            step = re.compile(r"\\begin\s*\{[^{}]*\}|\\end\s*\{[^{}]*\}|\\[a-zA-Z]+|\\.", re.DOTALL).match(
                text, position
            )
            assert step is not None
            depth += {"\\begin": 1, "\\end": -1, "\\{": 1, "\\}": -1, "\\langle": 1, "\\rangle": -1}.get(
                step[0].split("{")[0] if step[0][1:2].isalpha() else step[0], 0
            )
            position = step.end()
            continue
        depth += (text[position] in OPENING) - (text[position] in CLOSING)
        position += 1
    found.append(text[start:])
    if keep:
        return found
    return [part for part in found[::2] if part.strip()] or [text]


def _matching(text: str, start: int) -> int | None:
    depth = 0
    for position in range(start, len(text)):
        if text[position - 1 : position] != "\\" or position == 0:
            depth += (text[position] in OPENING) - (text[position] in CLOSING)
        if depth == 0:
            return position
    return None


def _signed(text: str, sign: str) -> str:
    other = "-" if sign == "+" else "+"
    signed = PLUS_MINUS.sub(lambda found: sign if found[1] == "pm" else other, text)
    return re.sub(r"\A\s*\+\s*", "", signed)
