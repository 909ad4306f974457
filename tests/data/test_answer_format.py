import json
import re

import pytest

from r1k.boxed import last_boxed
from r1k.data.answer_format import normalize_answer
from r1k.evaluate.extract import final_answer
from r1k.records import Response
from r1k.text import format_response


@pytest.mark.parametrize(
    ("answer", "normalized"),
    [
        (r"Thus the mean is \(\boxed{651}\).", "Thus the mean is \\(651\\).\n\nAnswer: 651"),
        ("Answer: It is so.\n\n\\boxed{GREAT DOSH}", "It is so.\n\nAnswer: GREAT DOSH"),
        ("Because of goats.\n\n**Answer**: GOATHERDS", "Because of goats.\n\nAnswer: GOATHERDS"),
        ("### Final Answer: \\[\n\\boxed{\\frac{1}{2}}\n\\]", "\\[\n\\frac{1}{2}\n\\]\n\nAnswer: \\frac{1}{2}"),
        ("Potential: \\boxed{-1}", "Potential: -1\n\nAnswer: -1"),
        ("- first\n- second", "- first\n\nAnswer: second"),
        ("Thus THF is best.", "Answer: Thus THF is best."),
        ("Answer: All of it\nis the proof.\nHence it holds.", "All of it\nis the proof.\n\nAnswer: Hence it holds."),
        ("\\boxed{7}", "Answer: 7"),
        ("Answer: 7", "Answer: 7"),
        ("$\\boxed{7}$", "Answer: 7"),
        ("The value:\n\\[\\boxed{}\\]\n$x$", "The value:\n\nAnswer: x"),
    ],
)
def test_answers_are_normalized(answer, normalized):
    assert normalize_answer(answer) == normalized
    assert normalize_answer(normalized) == normalized


def test_normalization_keeps_the_extracted_answer():
    for answer in (r"Thus \boxed{651}.", "Answer: It is\n\\boxed{\\frac{1}{2}}"):
        before, after = (
            final_answer(format_response(Response(reasoning="r", answer=text)))
            for text in (answer, normalize_answer(answer))
        )
        assert before == after


def test_real_answers_of_both_directions_get_the_same_format(shared_data):
    rows = [json.loads(line) for line in (shared_data / "s1k_r1k_20.jsonl").read_text().splitlines()]
    answers = [row[column] for row in rows for column in ("deepseek_attempt", "reverse_attempt")]
    assert len(answers) == 40
    for answer in answers:
        normalized = normalize_answer(answer)
        assert normalize_answer(normalized) == normalized
        assert len(re.findall(r"^Answer: \S", normalized, re.MULTILINE)) == 1
        assert normalized.splitlines()[-1].startswith("Answer: ")
        assert last_boxed(normalized) is None
