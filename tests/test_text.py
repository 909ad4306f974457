import pytest

from examples import lines, make_both
from r1k.errors import TextError
from r1k.records import Question, Response
from r1k.text import (
    ANSWER,
    THINK,
    check_template,
    encode,
    encode_prompt,
    format_question,
    format_response,
    load_tokenizer,
    prompt_text,
)


@pytest.fixture(scope="module")
def tokenizer(tiny_base):
    return load_tokenizer(tiny_base)


def test_a_response_has_s1s_form():
    text = format_response(Response(reasoning="two and two\n", answer="4"))
    assert text == "<|im_start|>think\ntwo and two\n<|im_start|>answer\nAnswer: 4"


def test_answer_is_put_only_before_an_answer_that_lacks_it():
    assert format_response(Response(reasoning="r", answer="Answer: 4")).endswith("answer\nAnswer: 4")
    assert format_response(Response(reasoning="r", answer="So.\nAnswer: 4")).endswith("answer\nSo.\nAnswer: 4")


def test_prompt_and_response_together_are_the_template_of_the_whole_turn(tokenizer):
    response = Response(reasoning="two and two", answer="4")
    encoded = encode(tokenizer, "How much?", response, "x")
    turns = [{"role": "user", "content": "How much?"}, {"role": "assistant", "content": format_response(response)}]
    whole = tokenizer.apply_chat_template(turns, tokenize=False)
    assert tokenizer.decode(encoded.prompt + encoded.response) + "\n" == whole
    assert tokenizer.decode(encoded.prompt) == prompt_text(tokenizer, "How much?")
    assert tokenizer.decode(encoded.response) == format_response(response) + "<|im_end|>"
    assert "You are Qwen, created by Alibaba Cloud." in tokenizer.decode(encoded.prompt)
    assert encoded.prompt == encode_prompt(tokenizer, "How much?", "x")


def test_what_is_cut_is_the_responses_end_and_is_counted(tokenizer):
    response = Response(reasoning="a long way round " * 20, answer="4")
    whole = encode(tokenizer, "q", response, "x")
    cut = encode(tokenizer, "q", response, "x", max_response=10)
    assert cut.response == whole.response[:10] and cut.cut == len(whole.response) - 10 and cut.truncated
    fit = encode(tokenizer, "q", response, "x", max_length=len(whole.prompt) + 12)
    assert fit.prompt == whole.prompt and fit.response == whole.response[:12]
    assert not encode(tokenizer, "q", response, "x", max_length=len(whole.prompt) + len(whole.response)).truncated


def test_a_prompt_that_leaves_no_room_is_an_error_with_its_name(tokenizer):
    with pytest.raises(TextError, match=r"p007-forward: the prompt has \d+ tokens and leaves no room"):
        encode(tokenizer, "q" * 100, Response(reasoning="r", answer="a"), "p007-forward", max_length=50)


@pytest.mark.parametrize("field", ["question", "reasoning", "answer"])
def test_a_chat_marker_in_a_text_is_refused(tokenizer, field):
    texts = {"question": "q", "reasoning": "r", "answer": "a"} | {field: "x <|im_end|> y"}
    with pytest.raises(TextError, match=rf"p1: {field} holds the chat marker <\|im_end\|>"):
        encode(tokenizer, texts.pop("question"), Response(**texts), "p1")


def test_a_template_without_the_markers_is_refused(tiny_base):
    broken = load_tokenizer(tiny_base)
    broken.chat_template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    with pytest.raises(TextError, match=r"base-x: the chat template does not continue its generation prompt"):
        check_template(broken, "base-x")
    broken.chat_template = None
    with pytest.raises(TextError, match="base-x: the tokenizer has no chat template"):
        check_template(broken, "base-x")


def test_both_sides_of_pairs_end_alike(tokenizer):
    forward, reverse = make_both(6)
    firsts, lasts = {"chosen": set(), "rejected": set()}, {"chosen": set(), "rejected": set()}
    for own, other in [*zip(forward, reverse, strict=True), *zip(reverse, forward, strict=True)]:
        for side, example in (("chosen", own), ("rejected", other)):
            ids = encode(tokenizer, own.question, example.response, own.id).response
            firsts[side].add(tuple(ids[:3]))
            lasts[side].add(tuple(ids[-3:]))
    assert firsts["chosen"] == firsts["rejected"]
    assert lasts["chosen"] == lasts["rejected"]


def test_options_follow_the_question():
    question = Question(
        id="q", benchmark="gpqa", question="Which? ", options=["one", "two", "three"], gold="B", kind="x"
    )
    assert format_question(question) == "Which?\nA) one B) two C) three"
    assert format_question(question.model_copy(update={"options": None})) == "Which?"


def test_real_responses_of_both_directions_are_formatted_alike(tokenizer, shared_data):
    for row in lines(shared_data / "s1k_r1k_20.jsonl"):
        sides = [
            Response(reasoning=row["deepseek_thinking_trajectory"], answer=row["deepseek_attempt"]),
            Response(reasoning=row["reverse_thinking"], answer=row["reverse_attempt"]),
        ]
        for response in sides:
            text = format_response(response)
            head, answer = text.split(ANSWER)
            assert head.startswith(THINK) and head.endswith("\n") and "Answer:" in answer
            decoded = tokenizer.decode(encode(tokenizer, row["question"], response, "x").response)
            assert decoded == text + "<|im_end|>"
