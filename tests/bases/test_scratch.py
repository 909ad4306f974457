"""Scratch bases: the tokenizer, and pretraining that resumes after kills to the same bits."""

import os
import signal
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM

from r1k import world
from r1k.bases.scratch import CHECKPOINT, Pretraining, batches, pretrain
from r1k.bases.tokenizer import make_tokenizer
from r1k.config import ScratchBase
from r1k.errors import ConfigError, R1kError
from r1k.files import file_digest
from r1k.records import Example, write_jsonl
from r1k.text import TAGS, encode, encode_prompt, load_tokenizer, prompt_text

TINY = ScratchBase(
    kind="scratch",
    title="t",
    vocab_size=700,
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=48,
    max_position_embeddings=256,
    max_steps=30,
    train_batch_size=4,
    learning_rate=1e-2,
)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("scratch") / "tokenizer"
    make_tokenizer(base=TINY, output=directory)
    return directory


@pytest.fixture(scope="module")
def uninterrupted(tokenizer, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("uninterrupted")
    pretrain(base=TINY, tokenizer=tokenizer, output=folder / "base", state=folder / "state")
    return folder / "base"


def test_each_number_of_the_world_is_one_token_in_any_context(tokenizer):
    loaded = load_tokenizer(tokenizer)
    for number in world.numbers():
        (token,) = loaded(str(number))["input_ids"]
        for text in (f"is {number}.", f"\\boxed{{{number}}}", f"={number}x*", f"A) {number} B)"):
            assert loaded(text)["input_ids"].count(token) == 1


def test_single_letters_are_one_token_in_any_context(tokenizer):
    loaded = load_tokenizer(tokenizer)
    for letter in "ABCDxyz":
        (token,) = loaded(letter)["input_ids"]
        for text in (f"option {letter}.", f"\\boxed{{{letter}}}", f"7 {letter})", f"56{letter} volts"):
            assert token in loaded(text)["input_ids"]


@pytest.mark.parametrize(
    "text",
    [
        "∫₀^∞ e^{−x²} dx = √π/2",
        "  two  spaces,\ttabs\r\n\n\nand lines \n",
        "Ein Gas hat 1234567890 Grad; 水の分子 🧪👩‍🔬 é é",
        "0007 A B Cd xYz x y aBx 3.14 -5 'quoted' \\boxed{\\frac{1}{2}}",
        "\x00\x7f\u200b\ufeff\U0010ffff",
    ],
)
def test_any_text_survives_the_round_trip(tokenizer, text):
    loaded = load_tokenizer(tokenizer)
    assert loaded.decode(loaded(text)["input_ids"]) == text


def test_the_same_config_makes_the_same_tokenizer(tokenizer, tmp_path):
    make_tokenizer(base=TINY, output=tmp_path / "again")
    assert file_digest(tmp_path / "again" / "tokenizer.json") == file_digest(tokenizer / "tokenizer.json")


def test_the_prompt_is_qwens(tokenizer):
    loaded = load_tokenizer(tokenizer)
    assert prompt_text(loaded, "How far?") == (
        "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n"
        "<|im_start|>user\nHow far?<|im_end|>\n<|im_start|>assistant\n"
    )
    example = world.forward_examples(1, 0)[0]
    encoded = encode(loaded, example.question, example.response, "example")
    assert encoded.response[-1] == loaded.eos_token_id == loaded.convert_tokens_to_ids("<|im_end|>")
    assert loaded.pad_token == "<|endoftext|>"


def test_the_tokenizer_encodes_direction_tags(tokenizer):
    loaded = load_tokenizer(tokenizer, tagged=True)
    for direction, sentence in TAGS.items():
        ids = encode_prompt(loaded, "How far?", "x", direction)
        assert loaded.decode(ids) == prompt_text(loaded, "How far?", direction)
        assert f"assistant.\n{sentence}<|im_end|>" in loaded.decode(ids)


def test_a_tokenizer_trained_on_data_has_its_words(tokenizer, tmp_path):
    words = "the eigenvalues of a hermitian operator"
    common = {"direction": "forward", "reasoning": words, "answer": words, "kind": "made-up"}
    write_jsonl(
        tmp_path / "s1k.jsonl", [Example(id=f"e{k}", problem=f"p{k}", question=words, **common) for k in range(2000)]
    )
    make_tokenizer(base=TINY, output=tmp_path / "trained", data=tmp_path / "s1k.jsonl")
    trained, untrained = load_tokenizer(tmp_path / "trained"), load_tokenizer(tokenizer)
    assert len(trained) <= TINY.vocab_size
    assert len(trained(words)["input_ids"]) < len(untrained(words)["input_ids"])


def test_a_vocabulary_without_room_for_the_numbers_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match=r"vocab_size: 320 has no room .* set it to \d+ at least"):
        make_tokenizer(base=TINY.model_copy(update={"vocab_size": 320}), output=tmp_path / "small")
    assert not (tmp_path / "small").exists()


def test_batches_resume_at_any_step(tokenizer):
    loaded = load_tokenizer(tokenizer)
    expected = list(islice(batches(loaded, TINY), 40))
    for start in (1, 16, 23):
        for batch, before in zip(islice(batches(loaded, TINY, start), 10), expected[start:], strict=False):
            assert torch.equal(batch.ids, before.ids)
            assert torch.equal(batch.labels, before.labels)
    seen = {tuple(row) for batch in expected[:16] for row in batch.ids.tolist()}
    assert len(seen) > 60


def test_labels_are_the_document_and_the_end_token(tokenizer):
    loaded = load_tokenizer(tokenizer)
    batch = next(batches(loaded, TINY))
    for ids, labels in zip(batch.ids.tolist(), batch.labels.tolist(), strict=True):
        labelled = [label for label in labels if label != -100]
        assert ids[: len(labelled)] == labelled
        assert labelled[-1] == loaded.pad_token_id
        assert loaded.pad_token_id not in labelled[:-1]


def test_the_base_loads_and_its_loss_has_fallen(uninterrupted, tokenizer):
    model = AutoModelForCausalLM.from_pretrained(uninterrupted)
    loaded = load_tokenizer(uninterrupted)
    assert model.config.model_type == "qwen2"
    assert model.generation_config.eos_token_id == loaded.eos_token_id
    assert model.generation_config.pad_token_id == loaded.pad_token_id
    assert sorted(path.suffix for path in uninterrupted.iterdir()).count(".safetensors") == 1
    assert (uninterrupted / "manifest.json").is_file()
    assert loaded("voltage 56")["input_ids"] == load_tokenizer(tokenizer)("voltage 56")["input_ids"]
    batch = next(batches(loaded, TINY, start=TINY.max_steps))
    with torch.no_grad():
        loss = model(input_ids=batch.ids, labels=batch.labels).loss.item()
    assert loss < torch.log(torch.tensor(float(len(loaded)))).item() - 0.3


@pytest.mark.slow
def test_kill_9_and_resume_gives_the_same_bits(uninterrupted, tokenizer, tmp_path):
    state, output = tmp_path / "state", tmp_path / "base"
    code = (
        "import sys; from pathlib import Path;"
        "from r1k.config import ScratchBase; from r1k.bases.scratch import pretrain;"
        "config, tokenizer, output, state = sys.argv[1:];"
        "paths = {'tokenizer': Path(tokenizer), 'output': Path(output), 'state': Path(state)};"
        "pretrain(base=ScratchBase.model_validate_json(config), **paths, checkpoint_seconds=0)"
    )
    command = [sys.executable, "-c", code, TINY.model_dump_json(), str(tokenizer), str(output), str(state)]
    for at_least in (3, 17):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while _done(state) < at_least:
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert not output.exists()
        assert at_least <= _done(state) < TINY.max_steps
    pretrain(base=TINY, tokenizer=tokenizer, output=output, state=state, checkpoint_seconds=0)
    assert file_digest(output / "model.safetensors") == file_digest(uninterrupted / "model.safetensors")
    pretrain(base=TINY, tokenizer=tokenizer, output=tmp_path / "again", state=state)
    assert file_digest(tmp_path / "again" / "model.safetensors") == file_digest(output / "model.safetensors")


def test_a_checkpoint_of_another_model_is_an_error(tokenizer, tmp_path):
    short = TINY.model_copy(update={"max_steps": 1})
    pretrain(base=short, tokenizer=tokenizer, output=tmp_path / "base", state=tmp_path / "state")
    (checkpoint,) = (tmp_path / "state").glob(f"*/{CHECKPOINT}")
    loaded = load_tokenizer(tokenizer)
    Pretraining(short, loaded).load(checkpoint)
    for change in ({"hidden_size": 48}, {"num_hidden_layers": 3}):
        with pytest.raises(R1kError, match="checkpoint of another model"):
            Pretraining(short.model_copy(update=change), loaded).load(checkpoint)


def test_each_base_and_tokenizer_has_its_own_state(tokenizer, tmp_path):
    short = TINY.model_copy(update={"max_steps": 1})
    for base in (short, short.model_copy(update={"hidden_size": 48})):
        pretrain(base=base, tokenizer=tokenizer, output=tmp_path / f"{base.hidden_size}", state=tmp_path / "state")
    assert len(list((tmp_path / "state").glob(f"*/{CHECKPOINT}"))) == 2


def test_a_loss_that_is_not_finite_is_an_error(tokenizer, tmp_path):
    diverging = TINY.model_copy(update={"learning_rate": 1e30})
    with pytest.raises(R1kError, match="lower the base's learning_rate"):
        pretrain(base=diverging, tokenizer=tokenizer, output=tmp_path / "base", state=tmp_path / "state")
    assert not (tmp_path / "base").exists()


def _done(state: Path) -> int:
    """Return the steps done by the one checkpoint in a state; 0 without a checkpoint."""
    for checkpoint in state.glob(f"*/{CHECKPOINT}"):
        with safe_open(checkpoint, framework="pt") as stored:
            return int(stored.metadata()["done"])
    return 0
