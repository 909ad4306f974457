"""Mechanical rewritings of the fifty MATH500 gold answers: the same answers set otherwise, and wrong ones."""

import json
import re

import pytest

from r1k.evaluate.grade import grade_sample
from r1k.records import Question, Sample

ROWS = "math500_50.jsonl"
SETTINGS = {
    "display fractions": lambda text: text.replace("\\frac", "\\dfrac"),
    "text fractions": lambda text: text.replace("\\frac", "\\tfrac"),
    "growing brackets": lambda text: text.replace("(", "\\left(").replace(")", "\\right)"),
    "bracket sizes": lambda text: text.replace("\\left", "\\bigl").replace("\\right", "\\bigr"),
    "no sizes": lambda text: text.replace("\\left", "").replace("\\right", ""),
    "spaces around": lambda text: f"  {text}  ",
    "thin spaces around": lambda text: f"\\,{text}\\,",
    "a tie before": lambda text: f"~{text}",
    "a space command after": lambda text: f"{text}\\ ",
    "a line end after": lambda text: f"{text} \\\\",
    "a full stop": lambda text: f"{text}.",
    "dollar signs": lambda text: f"${text}$",
    "double dollar signs": lambda text: f"$${text}$$",
    "parentheses of mathematics": lambda text: f"\\({text}\\)",
    "display style": lambda text: f"\\displaystyle {text}",
    "braces": lambda text: f"{{{text}}}",
    "spaces after commas": lambda text: text.replace(",", ", "),
    "thin spaces after commas": lambda text: text.replace(",", ",\\,"),
    "no spaces": lambda text: re.sub(r"(?<![a-zA-Z]) +| +(?![a-zA-Z])", "", text),
    "mathematics in bold": lambda text: f"**{text}**",
    "a name": lambda text: text if re.search(r"[=,]|text", text) else f"x = {text}",
    "the answer, named": lambda text: text if re.search(r"[=,]|text", text) else f"\\text{{Answer}} = {text}",
    "an equals sign": lambda text: text if "=" in text else f"= {text}",
    "minus signs of typography": lambda text: text.replace("-", "−"),
    "full-width digits": lambda text: re.sub(r"(?<!\\)\d", lambda digit: chr(ord(digit[0]) + 0xFEE0), text),
    "the letter pi": lambda text: text.replace("\\pi", "π"),
    "pi in a program": lambda text: text.replace("\\pi", "pi"),
    "roots in a program": lambda text: re.sub(r"\\sqrt\{?(\d+)\}?", r"sqrt(\1)", text),
    "roots in Unicode": lambda text: re.sub(r"\\sqrt\{?(\d+)\}?", r"√\1", text),
    "slashes": lambda text: re.sub(r"\\frac\{([^{}]+)\}\{([^{}]+)\}", r"\1/\2", text),
    "the degree sign": lambda text: text.replace("^\\circ", "°"),
    "degrees in words": lambda text: text.replace("^\\circ", "\\text{ degrees}"),
    "no degree sign": lambda text: text.replace("^\\circ", ""),
    "a word without its command": lambda text: re.sub(r"\\text\{(\w+)\}", r"\1", text),
    "upright i": lambda text: re.sub(r"(?<=\d)i\b", r"\\mathrm{i}", text),
    "with one factor more": lambda text: f"1 \\cdot {text}" if re.fullmatch(r"\d+", text) else text,
    "a decimal nought": lambda text: f"{text}.0" if re.fullmatch(r"\d+", text) else text,
    "thousands": lambda text: f"{int(text):,}" if re.fullmatch(r"\d+", text) else text,
    "thousands in LaTeX": lambda text: f"{int(text):,}".replace(",", "{,}") if re.fullmatch(r"\d+", text) else text,
    "thousands with spaces": lambda text: f"{int(text):,}".replace(",", "\\,") if re.fullmatch(r"\d+", text) else text,
    "a unit": lambda text: f"{text} \\text{{ cm}}" if re.fullmatch(r"\d+", text) else text,
    "a noun": lambda text: f"{text} \\text{{ students}}" if re.fullmatch(r"\d+", text) else text,
    "ordinal": lambda text: f"{text}^{{\\text{{th}}}}" if re.fullmatch(r"\d+", text) else text,
    "twice over two": lambda text: f"\\frac{{{2 * int(text)}}}{{2}}" if re.fullmatch(r"\d+", text) else text,
}
WRONG = {
    "the next number": lambda text: re.sub(r"\d+", lambda found: str(int(found[0]) + 1), text, count=1),
    "the opposite": lambda text: f"-({text})" if not re.search(r"[,=]|text", text) and text != "0" else f"{text}, 991",
    "a million times": lambda text: f"{text} \\text{{ million}}" if re.fullmatch(r"\d+", text) else f"{text}, 991",
    "a letter more": lambda text: f"{text}q" if re.fullmatch(r"\d+", text) else f"{text} + q",
    "a letter after a space": lambda text: f"{text} q" if re.fullmatch(r"\d+", text) else f"{text} + q",
    "another beside it": lambda text: f"{text}, 991",
    "one of two": lambda text: f"{text} \\text{{ or }} 991",
    "denied": lambda text: f"{text} \\text{{ is wrong}}",
    "a thousandth more": lambda text: f"{text}.001" if re.fullmatch(r"\d+", text) else f"{text} + 0.001",
    "a tiny part more": lambda text: f"{text} + 10^{{-30}}" if "text" not in text else f"{text}ly",
    "its digits apart": lambda text: " ".join(text) if re.fullmatch(r"\d{2}", text) else f"{text}, 991",
    "a factorial": lambda text: f"{text}!" if re.fullmatch(r"\d{2,}|[3-9]", text) else f"{text}, 991",
}


@pytest.fixture(scope="module")
def rows(shared_data):
    return [json.loads(line) for line in (shared_data / ROWS).read_text().splitlines()]


def is_right(gold, completion):
    question = Question(id="q", benchmark="b", question="?", gold=gold, kind="k")
    sample = Sample(id="q", benchmark="b", prompt="?", completion=completion, tokens=1, truncated=False)
    return grade_sample(question, sample, "expression").correct


def test_the_reference_solutions_are_right(rows):
    assert [row["answer"] for row in rows if not is_right(row["answer"], row["solution"])] == []


@pytest.mark.slow
@pytest.mark.parametrize("setting", SETTINGS)
def test_a_gold_answer_set_otherwise_is_right(setting, rows):
    for completion in ("\\boxed{{{}}}", "Answer: {}"):
        if completion.startswith("\\") and setting == "a line end after":
            continue
        answers = [(row["answer"], SETTINGS[setting](row["answer"])) for row in rows]
        wrong = [pair for pair in answers if not is_right(pair[0], completion.format(pair[1]))]
        assert wrong == []


@pytest.mark.slow
@pytest.mark.parametrize("error", WRONG)
def test_a_gold_answer_with_an_error_is_wrong(error, rows):
    answers = [(row["answer"], WRONG[error](row["answer"])) for row in rows]
    assert [pair for pair in answers if pair[0] != pair[1] and is_right(pair[0], f"\\boxed{{{pair[1]}}}")] == []


@pytest.mark.slow
def test_no_gold_answer_is_right_for_another(rows):
    golds = sorted({row["answer"] for row in rows})
    right = {(a, b) for a in golds for b in golds if a != b and is_right(a, f"\\boxed{{{b}}}")}
    assert right == {("x=5", "5"), ("5", "x=5"), ("42", "52_8"), ("52_8", "42")}
