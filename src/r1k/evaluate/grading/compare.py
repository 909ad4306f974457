"""Compare two answers part by part: units, bases, ratios, lists, intervals, equations and expressions."""

import re
from collections.abc import Sequence
from typing import Any

import sympy

from r1k.evaluate.grading.expressions import same_ratio
from r1k.evaluate.grading.scalars import UnparsedError, is_readable_scalar, same_scalar, scalar_expression
from r1k.evaluate.grading.structure import ELLIPSIS, Node, is_label, read_structure
from r1k.evaluate.grading.words import is_words, unwrapped
from r1k.evaluate.latex_normalize import THOUSANDS, join_thousands, normalize_layout

WHOLE_TEXT = re.compile(r"\\(?:text|mbox|textrm)\s*\{\s*(?:[-$]?\d[^{}]*|[^{}]*(?:,|\b(?:and|or)\b)[^{}]*)\}")
DECIMAL_COMMA = re.compile(r"(-?0),(\d+)")
FLIPPED = {"<": ">", ">": "<", "\\le": "\\ge", "\\ge": "\\le", "\\ne": "\\ne", "=": "="}
COLLECTIONS = ("list", "set", "tuple")


def same_answer(gold: str, answer: str) -> bool:
    """Return whether an answer is the same as the gold answer in any notation.

    Raises:
        UnparsedError: A part of the answer cannot be parsed, and the texts differ.
        IntractableError: A value is too large, or has no rule of evaluation.
    """
    golds, answers = _readings(gold), _readings(answer)
    failure: UnparsedError | None = None
    for one in golds:
        for other in answers:
            try:
                if _same(read_structure(one), read_structure(other)):
                    return True
            except UnparsedError as error:
                failure = error
    if failure:
        raise failure
    return False


def is_readable(gold: str) -> bool:
    """Return whether every part of a gold answer is words or mathematics that latex2sympy parses."""
    return any(_is_readable(read_structure(text)) for text in _readings(gold))


def _is_readable(node: Node) -> bool:
    return all(map(_is_readable, node.parts)) if node.parts else is_readable_scalar(node.text)


def _readings(answer: str) -> list[str]:
    """Return the ways to read an answer: `2,125` is a number and a list; `0,1` is a list and a decimal."""
    text = normalize_layout(answer)
    if WHOLE_TEXT.fullmatch(text) or (is_words(text) and re.search(r",|;|\b(?:and|or)\b", text)):
        text = unwrapped(text)
    if DECIMAL_COMMA.fullmatch(text):
        return [text, text.replace(",", ".")]
    if not THOUSANDS.search(text):
        return [join_thousands(text)]
    if re.match(r"[(\[]|\\\{", text) and not re.search(r",\s", text):
        return [text]
    joined = join_thousands(text)
    return [joined] if re.search(r",\s", text) else [joined, THOUSANDS.sub(lambda run: run[0].replace(",", ", "), text)]


def _same(gold: Node, answer: Node) -> bool:
    if gold.text == answer.text and gold.label == answer.label:
        return True
    if "equation" in (gold.kind, answer.kind):
        return _same_equation(gold, answer)
    if "inequality" in (gold.kind, answer.kind):
        return _same_inequality(gold, answer)
    if gold.label and answer.label and not _same_label(gold.label, answer.label):
        return gold.kind == answer.kind == "scalar" and _same_equation(gold, answer)
    if gold.kind == answer.kind == "scalar":
        return same_scalar(gold.text, answer.text)
    if gold.kind == answer.kind == "interval":
        return gold.brackets == answer.brackets and _pairwise(gold.parts, answer.parts)
    if "matrix" in (gold.kind, answer.kind):
        return _same_matrix(gold, answer)
    return _same_collection(gold, answer)


def _same_label(gold: str, answer: str) -> bool:
    return re.sub(r"[\s{}]", "", gold) == re.sub(r"[\s{}]", "", answer)


def _same_matrix(gold: Node, answer: Node) -> bool:
    if gold.kind == answer.kind:
        return gold.shape == answer.shape and _pairwise(gold.parts, answer.parts)
    matrix, other = (gold, answer) if gold.kind == "matrix" else (answer, gold)
    return 1 in matrix.shape and other.kind == "tuple" and _pairwise(gold.parts, answer.parts)


def _same_collection(gold: Node, answer: Node) -> bool:
    """Compare lists and sets without order, tuples in order; a list stands for either."""
    kinds = {gold.kind, answer.kind}
    if kinds == {"set", "tuple"} or (kinds & {"interval"} and not kinds & {"list", "set"}):
        return False
    golds, answers = _parts(gold), _parts(answer)
    if "tuple" not in kinds and len(golds) != len(answers):
        golds, answers = _distinct(golds), _distinct(answers)
    if len(golds) != len(answers):
        return False
    if kinds & {"scalar", "interval"}:
        return "tuple" not in kinds and len(golds) == 1 and _same(golds[0], answers[0])
    names = [[part.label for part in parts] for parts in (golds, answers)]
    is_named = [None not in each and len(set(each)) == len(each) > 1 for each in names]
    if all(is_named):
        return _matching(golds, answers)
    if any(is_named) or "tuple" in kinds or ELLIPSIS.search(gold.text):
        return _pairwise([_unlabelled(part) for part in golds], [_unlabelled(part) for part in answers])
    if len({*names[0], *names[1]} - {None}) < 2:
        golds, answers = [_unlabelled(part) for part in golds], [_unlabelled(part) for part in answers]
    return _matching(golds, answers)


def _parts(node: Node) -> list[Node]:
    return list(node.parts) if node.kind in COLLECTIONS else [node]


def _unlabelled(node: Node) -> Node:
    return Node(node.kind, node.text, node.parts, node.brackets, None, node.shape)


def _distinct(parts: Sequence[Node]) -> list[Node]:
    kept: list[Node] = []
    for part in parts:
        if not any(_same_or_unparsed(part, other) for other in kept):
            kept.append(part)
    return kept


def _same_or_unparsed(one: Node, other: Node) -> bool:
    try:
        return _same(one, other)
    except UnparsedError:
        return False


def _pairwise(golds: Sequence[Node], answers: Sequence[Node]) -> bool:
    return len(golds) == len(answers) and all(_same(*pair) for pair in zip(golds, answers, strict=True))


def _matching(golds: Sequence[Node], answers: Sequence[Node]) -> bool:
    """Return whether each part of one list is the same as one of the other."""
    left = list(answers)
    failure: UnparsedError | None = None
    for gold in golds:
        for position, answer in enumerate(left):
            try:
                if _same(gold, answer):
                    del left[position]
                    break
            except UnparsedError as error:
                failure = error
        else:
            if failure:
                raise failure
            return False
    return not left


def _same_equation(gold: Node, answer: Node) -> bool:
    """Compare equations up to a factor; an answer's equation gives its last side, a gold answer's equation is whole."""
    if answer.kind == "equation" and gold.label is None and gold.kind != "equation":
        first, last = answer.parts[0], answer.parts[-1]
        value = first if is_label(last.text) and not is_label(first.text) else last
        return _same(gold, read_structure(value.text))
    sides = [_sides(node) for node in (gold, answer)]
    if None in sides:
        return False
    forms = [_difference(pair) for pair in sides if pair]
    return bool(same_ratio(*forms))


def _sides(node: Node) -> tuple[str, str] | None:
    if node.kind == "equation":
        return node.parts[0].text, node.parts[-1].text
    return (node.label, node.text) if node.kind == "scalar" and node.label else None


def _difference(sides: tuple[str, str]) -> Any:
    left, right = (scalar_expression(side) for side in sides)
    return sympy.Add(left, sympy.Mul(-1, right, evaluate=False), evaluate=False)


def _same_inequality(gold: Node, answer: Node) -> bool:
    if gold.kind == answer.kind:
        chains = [_ascending(node) for node in (gold, answer)]
        if chains[0][1] != chains[1][1]:
            return False
        if _pairwise(chains[0][0], chains[1][0]):
            return True
        if len(chains[0][1]) > 1:
            return False
        forms = [_difference((chain[0][0].text, chain[0][1].text)) for chain in chains]
        ratio = same_ratio(*forms)
        return ratio == 1 or (ratio == -1 and chains[0][1] == ["\\ne"])
    ranges = [_as_range(node) if node.kind == "inequality" else node for node in (gold, answer)]
    if ranges[0] is None or ranges[1] is None:
        return False
    return _same(_unlabelled(ranges[0]), _unlabelled(ranges[1]))


def _ascending(node: Node) -> tuple[list[Node], list[str]]:
    """Return the sides and signs of an inequality, from small to large."""
    signs, parts = node.brackets.split(), list(node.parts)
    if signs[0] in (">", "\\ge"):
        return parts[::-1], [FLIPPED[sign] for sign in signs[::-1]]
    return parts, signs


def _as_range(node: Node) -> Node | None:
    """Return the interval that an inequality with a name describes."""
    parts, signs = _ascending(node)
    if not set(signs) <= {"<", "\\le"}:
        return None
    if len(parts) == 3 and is_label(parts[1].text):
        low, high = parts[0], parts[2]
    elif len(parts) == 2 and is_label(parts[0].text) and not is_label(parts[1].text):
        low, high, signs = Node("scalar", "-\\infty"), parts[1], ["<", *signs]
    elif len(parts) == 2 and is_label(parts[1].text) and not is_label(parts[0].text):
        low, high, signs = parts[0], Node("scalar", "\\infty"), [*signs, "<"]
    else:
        return None
    brackets = ("[" if signs[0] == "\\le" else "(") + ("]" if signs[1] == "\\le" else ")")
    if brackets == "()":
        return Node("tuple", node.text, (low, high), brackets)
    return Node("interval", node.text, (low, high), brackets)
