"""Reasoning tags and special tokens: split where they are marks, found where they are left, harmless where they are
text."""

import pytest

from r1k.teacher.protocol.finish_reasons import finish_kind
from r1k.teacher.protocol.reasoning_tags import SplitText, split_reasoning, stray_marks

END = "<｜end▁of▁sentence｜>"


@pytest.mark.parametrize(
    ("content", "field", "text", "reasoning"),
    [
        ("<think>\n2+2\n</think>\n\n4", "", "4", "2+2"),
        ("2+2\n</think>\n\n4", "", "4", "2+2"),
        ("2+2</think>4", "", "4", "2+2"),
        ("4", "2+2", "4", "2+2"),
        ("</think>\n\n4", "2+2", "4", "2+2"),
        ("<think>\n\n</think>\n\n4", "2+2", "4", "2+2"),
        ("<think>2+2</think>4", "2+2", "4", "2+2"),
        ("so it is 4\n</think>\n\n4", "2+2,", "4", "2+2,\nso it is 4"),
        ("4", "<think>\n2+2\n</think>", "4", "2+2"),
        ("<think><think>2+2</think>\n</think>4", "", "4", "2+2"),
        ("<Think>2+2</THINK>4", "", "4", "2+2"),
        ("<thinking>2+2</thinking>4", "", "4", "2+2"),
        ("◁think▷2+2◁/think▷4", "", "4", "2+2"),
        ("[THINK]2+2[/THINK]4", "", "4", "2+2"),
        (f"4{END}", f"2+2{END}", "4", "2+2"),
        ("<｜begin▁of▁sentence｜>4", "2+2", "4", "2+2"),
        ("4<|im_end|>\n<|endoftext|>", "2+2", "4", "2+2"),
        ("4<|eot_id|>", "2+2", "4", "2+2"),
        ("4</s>", "2+2", "4", "2+2"),
        ("<s> 4 </s>", "2+2", "4", "2+2"),
        ("4<end_of_turn>\n", "2+2", "4", "2+2"),
        ("4 <eos>", "2+2", "4", "2+2"),
        ("4<0x0A>", "2+2", "4", "2+2"),
        ("4<|END_OF_TURN_TOKEN|>", "2+2", "4", "2+2"),
        ("<｜Assistant｜>4", "2+2</think>", "4", "2+2"),
        (f"<think>2+2{END}</think>4", "", "4", "2+2"),
        ("```python\n2+2\n</think>\n4\n```\nx\n```", "", "4\n```\nx\n```", "```python\n2+2"),
    ],
)
def test_marks_at_the_ends_are_removed_and_the_rest_is_clean(content, field, text, reasoning):
    assert split_reasoning(content, field) == SplitText(text, reasoning)
    assert stray_marks(text) == stray_marks(reasoning) == []


@pytest.mark.parametrize(
    ("content", "field", "found"),
    [
        ("<think>2\n<think>\n2</think>4", "", ["<think>"]),
        ("<think>a</think>1<think>b</think>2", "", ["</think>", "<think>"]),
        ("4\n<think>\nor is it 5?", "2+2", ["<think>"]),
        ("Then the tag </think> follows.", "2+2", ["</think>"]),
        ("4<|im_end|>\n<|im_start|>user\nAnd 3+3?", "2+2", ["<|im_end|>", "<|im_start|>"]),
        (f"4{END}4", "2+2", [END]),
        ("4 <|begin▁of▁sentence|> 5", "2+2", ["<|begin▁of▁sentence|>"]),
        ("a<|channel|>final<|message|>4", "2+2", ["<|channel|>", "<|message|>"]),
        ("4 [INST] next [/INST] 5", "2+2", ["[INST]", "[/INST]"]),
        ("4", "2<|im_end|>2", ["<|im_end|>"]),
        ("4<|reserved_special_token_12|>5", "2+2", ["<|reserved_special_token_12|>"]),
    ],
)
def test_marks_that_are_left_are_found(content, field, found):
    split = split_reasoning(content, field)
    assert stray_marks(split.text) + stray_marks(split.reasoning) == found


@pytest.mark.parametrize(
    "text",
    [
        "The mean <|v|> exceeds <|v_max|>, and <|psi|> is a state.",
        "In HTML, <s>3</s> is struck out, and <b>4</b> is bold.",
        "It was <s>3</s>",
        "Close the block with `</think>` and end the turn with `<|im_end|>`.",
        "```\n<think>\nplan\n</think>\n```\nis the format.",
        "If x < y and y > z, then a<b>c is no tag; think of \\langle x | y \\rangle",
        "The token <eos> ends a sequence, <bos> begins it, and </s> is another.",
        "f: A -> B, |x| < 3, <a, b>, <<1, 2>>",
        "<answer>4</answer>",
        "He thinks: </thinks>",
        "",
    ],
)
def test_text_on_mathematics_html_or_code_is_left_alone(text):
    assert split_reasoning(text, "2+2") == SplitText(text, "2+2")
    assert stray_marks(text) == []


def test_a_chain_of_thought_that_is_never_closed_is_no_text():
    assert split_reasoning("<think>\n2+2 is") == SplitText("", "2+2 is", unclosed=True)
    assert split_reasoning("<think>2", "3") == SplitText("", "3\n2", unclosed=True)


def test_marks_at_the_ends_of_other_peoples_text_are_found():
    assert stray_marks("<s>4</s>") == ["<s>", "</s>"]
    assert stray_marks(f"4{END}") == [END]
    assert stray_marks("4\n</think>") == ["</think>"]


def test_a_long_text_is_searched_in_linear_time():
    assert stray_marks("<｜" * 20000 + " " * 200000 + "<|" * 20000) == []
    assert split_reasoning("x" * 10**6 + "\n</think>\n4").text == "4"


@pytest.mark.parametrize(
    ("reasons", "kind"),
    [
        ("stop STOP eos eos_token end_turn stop_sequence FINISH_REASON_STOP FinishReason.STOP end-of-turn", "complete"),
        ("length max_tokens MAX_TOKENS max_output_tokens model_length", "truncated"),
        ("content_filter SAFETY RECITATION PROHIBITED_CONTENT sensitive refusal", "refused"),
        ("insufficient_system_resource error abort network_error", "interrupted"),
        ("tool_calls function_call tool_use", "tool_call"),
        ("none weather OTHER", "unknown"),
    ],
)
def test_the_names_of_a_finish_reason(reasons, kind):
    assert {reason: finish_kind(reason) for reason in reasons.split()} == dict.fromkeys(reasons.split(), kind)
