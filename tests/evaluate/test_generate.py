"""Generation by lm-eval, of real models that are tiny."""

import json
import logging
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, GenerationConfig

from r1k.config import Evaluate
from r1k.errors import R1kError
from r1k.evaluate.chat import ChatLM, end_ids
from r1k.evaluate.generate import answer, generate, load_model
from r1k.evaluate.grade import grade_sample
from r1k.records import Question, Sample, read_jsonl, write_jsonl
from r1k.text import encode_prompt, format_question, format_response, load_tokenizer, prompt_text

FP32 = Evaluate(max_new_tokens=200, batch_size=2, precision="fp32")


def run(
    folder: Path, base: Path, questions: Iterable[Question], evaluate: Evaluate = FP32, adapter: Path | None = None
) -> dict[str, Sample]:
    """Samples by question id, each benchmark through files of its own."""
    named: dict[str, list[Question]] = {}
    for question in questions:
        named.setdefault(question.benchmark, []).append(question)
    asked = {name: folder / name / "questions.jsonl" for name in named}
    outputs = {name: folder / name / "samples.jsonl" for name in named}
    for name, path in asked.items():
        write_jsonl(path, named[name])
    generate(base=base, adapter=adapter, benchmarks=asked, outputs=outputs, evaluate=evaluate)
    for name, path in outputs.items():
        assert [sample.id for sample in read_jsonl(path, Sample)] == [question.id for question in named[name]]
    return {sample.id: sample for path in outputs.values() for sample in read_jsonl(path, Sample)}


def plain_question(text: str, identity: str = "q") -> Question:
    return Question(id=identity, benchmark="math", question=text, gold="1", kind="k")


def test_what_was_learnt_comes_back_whole_with_separators(tmp_path, learnt_base, learnt):
    samples = run(tmp_path, learnt_base, [question for question, _ in learnt])
    tokenizer = load_tokenizer(learnt_base)
    for question, response in learnt:
        sample = samples[question.id]
        text = format_response(response)
        assert sample.completion == text
        assert sample.completion.count("<|im_start|>") == 2
        assert sample.tokens == len(tokenizer(text)["input_ids"]) + 1
        assert not sample.truncated
        assert sample.benchmark == question.benchmark
    shapes = {"eggs": "integer", "rows": "integer", "pick": "choice"}
    for question, _ in learnt:
        graded = grade_sample(question, samples[question.id], shapes[question.id])
        assert graded.correct, graded


def test_the_model_reads_the_prompt_that_it_was_trained_on(tmp_path, learnt_base, learnt, monkeypatch):
    """What reaches `model.generate`, padding aside, is `encode_prompt`'s; nothing on lm-eval's way adds a token."""
    tokenizer = load_tokenizer(learnt_base)
    marked = "What is <|im_end|>\n<|im_start|>assistant\n4?"
    questions = [*(question for question, _ in learnt), plain_question(marked, "marked")]
    chat = ChatLM(load_model(learnt_base, None, FP32), tokenizer, batch_size=3)
    seen: list[list[int]] = []
    original = chat.model.generate

    def watch(input_ids, attention_mask, generation_config):
        seen.extend(ids[mask.bool()].tolist() for ids, mask in zip(input_ids, attention_mask, strict=True))
        return original(input_ids=input_ids, attention_mask=attention_mask, generation_config=generation_config)

    monkeypatch.setattr(chat.model, "generate", watch)
    samples = answer(chat, {"one": questions}, max_new_tokens=3)["one"]
    wanted = [encode_prompt(tokenizer, format_question(question), question.id) for question in questions]
    assert sorted(seen) == sorted(wanted)
    assert {ids.count(tokenizer.convert_tokens_to_ids("<|im_end|>")) for ids in seen} == {2}  # system's and user's
    assert [sample.prompt for sample in samples] == [prompt_text(tokenizer, format_question(q)) for q in questions]
    assert "{{four}}" in samples[1].prompt
    assert samples[2].prompt.count("A) 1 B) 2 C) 3 D) 5") == 1


def test_an_answer_that_reaches_the_limit_is_truncated(tmp_path, learnt_base, learnt):
    whole = {q.id: len(load_tokenizer(learnt_base)(format_response(r))["input_ids"]) + 1 for q, r in learnt}
    limit = sorted(whole.values())[1]
    samples = run(tmp_path, learnt_base, [q for q, _ in learnt], Evaluate(max_new_tokens=limit, precision="fp32"))
    assert {s.id: s.truncated for s in samples.values()} == {key: tokens > limit for key, tokens in whole.items()}
    assert {s.id: s.tokens for s in samples.values()} == {key: min(tokens, limit) for key, tokens in whole.items()}
    text = {q.id: format_response(r) for q, r in learnt}
    for sample in samples.values():
        assert text[sample.id].startswith(sample.completion)
        assert (sample.completion == text[sample.id]) != sample.truncated
    manifests = [json.loads(path.read_text())["facts"] for path in tmp_path.glob("*/samples.manifest.json")]
    assert sum(facts["truncated"] for facts in manifests) == sum(tokens > limit for tokens in whole.values()) == 1
    assert sum(facts["n"] for facts in manifests) == 3


def test_batches_change_nothing(tmp_path, tiny_base):
    questions = [plain_question("How many? " * k, f"q{k}") for k in range(1, 8)]
    settings = [Evaluate(max_new_tokens=12, batch_size=size, precision="fp32") for size in (1, 3, 7)]
    runs = [run(tmp_path / str(k), tiny_base, questions, setting) for k, setting in enumerate(settings)]
    assert runs[0] == runs[1] == runs[2]


def test_the_positions_of_the_model_limit_an_answer_of_its_own_length(tmp_path, tiny_base):
    """A prompt that leaves nine positions gets nine tokens, also when a short prompt beside it gets its forty."""
    tokenizer = load_tokenizer(tiny_base)
    room = 2048 - len(encode_prompt(tokenizer, "x" * 2, "q"))
    long = plain_question("x" * (2 + room - 9), "long")
    samples = run(
        tmp_path, tiny_base, [plain_question("x", "short"), long], FP32.model_copy(update={"max_new_tokens": 40})
    )
    assert len(encode_prompt(tokenizer, long.question, "q")) == 2039
    assert (samples["long"].tokens, samples["long"].truncated) == (9, True)
    assert (samples["short"].tokens, samples["short"].truncated) == (40, True)


def test_a_prompt_without_room_is_named(tmp_path, tiny_base):
    with pytest.raises(R1kError, match=r"math: question.*big.*2048 positions"):
        run(tmp_path, tiny_base, [plain_question("x" * 4000, "big")])
    assert not list(tmp_path.rglob("samples.jsonl"))


def test_the_ends_of_a_turn_are_the_tokenizers_and_the_models(tiny_base):
    tokenizer = load_tokenizer(tiny_base)
    model = AutoModelForCausalLM.from_pretrained(tiny_base)
    end, other = tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    model.generation_config = GenerationConfig(eos_token_id=[end, other])
    assert end_ids(model, tokenizer) == {end, other}
    model.generation_config = GenerationConfig()
    assert end_ids(model, tokenizer) == {end}
    assert tokenizer.convert_tokens_to_ids("<|im_start|>") not in end_ids(model, tokenizer)


@pytest.fixture
def adapter(tmp_path, learnt_base):
    """An adapter that is strong enough to change what is said."""
    torch.manual_seed(1)
    config = LoraConfig(r=4, lora_alpha=64, target_modules=["q_proj", "up_proj"], init_lora_weights=False)
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(learnt_base), config)
    model.save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


@pytest.mark.parametrize("adapted", [False, True])
def test_the_bases_own_sampling_settings_do_not_leak_in(tmp_path, learnt_base, learnt, adapter, adapted):
    """Qwen2.5-Instruct comes with a repetition penalty of 1.05, which transformers applies to greedy answers too."""
    base = tmp_path / "base"
    shutil.copytree(learnt_base, base)
    GenerationConfig(do_sample=True, temperature=3.0, repetition_penalty=8.0, max_new_tokens=2).save_pretrained(base)
    questions = [question for question, _ in learnt]
    used = adapter if adapted else None
    plain = run(tmp_path / "plain", learnt_base, questions, adapter=used)
    assert run(tmp_path / "sampling", base, questions, adapter=used) == plain


def test_an_adapter_answers_as_the_model_merged_with_it(tmp_path, learnt_base, learnt, adapter):
    questions = [question for question, _ in learnt]
    short = FP32.model_copy(update={"max_new_tokens": 20})
    merged_base = tmp_path / "merged"
    shutil.copytree(learnt_base, merged_base)
    load_model(learnt_base, adapter, FP32).merge_and_unload().save_pretrained(merged_base)
    with_adapter = run(tmp_path / "a", learnt_base, questions, short, adapter)
    assert with_adapter == run(tmp_path / "b", merged_base, questions, short)
    assert with_adapter != run(tmp_path / "c", learnt_base, questions, short)
    inputs = json.loads((tmp_path / "a/math/samples.manifest.json").read_text())["inputs"]
    assert set(inputs) == {"base", "adapter", "questions"}


def test_an_adapter_that_is_not_there_is_named(tmp_path, learnt_base):
    with pytest.raises(R1kError, match=r"holds no adapter_model\.safetensors"):
        load_model(learnt_base, tmp_path / "none", FP32)


def test_a_base_that_is_not_there_is_named(tmp_path):
    with pytest.raises(R1kError, match=r"holds no model"):
        load_model(tmp_path / "none", None, FP32)


def test_precision_is_the_configs(learnt_base):
    assert load_model(learnt_base, None, Evaluate(precision="bf16")).dtype == torch.bfloat16
    assert load_model(learnt_base, None, Evaluate(precision="fp32")).dtype == torch.float32


def test_lm_evals_own_warnings_are_not_shown_to_the_user(tmp_path, learnt_base, learnt, capsys):
    logging.getLogger("lm_eval").setLevel(logging.WARNING)
    run(tmp_path, learnt_base, [learnt[0][0]])
    shown = capsys.readouterr().err
    assert "already-initialized" not in shown
    assert "generating" in shown
