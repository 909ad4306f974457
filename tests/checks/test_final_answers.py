import pytest

from examples import make_both
from r1k.checks.answers import final_answers, forward_answers

FORWARD = make_both(1)[0][0]


def answers(text: str) -> list[str]:
    return [str(answer) for answer in final_answers(FORWARD.model_copy(update={"answer": text}))]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("So it is \\boxed{49}.", ["49"]),
        ("Answer: it follows.\n\n\\boxed{\\text{GREAT DOSH}}", ["GREAT DOSH"]),
        ("Kinetic: \\boxed{\\dfrac{3}{2}}\nPotential: \\boxed{-1}", ["1.5", "-1"]),
        ("That is \\boxed{4}, and once more \\boxed{4}", ["4"]),
        ("It is an anagram.\n\n**Answer**: GOATHERDS", ["GOATHERDS"]),
        ("Answer: To prove that it is so, proceed as follows:\n1. Split it.", []),
        ("The answer is 49.", []),
        ("\\boxed{4", []),
    ],
)
def test_an_answer_is_a_box_or_the_last_line(text, found):
    assert answers(text) == found


@pytest.mark.parametrize(
    ("answer", "is_words"),
    [
        ("GREAT DOSH", True),
        ("\\text{Linear profile}", True),
        ("4kTR", False),
        ("mgh", False),
        ("\\sin x + \\arctan y", False),
        ("12 m", False),
    ],
)
def test_words_are_distinguished_from_products_of_letters(answer, is_words):
    (found,) = final_answers(FORWARD.model_copy(update={"answer": f"\\boxed{{{answer}}}"}))
    assert found.is_words == is_words


def test_a_letter_resolves_to_its_option():
    question = "A current of 5 amperes, 3 ohms. What is it of these? A) sum B) product C) 12 V"
    reasoning = "A law. 5*3=15. So the voltage is 15, the product. A is the sum, B is the product."
    for letter, expected in (("B", "15"), ("C", "12 V"), ("A", "sum")):
        changes = {"question": question, "reasoning": reasoning, "answer": f"\\boxed{{{letter}}}"}
        assert str(final_answers(FORWARD.model_copy(update=changes))[0]) == expected


@pytest.mark.parametrize(
    ("answer", "gold", "found"),
    [
        ("\\boxed{100}", "900", ["100", "900"]),
        ("\\boxed{4}", "4", ["4"]),
        ("It is GOATHERDS.", "### Answer: GOATHERDS \n ### Explanation: an anagram.", ["GOATHERDS"]),
        (
            "Unclear",
            "By integration we obtain, at length and at last:\n$$ p = q \\tag{4} $$ and $$p(z)=p(0) z$$",
            ["p(0) z"],
        ),
        ("Unclear", None, []),
    ],
)
def test_forward_answers_are_the_responses_and_the_gold_answer(answer, gold, found):
    forward = FORWARD.model_copy(update={"answer": answer, "gold": gold})
    assert [str(conclusion) for conclusion in forward_answers(forward)] == found
