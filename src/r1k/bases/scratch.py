"""Pretrain a scratch base: a tiny Qwen2 model, on the documents of `r1k.world`, resumable after any kill."""

import math
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
from tqdm import tqdm
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerBase,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from r1k import world
from r1k.bases.muon import Muon
from r1k.bases.tokenizer import require_scratch
from r1k.config import Base, ScratchBase
from r1k.errors import R1kError
from r1k.files import atomic_directory, atomic_write, exclusive, file_digest, value_digest
from r1k.provenance import Stopwatch, write_manifest
from r1k.text import load_tokenizer

WINDOW = 16
"""Batches whose rows are sorted by length together, which reduces padding."""
CHECKPOINT = "checkpoint.safetensors"
MATRIX_RATE = 2
"""Muon's learning rate for the layers' matrices, as a multiple of AdamW's for the other parameters."""
IGNORED = -100
"""The label that excludes a token from the loss (PyTorch's ignore_index)."""


@dataclass(frozen=True)
class PretrainingBatch:
    """Documents as rows of token ids, padded at the end, with labels."""

    ids: torch.Tensor
    labels: torch.Tensor


def batches(tokenizer: PreTrainedTokenizerBase, config: ScratchBase, start: int = 0) -> Iterator[PretrainingBatch]:
    """Yield the pretraining batches from step `start` on; they do not depend on where an earlier attempt ended."""
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


def _pad(rows: Sequence[Sequence[int]], padding: int) -> PretrainingBatch:
    width = max(map(len, rows))
    ids = torch.tensor([[*row, *[padding] * (width - len(row))] for row in rows])
    labels = torch.tensor([[*row, *[IGNORED] * (width - len(row))] for row in rows])
    return PretrainingBatch(ids, labels)


def model_config(config: ScratchBase, tokenizer: PreTrainedTokenizerBase) -> Qwen2Config:
    """Return a Qwen2 config of the base's size, with tied embeddings."""
    return Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        num_hidden_layers=config.num_hidden_layers,
        num_attention_heads=config.num_attention_heads,
        num_key_value_heads=config.num_attention_heads,
        max_position_embeddings=config.max_position_embeddings,
        # Qwen2's default 0.02 suits wide models; at this width it costs a third of the pretraining.
        initializer_range=config.hidden_size**-0.5,
        rope_parameters={"rope_type": "default", "rope_theta": 1000.0},
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def schedule(steps: int, step: int) -> float:
    """Return the share of the peak learning rate: linear warmup over 5 % of the steps, then linear decay to zero."""
    warmup = max(1, steps // 20)
    return min((step + 1) / warmup, (steps - step) / (steps - warmup + 1))


class Pretraining:
    """Model, optimizers and number of steps done: the content of a checkpoint. A step draws no random numbers."""

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

    def step(self, batch: PretrainingBatch) -> float:
        """Take one optimizer step and return the mean loss per token in nats; raises R1kError if it is not finite."""
        for optimizer, peak in self.optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = peak * schedule(self.config.max_steps, self.done)
        # With padding at the end and causal attention no row needs a mask.
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
        """Write a checkpoint, atomically."""
        tensors: dict[str, torch.Tensor] = {}
        for name, parameter, optimizer in self._parameters():
            tensors[f"model.{name}"] = parameter.detach()
            for key, value in optimizer.state[parameter].items():
                tensors[f"{key}.{name}"] = value
        with atomic_write(path, "wb") as handle:
            handle.write(save(tensors, metadata={"done": str(self.done)}))

    def load(self, path: Path) -> None:
        """Load a checkpoint; raises R1kError if it is of another model."""
        with safe_open(path, framework="pt") as stored:
            names = set(stored.keys())
            for name, parameter, optimizer in self._parameters():
                keys = ("momentum",) if isinstance(optimizer, Muon) else ("step", "exp_avg", "exp_avg_sq")
                missing = not names.issuperset(f"{key}.{name}" for key in ("model", *keys))
                if missing or list(stored.get_slice(f"model.{name}").get_shape()) != list(parameter.shape):
                    raise R1kError(f"{path}: checkpoint of another model (parameter {name} differs); remove it")
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
    config = require_scratch(base)
    loaded = load_tokenizer(tokenizer)
    base_state = state / value_digest([config.model_dump(mode="json"), file_digest(tokenizer / "tokenizer.json")])
    with exclusive(base_state / "lock", "pretraining"):
        training = Pretraining(config, loaded)
        checkpoint = base_state / CHECKPOINT
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
    """Take the remaining steps and return the exponentially smoothed loss, or None if no step remained."""
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
