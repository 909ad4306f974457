"""A tiny base model made here: a tokenizer with whole numbers, and a pretraining that any kill can interrupt.

The model is of Qwen2's architecture and speaks Qwen2.5's ChatML; what it is shown is `r1k.world.documents`.
"""

import json
import math
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from tqdm import tqdm
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from r1k import world
from r1k.bases.muon import Muon
from r1k.config import Base, ScratchBase
from r1k.errors import ConfigError, R1kError
from r1k.files import atomic_directory, atomic_write, exclusive, file_digest, value_digest
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import Example, read_jsonl
from r1k.text import load_tokenizer

PAD, START, END = SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
SAMPLE = 4000
"""Documents that the tokenizer is trained on."""
WINDOW = 16
"""Batches that are sorted by length together, so that rows of a batch need little padding."""
CHECKPOINT = "checkpoint.safetensors"
MATRIX_RATE = 2
"""Muon's learning rate for the matrices of the layers, in learning rates of the rest."""
IGNORED = -100

_PIECES = (
    r"\d+"  # a number, without the space before it
    r"| ?[A-J]\) "  # the head of an option
    r"|[A-Zx-z](?!\p{L})"  # a single capital or unknown
    r"| ?\p{L}+ (?=\d)| ?[^\s\p{L}\d]+ (?=\d)"  # what stands before a number takes its space
    r"| ?(?![A-Zx-z](?!\p{L}))\p{L}+| ?[^\s\p{L}\d]+|\s+"
)
"""Pre-tokenizer: a number or a letter is the same token in a sentence, an equation and a box, and stands directly
beside the word that says what it is. What stands next to a token is what a small model learns to look up."""


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
    config = _scratch(base)
    numbers = [str(number) for number in sorted(world.numbers())]
    texts = list(islice(world.documents(config.seed), SAMPLE)) + (_texts(data) if data is not None else [])
    tokenizer = _wrap(_train_bpe(texts, numbers, config.vocab_size))
    with atomic_directory(output) as partial:
        tokenizer.save_pretrained(partial)
        _check_tokenizer(load_tokenizer(partial), numbers, config.vocab_size)
    write_manifest(
        output, "bases.tokenizer", {"data": data} if data else {}, watch, tokens=len(tokenizer), numbers=len(numbers)
    )


def _scratch(base: Base) -> ScratchBase:
    if not isinstance(base, ScratchBase):
        raise ConfigError("--base: not a scratch base; use get-base")
    return base


def _texts(data: Path) -> list[str]:
    examples = read_jsonl(data, Example)
    return [text for example in examples for text in (example.question, example.reasoning, example.answer)]


def _train_bpe(texts: Sequence[str], numbers: Sequence[str], vocabulary: int) -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    reserved = [number for number in numbers if len(number) > 1]
    room = vocabulary - len(SPECIALS) - len(reserved)
    if room < len(alphabet):
        raise ConfigError(
            f"bases.*.vocab_size: {vocabulary} has no room for {len(alphabet)} bytes, {len(SPECIALS)} markers and "
            f"{len(reserved)} numbers; set it to {len(alphabet) + len(SPECIALS) + len(reserved)} at least"
        )
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = _pre_tokenizer()
    trainer = trainers.BpeTrainer(vocab_size=room, initial_alphabet=alphabet, show_progress=False)
    # Numbers have their tokens already: as single digits they hold their place and take no merges.
    learner.train_from_iterator((re.sub(r"\d+", "0", text) for text in _plain(texts)), trainer)
    learned = sorted(learner.get_vocab().items(), key=lambda item: item[1])
    names = [*SPECIALS, *(token for token, _ in learned), *reserved]
    tokenizer = Tokenizer(
        models.BPE(
            vocab={name: index for index, name in enumerate(names)},
            merges=_merges(learner),
            ignore_merges=True,  # a piece that is a token is that token, whatever the merges: so numbers stay whole
        )
    )
    tokenizer.pre_tokenizer = _pre_tokenizer()
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _plain(texts: Sequence[str]) -> Iterator[str]:
    for text in texts:
        for marker in SPECIALS:
            text = text.replace(marker, "\n")
        yield text


def _merges(tokenizer: Tokenizer) -> list[tuple[str, str]]:
    return [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]


def _pre_tokenizer() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), "isolated"),
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


def _check_tokenizer(tokenizer: PreTrainedTokenizerBase, numbers: Sequence[str], vocabulary: int) -> None:
    """R1kError unless what was loaded from disk is what was made: loaders exchange pre-tokenizers in silence."""
    split = [number for number in numbers if len(tokenizer(f" {number}x")["input_ids"]) != 3]
    if split or len(tokenizer) > vocabulary:
        raise R1kError(f"tokenizer: {len(tokenizer)} tokens, numbers that are no single token: {split[:5]}")


@dataclass(frozen=True)
class Batch:
    """Documents as rows of token ids, padded at the end, and their labels."""

    ids: torch.Tensor
    labels: torch.Tensor


def batches(tokenizer: PreTrainedTokenizerBase, config: ScratchBase, start: int = 0) -> Iterator[Batch]:
    """The batches of the pretraining from step `start` on, the same wherever it was interrupted."""
    size = WINDOW * config.train_batch_size
    window = start // WINDOW
    texts = islice(world.documents(config.seed), window * size, None)
    skip = start % WINDOW
    while True:
        encoded = tokenizer(list(islice(texts, size)), add_special_tokens=False)["input_ids"]
        rows = sorted(
            ((*ids[: config.max_position_embeddings - 1], tokenizer.pad_token_id) for ids in encoded), key=len
        )
        order = list(range(WINDOW))
        Random(f"batches:{config.seed}:{window}").shuffle(order)
        for place in order[skip:]:
            yield _pad(rows[place * config.train_batch_size :][: config.train_batch_size], tokenizer.pad_token_id)
        window, skip = window + 1, 0


def _pad(rows: Sequence[Sequence[int]], padding: int) -> Batch:
    width = max(map(len, rows))
    ids = torch.tensor([[*row, *[padding] * (width - len(row))] for row in rows])
    labels = torch.tensor([[*row, *[IGNORED] * (width - len(row))] for row in rows])
    return Batch(ids, labels)


def model_config(config: ScratchBase, tokenizer: PreTrainedTokenizerBase) -> Qwen2Config:
    """Qwen2's architecture in the config's size, with tied embeddings."""
    return Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        num_hidden_layers=config.num_hidden_layers,
        num_attention_heads=config.num_attention_heads,
        num_key_value_heads=config.num_attention_heads,
        max_position_embeddings=config.max_position_embeddings,
        # Qwen2's own 0.02 is for wide models; at this width it costs a third of the pretraining.
        initializer_range=config.hidden_size**-0.5,
        rope_parameters={"rope_type": "default", "rope_theta": 1000.0},
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def schedule(steps: int, step: int) -> float:
    """Share of the peak learning rate: linear warm-up over a twentieth of the steps, then linear decay to zero."""
    warmup = max(1, steps // 20)
    return min((step + 1) / warmup, (steps - step) / (steps - warmup + 1))


class Pretraining:
    """The model, its optimizer and the steps done: all that a checkpoint holds. Nothing in a step is random."""

    def __init__(self, config: ScratchBase, tokenizer: PreTrainedTokenizerBase) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.model: Any = Qwen2ForCausalLM(model_config(config, tokenizer)).to(torch.float32)
        layers = list(self.model.model.layers.parameters())
        matrices = [parameter for parameter in layers if parameter.ndim == 2]
        inside = {id(parameter) for parameter in matrices}
        rest = [parameter for parameter in self.model.parameters() if id(parameter) not in inside]
        self.optimizers: dict[torch.optim.Optimizer, float] = {
            Muon(matrices, lr=0.0): MATRIX_RATE * config.learning_rate,
            torch.optim.AdamW(rest, lr=0.0, betas=(0.9, 0.95), weight_decay=0.01): config.learning_rate,
        }
        self.done = 0

    def step(self, batch: Batch) -> float:
        """One optimizer step; the mean loss of a token, in nats. R1kError where it is no number."""
        for optimizer, peak in self.optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = peak * schedule(self.config.max_steps, self.done)
        # Padding is at the end and attention causal, so no row needs a mask.
        loss = self.model(input_ids=batch.ids, labels=batch.labels, use_cache=False).loss
        value = float(loss.item())
        if not math.isfinite(value):
            raise R1kError(f"pretraining: the loss is {value} at step {self.done}; lower the base's learning_rate")
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.done += 1
        return value

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all."""
        tensors: dict[str, torch.Tensor] = {}
        for name, parameter, optimizer in self._parameters():
            tensors[f"model.{name}"] = parameter.detach()
            for key, value in optimizer.state[parameter].items():
                tensors[f"{key}.{name}"] = value
        with atomic_write(path, "wb") as handle:
            handle.write(save(tensors, metadata={"done": str(self.done)}))

    def load(self, path: Path) -> None:
        """Go on from a checkpoint; R1kError where it is of another model."""
        with safe_open(path, framework="pt") as stored:
            names = set(stored.keys())
            for name, parameter, optimizer in self._parameters():
                keys = ("momentum",) if isinstance(optimizer, Muon) else ("step", "exp_avg", "exp_avg_sq")
                missing = not names.issuperset(f"{key}.{name}" for key in ("model", *keys))
                if missing or list(stored.get_slice(f"model.{name}").get_shape()) != list(parameter.shape):
                    raise R1kError(f"{path}: a checkpoint of another model ({name}); remove it")
                with torch.no_grad():
                    parameter.copy_(stored.get_tensor(f"model.{name}"))
                optimizer.state[parameter] = {key: stored.get_tensor(f"{key}.{name}") for key in keys}
            self.done = int(stored.metadata()["done"])

    def _parameters(self) -> Iterator[tuple[str, torch.nn.Parameter, torch.optim.Optimizer]]:
        owner = {
            id(parameter): optimizer
            for optimizer in self.optimizers
            for group in optimizer.param_groups
            for parameter in group["params"]
        }
        for name, parameter in self.model.named_parameters():
            yield name, parameter, owner[id(parameter)]


def pretrain(*, base: Base, tokenizer: Path, output: Path, state: Path, checkpoint_seconds: float = 15) -> None:
    """Pretrain a scratch base from random weights, resuming after a kill with bit-identical weights.

    Args:
        base: The base's entry in the config, of kind scratch.
        tokenizer: The directory that make-tokenizer wrote.
        output: The model's directory to write, tokenizer included.
        state: Directory that keeps checkpoints, in a subdirectory for each base and tokenizer.
        checkpoint_seconds: Seconds between checkpoints; a kill loses no more.

    Raises:
        ConfigError: The base is not a scratch base.
        R1kError: The loss is not finite, or a checkpoint is of another model.
    """
    watch = Stopwatch()
    config = _scratch(base)
    loaded = load_tokenizer(tokenizer)
    own = state / value_digest([config.model_dump(mode="json"), file_digest(tokenizer / "tokenizer.json")])
    with exclusive(own / "lock", "pretraining"):
        training = Pretraining(config, loaded)
        checkpoint = own / CHECKPOINT
        if checkpoint.is_file():
            training.load(checkpoint)
        resumed = training.done
        loss = _train(training, loaded, checkpoint, checkpoint_seconds)
        with atomic_directory(output) as partial:
            training.model.generation_config = GenerationConfig(
                do_sample=False, eos_token_id=loaded.eos_token_id, pad_token_id=loaded.pad_token_id
            )
            training.model.save_pretrained(partial, safe_serialization=True)
            loaded.save_pretrained(partial)
            load_tokenizer(partial)
            write_manifest(
                partial,
                "bases.pretrain",
                {"tokenizer": tokenizer / "tokenizer.json"},
                watch,
                parameters=training.model.num_parameters(),
                steps=training.done,
                resumed_at=resumed,
                loss=loss,
            )


def _train(training: Pretraining, tokenizer: PreTrainedTokenizerBase, checkpoint: Path, seconds: float) -> float | None:
    """Take the steps that are left; the smoothed loss of the last ones, or None where none was left."""
    steps = training.config.max_steps
    smoothed: float | None = None
    saved = time.monotonic()
    training.model.train()
    source = batches(tokenizer, training.config, training.done)
    with tqdm(total=steps, initial=training.done, desc="pretraining", unit="step", mininterval=1) as bar:
        for batch in islice(source, steps - training.done):
            loss = training.step(batch)
            smoothed = loss if smoothed is None else 0.98 * smoothed + 0.02 * loss
            bar.set_postfix(loss=f"{smoothed:.3f}", refresh=False)
            bar.update()
            if time.monotonic() - saved >= seconds or training.done == steps:
                training.save(checkpoint)
                saved = time.monotonic()
    return smoothed
