"""A run with a direction tag: its system prompt states the direction, in every stage."""

import json
from pathlib import Path

import pytest

from examples import lines, make_both
from r1k.cli import main
from r1k.config import Evaluate, Lora, Probe, Sft
from r1k.data.sets import make_set, pairs, probe
from r1k.evaluate.answer_cache import CachedAnswer
from r1k.evaluate.generate import generate_samples
from r1k.evaluate.lm_eval_adapter import ChatLM
from r1k.probe.responses import encode_pairs
from r1k.records import DIRECTIONS, Greedy, Question, Sample, read_jsonl, write_jsonl
from r1k.text import TAGS, encode_prompt, load_tokenizer, prompt_text, tag_of
from r1k.train.describe import RunPlan, describe_run
from r1k.train.rows import columns_digest, dpo_row, make_rows, sft_row
from r1k.train.train import train

LORA = Lora(r=4, lora_alpha=8, lora_dropout=0.0)
SFT = Sft(
    learning_rate=5e-3,
    num_train_epochs=1,
    train_batch_size=4,
    max_length=1024,
    dtype="float32",
    attn_implementation="sdpa",
)


def both(problems: int) -> list:
    return list(zip(*make_both(problems), strict=True))


def generation_prompts(tokenizer, questions: list[Question], tagged: bool) -> dict[str, list[int]]:
    """Return the prompts that lm-eval gives an engine for a benchmark's questions."""
    prompts = []

    def generate(batch):
        prompts.extend(batch)
        return {prompt.key: CachedAnswer(ids=(1,), ended=True) for prompt in batch}

    chat = ChatLM(tokenizer, 2048, 0, generate)
    samples = generate_samples(chat, {"b": questions}, {"b": 1}, Evaluate(max_new_tokens=4, dtype="float32"), tagged)[
        "b"
    ]
    assert [sample.id for sample in samples] == [question.id for question in questions]
    return {question.id: prompt.ids for question, prompt in zip(questions, prompts, strict=True)}


@pytest.mark.parametrize("tagged", [False, True])
def test_all_stages_use_the_same_prompt(tiny_base, tagged):
    tokenizer = load_tokenizer(tiny_base, tagged)
    records = both(2)
    examples = [example for pair in records for example in pair]
    common = {"benchmark": "b", "gold": "1", "kind": "k"}
    questions = [Question(id=e.id, question=e.question, direction=e.direction, **common) for e in examples]
    generated = generation_prompts(tokenizer, questions, tagged)
    preferences, probed = pairs(records), encode_pairs(tokenizer, probe(records, 1, 1, 0), 100, tagged)
    for example, pair in zip(examples, preferences, strict=True):
        tag = example.direction if tagged else None
        expected = encode_prompt(tokenizer, example.question, "x", tag)
        row = sft_row(tokenizer, example, 1024, tagged).columns
        assert row["input_ids"][: row["labels"].count(-100)] == expected
        assert dpo_row(tokenizer, pair, 1024, tagged).columns["prompt_ids"] == expected
        assert generated[example.id] == expected
        scored = [part for part in probed if part.pair.question == example.question]
        assert [list(part.item.prompt) for part in scored] == [expected, expected]
        assert (TAGS[example.direction] in tokenizer.decode(expected)) == tagged


def test_a_question_without_a_direction_counts_as_forward(tiny_base):
    tokenizer = load_tokenizer(tiny_base, tagged=True)
    question = Question(id="q", benchmark="b", question="How much?", gold="1", kind="k")
    assert generation_prompts(tokenizer, [question], True)["q"] == encode_prompt(tokenizer, "How much?", "q", "forward")
    assert generation_prompts(tokenizer, [question], False)["q"] == encode_prompt(tokenizer, "How much?", "q")
    assert (tag_of(None, True), tag_of("reverse", True), tag_of("reverse", False)) == ("forward", "reverse", None)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Path:
    """A tagged SFT run of two steps on the mix of eight problems, two of them held out, and its probe set."""
    folder = tmp_path_factory.mktemp("tagged")
    for name, examples in zip(("s1k", "r1k"), make_both(8), strict=True):
        write_jsonl(folder / f"{name}.jsonl", examples)
    make_set("mix", s1k=folder / "s1k.jsonl", r1k=folder / "r1k.jsonl", output=folder / "mix.jsonl")
    write_jsonl(folder / "probe.jsonl", probe(both(8), 2, 2, 0))
    plan = RunPlan(
        run="tagged",
        seed=0,
        method="sft",
        identity={"name": "tagged"},
        sft=SFT,
        lora=LORA,
        direction_tag=True,
        steps=2,
        probed={2: 1.0},
        exclude_held_out=True,
    )
    inputs = {"data": folder / "mix.jsonl", "base": tiny_base, "probe": folder / "probe.jsonl"}
    describe_run(plan=plan, output=folder / "run.json", **inputs)
    train(
        run=folder / "run.json",
        output=folder / "adapter",
        steps=folder / "steps",
        state=folder / "state",
        per_device_train_batch_size=4,
        checkpoint_seconds=1e9,
        processes=1,
        **inputs,
    )
    return folder


def test_a_tagged_run_is_trained_on_tagged_prompts(study, tiny_base):
    tokenizer = load_tokenizer(tiny_base)
    held_out = {pair.problem for pair in probe(both(8), 2, 2, 0) if pair.split == "held_out"}
    left = [example for pair in both(8) for example in pair if example.problem not in held_out]
    recorded = {entry["id"]: entry["sha256"] for entry in lines(study / "adapter" / "trained_on.jsonl")}
    tagged, plain = (
        {row.id: columns_digest(row.columns) for row in make_rows(tokenizer, left, 1024, tag)} for tag in (True, False)
    )
    assert recorded == tagged
    assert not set(plain.values()) & set(tagged.values())


def test_a_tagged_run_is_probed_and_evaluated_with_its_tag(study, tiny_base):
    """Uses the commands that the rules call, which read the tag from run.json."""
    config = Probe(dtype="float32", greedy_tokens=4, tracked=["chosen", "rejected", "greedy_base"])
    written = {name: study / f"{name}.jsonl" for name in ("logprobs", "tracked", "greedy")}
    paths = ["--base", str(tiny_base), "--run", str(study / "run.json"), "--state", str(study / "state")]
    files = ["--output", "logprobs", "--tracked", "tracked", "--greedy", "greedy"]
    files = [str(written.get(part, part)) for part in files]
    pairs_and_steps = ["--pairs", str(study / "probe.jsonl"), "--steps", str(study / "steps")]
    assert main(["probe", *paths, *pairs_and_steps, *files, "--probe", config.model_dump_json()]) == 0
    answers = read_jsonl(written["greedy"], Greedy)
    assert {answer.direction for answer in answers} == set(DIRECTIONS)
    examples = [example for pair in both(2) for example in pair]
    common = {"benchmark": "aime", "gold": "1", "kind": "k"}
    questions = [Question(id=e.id, question=e.question, direction=e.direction, **common) for e in examples]
    write_jsonl(study / "aime.jsonl", questions)
    evaluate = Evaluate(max_new_tokens=2, dtype="float32").model_dump_json()
    outputs = ["--questions", str(study / "aime.jsonl"), "--outputs", str(study / "samples.jsonl"), "--repeats", "1"]
    more = ["--adapter", str(study / "adapter"), "--evaluate", evaluate, "--batch-size", "4", "--processes", "1"]
    assert main(["generate", *paths, *outputs, *more]) == 0
    tokenizer = load_tokenizer(tiny_base)
    for question, sample in zip(questions, read_jsonl(study / "samples.jsonl", Sample), strict=True):
        assert sample.prompt == prompt_text(tokenizer, question.question, question.direction)
    assert json.loads((study / "samples.manifest.json").read_text())["facts"]["direction_tag"] is True
