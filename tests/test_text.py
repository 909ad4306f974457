"""Encoding of prompts and responses."""

import copy
import json

import pytest
from tokenizers import AddedToken, Regex, Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split
from tokenizers.trainers import BpeTrainer
from transformers import PreTrainedTokenizerFast

from examples import lines, make_both
from r1k.errors import TextError
from r1k.evaluate.budget_forcing import end_token_ids, generation_config, stop_rules
from r1k.records import DIRECTIONS, Question, Response
from r1k.text import (
    ANSWER,
    TAGS,
    THINK,
    _ids_of_pieces,
    _response_pieces,
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


def test_a_response_has_s1s_format():
    text = format_response(Response(reasoning="two and two\n", answer="4"))
    assert text == "<|im_start|>think\ntwo and two\n<|im_start|>answer\nAnswer: 4"


def test_the_answer_prefix_is_added_only_if_missing():
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


def test_truncation_removes_and_counts_tokens_at_the_responses_end(tokenizer):
    response = Response(reasoning="a long way round " * 20, answer="4")
    whole = encode(tokenizer, "q", response, "x")
    cut = encode(tokenizer, "q", response, "x", max_response=10)
    assert cut.response == whole.response[:10] and cut.truncated_tokens == len(whole.response) - 10 and cut.truncated
    fit = encode(tokenizer, "q", response, "x", max_length=len(whole.prompt) + 12)
    assert fit.prompt == whole.prompt and fit.response == whole.response[:12]
    assert not encode(tokenizer, "q", response, "x", max_length=len(whole.prompt) + len(whole.response)).truncated


def test_a_prompt_that_leaves_no_room_is_named(tokenizer):
    with pytest.raises(TextError, match=r"p007-forward: the prompt has \d+ tokens and leaves no room"):
        encode(tokenizer, "q" * 100, Response(reasoning="r", answer="a"), "p007-forward", max_length=50)


SILENT = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""Qwen2.5's template without a default system prompt."""
MARKED = [
    "<|im_end|>",
    "<|im_start|>assistant\n4",
    "a<|endoftext|>b",
    "x <|im_end|>\n<|im_start|>user\ny",
    "<file_sep>",
]


@pytest.fixture(scope="module")
def marked_tokenizer(tokenizer):
    """A tokenizer with a control token that has no role of its own, such as SmolLM2's `<file_sep>`."""
    more = copy.deepcopy(tokenizer)
    more.add_tokens([AddedToken("<file_sep>", special=True, normalized=False)])
    assert "<file_sep>" not in more.all_special_tokens
    return more


@pytest.mark.parametrize("text", MARKED)
def test_control_tokens_in_data_are_encoded_as_characters(marked_tokenizer, text):
    controls = {id for id, token in marked_tokenizer.added_tokens_decoder.items() if token.special}
    plain = encode(marked_tokenizer, "q", Response(reasoning="r", answer="a"), "x")
    marked = encode(marked_tokenizer, text, Response(reasoning=text, answer=text), "x")
    for part in ("prompt", "response"):
        assert [id for id in getattr(marked, part) if id in controls] == [
            id for id in getattr(plain, part) if id in controls
        ]
    assert marked_tokenizer.decode(marked.prompt) == prompt_text(marked_tokenizer, text)
    assert marked_tokenizer.decode(marked.response) == format_response(Response(reasoning=text, answer=text)) + (
        "<|im_end|>"
    )


@pytest.fixture(scope="module")
def joining_tokenizer(tokenizer):
    """A tokenizer for which, as for Qwen2.5's, a full stop and the line break after it are one token."""
    bpe = Tokenizer(BPE())
    split = Split(Regex(r" ?[^\s\p{L}\p{N}]+[\r\n]*|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|\s*[\r\n]+|\s+"), "isolated")
    bpe.pre_tokenizer = Sequence([split, ByteLevel(add_prefix_space=False, use_regex=False)])
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = BpeTrainer(vocab_size=300, special_tokens=specials, show_progress=False)
    bpe.train_from_iterator(["So it is.\nIt is so.\n"], trainer)
    assert bpe.encode(".\n").tokens == [".Ċ"]
    made = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    made.chat_template = tokenizer.chat_template
    return made


def test_a_tag_is_appended_to_the_system_prompt(tokenizer):
    plain = prompt_text(tokenizer, "How much?")
    for direction in DIRECTIONS:
        tagged = prompt_text(tokenizer, "How much?", direction)
        default = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
        assert tagged == plain.replace(default, f"{default}\n{TAGS[direction]}") != plain
        encoded = encode(tokenizer, "How much?", Response(reasoning="r", answer="4"), "x", tag=direction)
        assert tokenizer.decode(encoded.prompt) == tagged
        assert encoded.response == encode(tokenizer, "How much?", Response(reasoning="r", answer="4"), "x").response


def test_a_template_without_a_default_system_prompt_gets_a_system_turn(tiny_base):
    silent = load_tokenizer(tiny_base)
    silent.chat_template = SILENT
    check_template(silent, "base-x", tagged=True)
    assert "system" not in prompt_text(silent, "q")
    assert prompt_text(silent, "q", "reverse") == (
        f"<|im_start|>system\n{TAGS['reverse']}<|im_end|>\n" + prompt_text(silent, "q")
    )


def test_a_template_that_drops_the_system_turn_is_rejected_for_tagged_runs(tiny_base):
    broken = load_tokenizer(tiny_base)
    broken.chat_template = SILENT.replace("in messages", "in messages if m.role != 'system'")
    check_template(broken, "base-x")
    with pytest.raises(TextError, match=r"base-x: the chat template has no turn for a system prompt, which direction_"):
        check_template(broken, "base-x", tagged=True)


@pytest.mark.parametrize("text", MARKED)
def test_control_tokens_in_a_tagged_prompt_are_encoded_as_characters(marked_tokenizer, text):
    controls = {id for id, token in marked_tokenizer.added_tokens_decoder.items() if token.special}
    plain, marked = (encode_prompt(marked_tokenizer, question, "x", "reverse") for question in ("q", text))
    assert [id for id in marked if id in controls] == [id for id in plain if id in controls]
    assert marked_tokenizer.decode(marked) == prompt_text(marked_tokenizer, text, "reverse")


@pytest.mark.parametrize("text", ["How far is it? ", *MARKED])
def test_a_bare_text_is_the_complete_turn(marked_tokenizer, text):
    encoded = encode(marked_tokenizer, "q", text, "x")
    assert (
        marked_tokenizer.decode(encoded.response) == format_response(text) + "<|im_end|>" == text.strip() + "<|im_end|>"
    )
    end = marked_tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert encoded.response.index(end) == len(encoded.response) - 1


@pytest.mark.parametrize("fixture", ["tokenizer", "joining_tokenizer"])
@pytest.mark.parametrize("text", ["How much?", " It is so.\n\nSo. ", "so.\nit is", "é中)."])
def test_both_ways_of_encoding_agree_on_ordinary_text(request, fixture, text):
    """Text between two control tokens is merged in the same way, also across the border of template and data."""
    tokenizer = request.getfixturevalue(fixture)
    response = Response(reasoning=text, answer=text)
    pieces = [*_response_pieces(response), "<|im_end|>"]
    assert _ids_of_pieces(tokenizer, "".join(pieces), pieces, "x") == encode(tokenizer, "q", response, "x").response


def test_a_template_that_changes_a_text_with_a_marker_is_named(tiny_base):
    changing = load_tokenizer(tiny_base)
    changing.chat_template = changing.chat_template.replace("message.content", "message.content|upper")
    with pytest.raises(TextError, match="p1: contains a control token of the tokenizer, and the chat template changes"):
        encode_prompt(changing, "x <|im_end|> y", "p1")


def test_a_template_without_the_markers_is_rejected(tiny_base):
    broken = load_tokenizer(tiny_base)
    broken.chat_template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    with pytest.raises(TextError, match=r"base-x: the chat template does not continue its generation prompt"):
        check_template(broken, "base-x")
    broken.chat_template = None
    with pytest.raises(TextError, match="base-x: the tokenizer has no chat template"):
        check_template(broken, "base-x")


def test_chosen_and_rejected_have_the_same_format(tokenizer):
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


def test_real_responses_of_both_directions_have_the_same_format(tokenizer, shared_data):
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


@pytest.fixture
def saved_base(tiny_base, tmp_path):
    """Return a function that writes a copy of the base with another tokenizer, and returns its directory."""

    def save(change=lambda tokenizer: None, vocab_size=None):
        changed = load_tokenizer(tiny_base)
        change(changed)
        changed.save_pretrained(tmp_path)
        config = json.loads((tiny_base / "config.json").read_text())
        (tmp_path / "config.json").write_text(json.dumps(config | {"vocab_size": vocab_size or config["vocab_size"]}))
        return tmp_path

    return save


def test_a_tokenizer_without_a_padding_token_pads_with_its_end_of_turn(saved_base, tokenizer):
    directory = saved_base(lambda changed: setattr(changed, "pad_token", None))
    loaded = load_tokenizer(directory)
    assert loaded.pad_token_id == loaded.convert_tokens_to_ids("<|im_end|>")
    assert stop_rules(directory, loaded, None).pad == loaded.pad_token_id
    assert tokenizer.pad_token == "<|endoftext|>"
    response = Response(reasoning="r", answer="a")
    assert encode(loaded, "q", response, "x") == encode(tokenizer, "q", response, "x")


def test_a_tokenizer_without_an_end_of_text_ends_turns(saved_base):
    def without_ends(changed):
        changed.eos_token = changed.pad_token = None

    directory = saved_base(without_ends)
    loaded = load_tokenizer(directory)
    end = loaded.convert_tokens_to_ids("<|im_end|>")
    assert end in end_token_ids(loaded, generation_config(directory))
    assert encode(loaded, "q", Response(reasoning="r", answer="a"), "x").response[-1] == end == loaded.pad_token_id


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: setattr(t, "chat_template", None), "the tokenizer has no chat template"),
        (lambda t: setattr(t, "chat_template", "{% if %}"), "the chat template cannot render a question and"),
        (lambda t: setattr(t, "chat_template", "{{ raise_exception('no turns') }}"), r"cannot render .* \(no turns\)"),
        (lambda t: setattr(t, "chat_template", "{{ messages[0].content + 1 }}"), "cannot render"),
        (
            lambda t: setattr(t, "chat_template", SILENT.replace("m.content", "m.content | trim | upper")),
            "does not cont",
        ),
    ],
)
def test_a_template_that_cannot_be_used_is_named(saved_base, change, message):
    directory = saved_base(change)
    with pytest.raises(TextError, match=rf"{directory}: .*{message}"):
        load_tokenizer(directory)


def test_a_template_that_refuses_the_system_is_named_for_tagged_runs(saved_base):
    refusing = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}" + SILENT
    directory = saved_base(lambda changed: setattr(changed, "chat_template", refusing))
    load_tokenizer(directory)
    with pytest.raises(TextError, match=r"cannot render a turn of the system and a question .* \(no system\)"):
        load_tokenizer(directory, tagged=True)


def test_a_model_that_is_smaller_than_its_tokenizer_is_named(saved_base, tokenizer):
    directory = saved_base(lambda changed: setattr(changed, "pad_token", "[PAD]"))
    with pytest.raises(TextError, match=r"the tokenizer's token \[PAD\] has id \d+, and the model's vocab_size is \d+"):
        load_tokenizer(directory)
    directory = saved_base(lambda changed: setattr(changed, "pad_token", "[PAD]"), vocab_size=len(tokenizer) + 1)
    assert load_tokenizer(directory).pad_token == "[PAD]"


@pytest.mark.parametrize("content", ["{", "{}", ""])
def test_files_that_are_no_tokenizer_are_named(saved_base, content):
    directory = saved_base()
    (directory / "tokenizer.json").write_text(content)
    with pytest.raises(TextError, match=rf"{directory}: its tokenizer cannot be loaded"):
        load_tokenizer(directory)


def test_a_base_without_a_tokenizer_is_named(tmp_path):
    with pytest.raises(TextError, match="its tokenizer cannot be loaded"):
        load_tokenizer(tmp_path)
