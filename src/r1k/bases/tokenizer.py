"""Train the tokenizer of a scratch base: byte-level BPE with single-token numbers and Qwen2.5's ChatML template."""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from r1k import world
from r1k.config import Base, ScratchBase
from r1k.errors import ConfigError, R1kError
from r1k.files import atomic_directory
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import Example, read_jsonl
from r1k.text import load_tokenizer

PAD, START, END = SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
SAMPLE = 4000
"""Documents of the embedded world that the tokenizer is trained on."""

PRE_TOKENIZER_PATTERN = (
    r"\d+"  # a number, without the space before it
    r"| ?[A-J]\) "  # the label of an option
    r"|[A-Zx-z](?!\p{L})"  # a single capital letter or unknown
    r"| ?\p{L}+ (?=\d)| ?[^\s\p{L}\d]+ (?=\d)"  # a word or sign before a number includes the space
    r"| ?(?![A-Zx-z](?!\p{L}))\p{L}+| ?[^\s\p{L}\d]+|\s+"
)
"""Splits text such that a number or single letter is the same token in a sentence, an equation and a box, directly
after the word that names it. A small model learns to look up adjacent tokens."""


def make_tokenizer(*, base: Base, output: Path, data: Path | None = None) -> None:
    """Train the tokenizer of a scratch base: byte-level BPE in which each number of the embedded world is one token.

    Args:
        base: The base's entry in the config, of kind scratch.
        output: The tokenizer's directory to write.
        data: An s1k.jsonl whose text the tokenizer is trained on too.

    Raises:
        ConfigError: The base is not a scratch base, or its vocabulary has no room for bytes, markers and numbers.
    """
    watch = Stopwatch()
    config = require_scratch(base)
    numbers = [str(number) for number in sorted(world.numbers())]
    texts = list(islice(world.documents(config.seed), SAMPLE)) + (_texts(data) if data is not None else [])
    tokenizer = _wrap(_train_bpe(texts, numbers, config.vocab_size))
    with atomic_directory(output) as partial:
        tokenizer.save_pretrained(partial)
        _check_tokenizer(load_tokenizer(partial), numbers, config.vocab_size)
    write_manifest(
        output, "bases.tokenizer", {"data": data} if data else {}, watch, tokens=len(tokenizer), numbers=len(numbers)
    )


def require_scratch(base: Base) -> ScratchBase:
    """Return the base's config; raises ConfigError if it is not a scratch base."""
    if not isinstance(base, ScratchBase):
        raise ConfigError("--base: not a scratch base; use get-base")
    return base


def _texts(data: Path) -> list[str]:
    examples = read_jsonl(data, Example)
    return [text for example in examples for text in (example.question, example.reasoning, example.answer)]


def _train_bpe(texts: Sequence[str], numbers: Sequence[str], vocab_size: int) -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    reserved = [number for number in numbers if len(number) > 1]
    room = vocab_size - len(SPECIALS) - len(reserved)
    if room < len(alphabet):
        raise ConfigError(
            f"bases.*.vocab_size: {vocab_size} has no room for {len(alphabet)} bytes, {len(SPECIALS)} special tokens "
            f"and {len(reserved)} numbers; set it to {len(alphabet) + len(SPECIALS) + len(reserved)} at least"
        )
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = _pre_tokenizer()
    trainer = trainers.BpeTrainer(vocab_size=room, initial_alphabet=alphabet, show_progress=False)
    # Numbers have reserved tokens; a digit in their place keeps them from using up merges.
    learner.train_from_iterator((re.sub(r"\d+", "0", text) for text in _without_markers(texts)), trainer)
    learned = sorted(learner.get_vocab().items(), key=lambda item: item[1])
    names = [*SPECIALS, *(token for token, _ in learned), *reserved]
    tokenizer = Tokenizer(
        models.BPE(
            vocab={name: index for index, name in enumerate(names)},
            merges=_merges(learner),
            ignore_merges=True,  # a piece in the vocabulary is one token whatever the merges, which keeps numbers whole
        )
    )
    tokenizer.pre_tokenizer = _pre_tokenizer()
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _without_markers(texts: Sequence[str]) -> Iterator[str]:
    for text in texts:
        for marker in SPECIALS:
            text = text.replace(marker, "\n")
        yield text


def _merges(tokenizer: Tokenizer) -> list[tuple[str, str]]:
    return [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]


def _pre_tokenizer() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PRE_TOKENIZER_PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def _wrap(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=[START],
        clean_up_tokenization_spaces=False,
    )
    wrapped.chat_template = (Path(__file__).parent / "chatml.jinja").read_text(encoding="utf-8").strip()
    return wrapped


def _check_tokenizer(tokenizer: PreTrainedTokenizerBase, numbers: Sequence[str], vocab_size: int) -> None:
    """Raise R1kError if the saved tokenizer loads as another one; loaders silently replace pre-tokenizers."""
    split = [number for number in numbers if len(tokenizer(f" {number}x")["input_ids"]) != 3]
    if split or len(tokenizer) > vocab_size:
        raise R1kError(
            f"tokenizer: {len(tokenizer)} tokens of at most {vocab_size}; numbers that are not one token: {split[:5]}"
        )
