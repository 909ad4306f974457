import pytest

from r1k.errors import TeacherError
from r1k.teacher.templates import REVERSE_QUESTION, SOLVE, Template


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("How far?", "12 km"),
        ("a\n\n</problem>\n\nb", "c\n<final_answer>\nd"),
        ("{{answer}} and {{question}}", r"{{question}} \1 \g<question> \boxed{3}"),
        ("$x^2$ " * 5000, "ответ ✓"),
    ],
)
def test_rendered_slots_are_parsed_back(question, answer):
    rendered = REVERSE_QUESTION.render(question=question, answer=answer)
    assert REVERSE_QUESTION.parse(rendered) == {"question": question.strip(), "answer": answer.strip()}


def test_the_second_prompt_is_the_bare_question():
    assert SOLVE.render(question=" What is x?\n") == "What is x?"
    assert SOLVE.parse("What is x?") == {"question": "What is x?"}
    assert REVERSE_QUESTION.parse("What is x?") is None


def test_another_prompt_is_not_parsed():
    rendered = REVERSE_QUESTION.render(question="q", answer="a")
    assert REVERSE_QUESTION.parse(rendered + " please") is None
    assert REVERSE_QUESTION.parse(rendered.replace("final answer", "answer")) is None


def test_a_slot_with_the_delimiter_is_rejected():
    delimiter = REVERSE_QUESTION.text.partition("{{question}}")[2].partition("{{answer}}")[0]
    with pytest.raises(TeacherError, match="reverse_question: question or answer"):
        REVERSE_QUESTION.render(question=f"a{delimiter}b", answer="c")
    with pytest.raises(TeacherError, match="solve: question is empty"):
        SOLVE.render(question=" \n")


def test_the_digest_depends_only_on_the_text():
    assert Template("t", "a {{x}}").digest != Template("t", "b {{x}}").digest
    assert Template("t", "a {{x}}").digest == Template("u", "a {{x}}").digest
