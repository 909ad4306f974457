"""What several stages' tests share: a tiny random base model on disk, and a handful of examples in both directions."""

import json
from pathlib import Path

import pytest

from r1k.records import Example, write_jsonl

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"

QWEN_TEMPLATE = (
    "{%- if messages[0].role == 'system' %}{{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}"
    "{%- else %}{{- '<|im_start|>system\\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant."
    "<|im_end|>\\n' }}{%- endif %}"
    "{%- for message in messages %}{%- if not (loop.first and message.role == 'system') %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of a few rows of real data, which are not part of the project."""
    if not SHARED.is_dir():
        pytest.skip(f"the real rows are not here ({SHARED})")
    return SHARED


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Qwen2-architecture model of two layers with a byte-level tokenizer and Qwen2.5's chat template."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    directory = tmp_path_factory.mktemp("base") / "tiny"
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=specials, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    bpe.train_from_iterator(["the kinetic energy of a molecule is three halves of k times T"] * 4, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token="<|im_end|>", pad_token="<|endoftext|>", additional_special_tokens=["<|im_start|>"]
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


def make_both(problems: int) -> tuple[list[Example], list[Example]]:
    """Forward and reverse examples of made-up problems, all different."""
    forward, reverse = [], []
    for k in range(problems):
        problem = f"p{k:03d}"
        common = {"problem": problem, "kind": "product"}
        forward.append(
            Example(
                id=f"{problem}-forward",
                direction="forward",
                question=f"A box holds {k + 2} rows of {k + 3} eggs. How many eggs?",
                reasoning=f"Rows times eggs a row: {k + 2} * {k + 3} = {(k + 2) * (k + 3)}.",
                answer=f"\\boxed{{{(k + 2) * (k + 3)}}}",
                **common,
            )
        )
        reverse.append(
            Example(
                id=f"{problem}-reverse",
                direction="reverse",
                question=f"A box holds {(k + 2) * (k + 3)} eggs in {k + 2} rows. How many eggs a row?",
                reasoning=f"Eggs by rows: {(k + 2) * (k + 3)} / {k + 2} = {k + 3}. That is it.",
                answer=f"\\boxed{{{k + 3}}}",
                **common,
            )
        )
    return forward, reverse


@pytest.fixture
def both_files(tmp_path: Path) -> tuple[Path, Path]:
    """`s1k.jsonl` and `r1k.jsonl` of eight problems."""
    forward, reverse = make_both(8)
    s1k, r1k = tmp_path / "s1k.jsonl", tmp_path / "r1k.jsonl"
    write_jsonl(s1k, forward)
    write_jsonl(r1k, reverse)
    return s1k, r1k


def lines(path: Path) -> list[dict]:
    """The objects of a JSONL file."""
    return [json.loads(line) for line in path.read_text().splitlines()]
