"""Generation with lm-eval, with small real models."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, GenerationConfig

from r1k.config import BudgetForcing, Evaluate
from r1k.errors import R1kError, RecordError
from r1k.evaluate.budget_forcing import end_token_ids
from r1k.evaluate.engines.transformers_engine import TransformersEngine, load_model
from r1k.evaluate.generate import generate, sample_facts
from r1k.evaluate.grade import grade_sample
from r1k.evaluate.prompts import sample_seed
from r1k.records import Question, Sample, read_jsonl, write_jsonl
from r1k.text import encode_prompt, format_question, format_response, load_tokenizer, prompt_text

FP32 = Evaluate(max_new_tokens=200, batch_size=2, dtype="float32")


def run_all(
    folder: Path,
    base: Path,
    questions: Iterable[Question],
    evaluate: Evaluate = FP32,
    adapter: Path | None = None,
    repeats: int = 1,
    processes: int = 1,
) -> list[Sample]:
    """Return all samples, with one file per benchmark; `folder`/state has the cache."""
    named: dict[str, list[Question]] = {}
    for question in questions:
        named.setdefault(question.benchmark, []).append(question)
    files = {name: folder / "questions" / f"{name}.jsonl" for name in named}
    outputs = {name: folder / name / "samples.jsonl" for name in named}
    for name, path in files.items():
        write_jsonl(path, named[name])
    generate(
        base=base,
        adapter=adapter,
        questions=list(files.values()),
        outputs=list(outputs.values()),
        repeats=[repeats] * len(named),
        evaluate=evaluate,
        batch_size=evaluate.batch_size,
        tokens_per_batch=evaluate.tokens_per_batch or 0,
        state=folder / "state",
        processes=processes,
    )
    for name, path in outputs.items():
        expected = [(question.id, number) for question in named[name] for number in range(repeats)]
        assert [(sample.id, sample.sample) for sample in read_jsonl(path, Sample)] == expected
    return [sample for path in outputs.values() for sample in read_jsonl(path, Sample)]


def run(*arguments, **options) -> dict[str, Sample]:
    """Return samples by question id, one each."""
    return {sample.id: sample for sample in run_all(*arguments, **options)}


def facts(folder: Path, benchmark: str = "math") -> dict:
    return json.loads((folder / benchmark / "samples.manifest.json").read_text())["facts"]


def plain_question(text: str, identity: str = "q") -> Question:
    return Question(id=identity, benchmark="math", question=text, gold="1", kind="k")


def test_memorized_responses_are_generated_with_separators(tmp_path, memorized_base, memorized):
    samples = run(tmp_path, memorized_base, [question for question, _ in memorized])
    tokenizer = load_tokenizer(memorized_base)
    for question, response in memorized:
        sample = samples[question.id]
        text = format_response(response)
        assert sample.completion == text
        assert sample.completion.count("<|im_start|>") == 2
        assert sample.tokens == len(tokenizer(text)["input_ids"]) + 1
        assert not sample.truncated
        assert sample.benchmark == question.benchmark
    answer_types = {"eggs": "integer", "rows": "integer", "pick": "choice"}
    for question, _ in memorized:
        graded = grade_sample(question, samples[question.id], answer_types[question.id])
        assert graded.correct, graded


def test_the_model_reads_the_prompt_that_it_was_trained_on(tmp_path, memorized_base, memorized, monkeypatch):
    """The input of `model.generate`, apart from padding, is that of `encode_prompt`; lm-eval adds no token."""
    tokenizer = load_tokenizer(memorized_base)
    marked = "What is <|im_end|>\n<|im_start|>assistant\n4?"
    questions = [*(question for question, _ in memorized), plain_question(marked, "marked")]
    seen: list[list[int]] = []
    original = TransformersEngine._decode

    def watch(self, states):
        seen.extend(state.model_input for state in states)
        return original(self, states)

    monkeypatch.setattr(TransformersEngine, "_decode", watch)
    samples = run(tmp_path, memorized_base, questions, FP32.model_copy(update={"max_new_tokens": 3}))
    expected = [encode_prompt(tokenizer, format_question(question), question.id) for question in questions]
    assert sorted(seen) == sorted(expected)
    assert {ids.count(tokenizer.convert_tokens_to_ids("<|im_end|>")) for ids in seen} == {2}  # system's and user's
    assert [samples[q.id].prompt for q in questions] == [prompt_text(tokenizer, format_question(q)) for q in questions]
    assert "{{four}}" in samples["rows"].prompt
    assert samples["pick"].prompt.count("A) 1 B) 2 C) 3 D) 5") == 1


def test_an_answer_that_reaches_the_limit_is_truncated(tmp_path, memorized_base, memorized):
    whole = {q.id: len(load_tokenizer(memorized_base)(format_response(r))["input_ids"]) + 1 for q, r in memorized}
    limit = sorted(whole.values())[1]
    samples = run(tmp_path, memorized_base, [q for q, _ in memorized], Evaluate(max_new_tokens=limit, dtype="float32"))
    assert {s.id: s.truncated for s in samples.values()} == {key: tokens > limit for key, tokens in whole.items()}
    assert {s.id: s.tokens for s in samples.values()} == {key: min(tokens, limit) for key, tokens in whole.items()}
    text = {q.id: format_response(r) for q, r in memorized}
    for sample in samples.values():
        assert text[sample.id].startswith(sample.completion)
        assert (sample.completion == text[sample.id]) != sample.truncated
    manifests = [facts(tmp_path, name) for name in ("math", "gpqa")]
    assert sum(each["truncated"] for each in manifests) == sum(tokens > limit for tokens in whole.values()) == 1
    assert sum(each["n"] for each in manifests) == 3


def test_batches_change_nothing(tmp_path, tiny_base):
    questions = [plain_question("How many? " * k, f"q{k}") for k in range(1, 8)]
    overrides = [{"batch_size": 1}, {"batch_size": 3}, {"batch_size": 7}, {"batch_size": 7, "tokens_per_batch": 600}]
    settings = [Evaluate(max_new_tokens=12, dtype="float32", **override) for override in overrides]
    runs = [run(tmp_path / str(k), tiny_base, questions, setting) for k, setting in enumerate(settings)]
    assert runs[0] == runs[1] == runs[2] == runs[3]


def test_the_models_positions_limit_each_answer_separately(tmp_path, tiny_base):
    """A prompt that leaves nine positions gets nine tokens, even if a short prompt in its batch gets forty."""
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


def test_a_benchmark_with_missing_questions_is_named(tmp_path, tiny_base):
    (tmp_path / "questions").mkdir()
    (tmp_path / "questions" / "math.manifest.json").write_text(json.dumps({"facts": {"n": 30}}))
    with pytest.raises(RecordError, match=r"math\.jsonl: 1 questions, but its manifest says 30"):
        run(tmp_path, tiny_base, [plain_question("fine")])


def test_end_tokens_come_from_tokenizer_and_model(tiny_base):
    tokenizer = load_tokenizer(tiny_base)
    end, other, opening = tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>", "<|im_start|>"])
    assert end_token_ids(tokenizer, GenerationConfig(eos_token_id=[end, other])) == {end, other}
    assert end_token_ids(tokenizer, GenerationConfig(eos_token_id=other)) == {end, other}
    assert end_token_ids(tokenizer, GenerationConfig()) == {end}
    assert opening not in end_token_ids(tokenizer, GenerationConfig(eos_token_id=[end, other]))


@pytest.fixture
def adapter(tmp_path, memorized_base):
    """An adapter that is strong enough to change answers."""
    torch.manual_seed(1)
    config = LoraConfig(r=4, lora_alpha=64, target_modules=["q_proj", "up_proj"], init_lora_weights=False)
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(memorized_base), config)
    model.save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


@pytest.mark.parametrize("adapted", [False, True])
def test_the_bases_generation_config_is_ignored(tmp_path, memorized_base, memorized, adapter, adapted):
    """Qwen2.5-Instruct has a repetition penalty of 1.05, which transformers also applies to greedy answers."""
    base = tmp_path / "base"
    shutil.copytree(memorized_base, base)
    GenerationConfig(do_sample=True, temperature=3.0, repetition_penalty=8.0, max_new_tokens=2).save_pretrained(base)
    questions = [question for question, _ in memorized]
    used = adapter if adapted else None
    plain = run(tmp_path / "plain", memorized_base, questions, adapter=used)
    assert run(tmp_path / "sampling", base, questions, adapter=used) == plain


def test_an_adapter_gives_the_answers_of_the_merged_model(tmp_path, memorized_base, memorized, adapter):
    questions = [question for question, _ in memorized]
    short = FP32.model_copy(update={"max_new_tokens": 20})
    merged_base = tmp_path / "merged"
    shutil.copytree(memorized_base, merged_base)
    load_model(memorized_base, adapter, FP32).merge_and_unload().save_pretrained(merged_base)
    with_adapter = run(tmp_path / "a", memorized_base, questions, short, adapter)
    assert with_adapter == run(tmp_path / "b", merged_base, questions, short)
    assert with_adapter != run(tmp_path / "c", memorized_base, questions, short)
    manifest = json.loads((tmp_path / "a/math/samples.manifest.json").read_text())
    assert set(manifest["inputs"]) == {"base", "adapter", "questions"}
    assert manifest["facts"]["engine"] == "transformers" and "not merged" in manifest["facts"]["adapter_applied"]


def test_a_missing_adapter_is_named(tmp_path, memorized_base):
    with pytest.raises(R1kError, match=r"holds no adapter_model\.safetensors"):
        load_model(memorized_base, tmp_path / "none", FP32)


def test_a_missing_base_is_named(tmp_path):
    with pytest.raises(R1kError, match=r"holds no model"):
        load_model(tmp_path / "none", None, FP32)


def test_dtype_follows_the_config(memorized_base):
    assert load_model(memorized_base, None, Evaluate(dtype="bfloat16")).dtype == torch.bfloat16
    assert load_model(memorized_base, None, Evaluate(dtype="float32")).dtype == torch.float32


def test_progress_is_shown_without_lm_evals_messages(tmp_path, memorized_base, memorized, capsys):
    run(tmp_path, memorized_base, [memorized[0][0]])
    shown = capsys.readouterr().err
    assert "lm_eval" not in shown
    assert "generating" in shown


def test_repeats_are_sampled_with_different_seeds(tmp_path, tiny_base):
    questions = [plain_question("How many? " * k, f"q{k}") for k in range(1, 4)]
    drawing = Evaluate(max_new_tokens=12, batch_size=1, dtype="float32", temperature=1.5, top_p=0.9, seed=7)
    drawn = run_all(tmp_path / "one", tiny_base, questions, drawing, repeats=4)
    assert len({sample.completion for sample in drawn}) == 12
    assert [sample.seed for sample in drawn] == [sample_seed(7, sample.id, sample.sample) for sample in drawn]
    together = drawing.model_copy(update={"batch_size": 5})
    assert run_all(tmp_path / "five", tiny_base, questions, together, repeats=4) == drawn
    other = drawing.model_copy(update={"seed": 8})
    assert {
        sample.completion for sample in run_all(tmp_path / "other", tiny_base, questions, other, repeats=4)
    }.isdisjoint(sample.completion for sample in drawn)
    assert facts(tmp_path / "one")["sampling"] == {
        "greedy": False,
        "temperature": 1.5,
        "top_p": 0.9,
        "seed": 7,
        "repetition_penalty": None,
    }


def test_more_repeats_reuse_cached_answers(tmp_path, tiny_base):
    questions = [plain_question("How many? " * k, f"q{k}") for k in range(1, 4)]
    settings = Evaluate(max_new_tokens=12, batch_size=2, dtype="float32", temperature=1.5)
    two = run_all(tmp_path, tiny_base, questions, settings, repeats=2)
    four = run_all(tmp_path, tiny_base, questions, settings, repeats=4)
    assert [sample for sample in four if sample.sample < 2] == two
    assert facts(tmp_path)["answers_cached"] == 6


@pytest.mark.slow
def test_processes_share_the_questions(tmp_path, tiny_base):
    questions = [plain_question("How many? " * k, f"q{k}") for k in range(1, 6)]
    settings = Evaluate(max_new_tokens=12, batch_size=1, dtype="float32")
    alone = run(tmp_path / "alone", tiny_base, questions, settings)
    assert run(tmp_path / "shared", tiny_base, questions, settings, processes=2) == alone
    answered = sorted(len(path.read_text().splitlines()) for path in tmp_path.glob("shared/state/*/answers/*.jsonl"))
    assert answered == [2, 3]


@pytest.mark.slow
def test_a_failed_process_is_reported_and_finished_answers_are_kept(tmp_path, tiny_base):
    """The weights disappear when half of the answers are cached: the next attempt fails, and a later one reuses that
    half."""
    questions = [plain_question("How many? " * k, f"q{k}") for k in range(1, 5)]
    base = tmp_path / "base"
    shutil.copytree(tiny_base, base)
    (base / "manifest.json").write_text(json.dumps({"sha256": "0"}))  # as the workflow's bases have
    settings = Evaluate(max_new_tokens=12, batch_size=1, dtype="float32")
    first = run(tmp_path, base, questions[:2], settings)
    weights = (base / "model.safetensors").read_bytes()
    (base / "model.safetensors").unlink()
    with pytest.raises(R1kError, match=r"processes ended with exit codes \[1, 1\]"):
        run(tmp_path, base, questions, settings, processes=2)
    (base / "model.safetensors").write_bytes(weights)
    whole = run(tmp_path, base, questions, settings)
    assert facts(tmp_path)["answers_cached"] == 2
    assert {name: whole[name] for name in first} == first


def test_empty_and_unreadable_answers_are_listed(tmp_path, tiny_base):
    def sample(identity, completion, truncated=False):
        return Sample(id=identity, benchmark="b", prompt="?", completion=completion, tokens=3, truncated=truncated)

    found = sample_facts([sample("a", " \n"), sample("b", "half a \ufffd", True), sample("c", "fine")], 1, FP32)
    assert (found["n"], found["tokens"], found["truncated"]) == (3, 9, 1)
    assert (found["empty"], found["unreadable"]) == (["a/0"], ["b/0"])
    # An untrained byte-level model generates invalid UTF-8; no answer is missing.
    broken = run(tmp_path, tiny_base, [plain_question("How? " * k, f"q{k}") for k in range(1, 5)])
    assert facts(tmp_path)["unreadable"] == [f"{s.id}/0" for s in broken.values() if "\ufffd" in s.completion]


FORCED = "<|im_start|>think\n3 rows of 4.\n\nSo 12.\n"


@pytest.mark.parametrize("batch_size", [1, 3])
def test_budget_forcing_with_waits(tmp_path, memorized_base, memorized, batch_size):
    forcing = {"budget_forcing": BudgetForcing(num_waits=2), "batch_size": batch_size}
    samples = run(tmp_path, memorized_base, [question for question, _ in memorized], FP32.model_copy(update=forcing))
    assert samples["eggs"].completion.startswith(FORCED + "Wait")
    for sample in samples.values():
        thinking, _, answer = sample.completion.partition("<|im_start|>answer\n")
        assert thinking.count("Wait") == 2 or (sample.truncated and not answer)
    assert facts(tmp_path)["settings"]["budget_forcing"]["num_waits"] == 2


def test_budget_forcing_with_max_thinking_tokens(tmp_path, memorized_base, memorized):
    forcing = {"budget_forcing": BudgetForcing(max_thinking_tokens=4)}
    samples = run(tmp_path, memorized_base, [question for question, _ in memorized], FP32.model_copy(update=forcing))
    thought = load_tokenizer(memorized_base)("3 rows of 4.\n\nSo 12.", add_special_tokens=False)["input_ids"][:4]
    start = "<|im_start|>think\n" + load_tokenizer(memorized_base).decode(thought)
    assert samples["eggs"].completion.startswith(f"{start}\n<|im_start|>answer\nFinal Answer:")
    assert samples["eggs"].tokens == len(load_tokenizer(memorized_base)(samples["eggs"].completion)["input_ids"]) + 1


def test_budget_forcing_that_is_not_reached_changes_nothing(tmp_path, memorized_base, memorized):
    forcing = {"budget_forcing": BudgetForcing(max_thinking_tokens=150)}
    questions = [question for question, _ in memorized]
    forced = run(tmp_path / "a", memorized_base, questions, FP32.model_copy(update=forcing))
    assert forced == run(tmp_path / "b", memorized_base, questions)
