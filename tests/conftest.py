"""Shared fixtures: a tiny random base model on disk, and examples in both directions."""

from pathlib import Path

import pytest

from examples import QWEN_TEMPLATE, SHARED, make_both
from r1k.records import write_jsonl
from r1k.runtime import tune_process

tune_process()  # the command line does the same


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest files first (workflows, then other slow tests), so that no worker is left alone at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: ("workflow" not in item.path.parts, item.path not in slow))


@pytest.fixture(autouse=True)
def _restore_hub_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restore HF_HUB_OFFLINE after a test, because commands that run in this process set it."""
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder with a few rows of real data, which are not part of the project; skip if it is missing."""
    if not SHARED.is_dir():
        pytest.skip(f"no real data in {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a random two-layer Qwen2 model with a byte-level tokenizer and Qwen2.5's chat template."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    directory = tmp_path_factory.mktemp("base") / "tiny"
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(["the kinetic energy of a molecule is three halves of k times T"] * 4, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=["<|im_start|>"],
    )
    tokenizer.chat_template = QWEN_TEMPLATE
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    Qwen2ForCausalLM(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


@pytest.fixture
def both_files(tmp_path: Path) -> tuple[Path, Path]:
    """Write `s1k.jsonl` and `r1k.jsonl` of eight problems."""
    forward, reverse = make_both(8)
    s1k, r1k = tmp_path / "s1k.jsonl", tmp_path / "r1k.jsonl"
    write_jsonl(s1k, forward)
    write_jsonl(r1k, reverse)
    return s1k, r1k
