"""Peak memory of a job by part, in bytes: on one GPU, or of the process where there is none.

The parts add up to a peak: what is not there at the same time is not added. Sizes are those of the libraries in
`envs/`: transformers' Qwen2 and Llama, peft's LoRA, TRL's fused head, DeepSpeed's ZeRO-3.
"""

from dataclasses import dataclass

from r1k.config import Architecture, Dpo, Lora, Sft
from r1k.plan.architecture import (
    LIVE_PARAMETERS,
    embedding_parameters,
    kv_width,
    lora_parameters,
    parameters,
    projections,
)
from r1k.probe.tiles import rows_at_once

Parts = dict[str, float]
"""Bytes by part, in the order in which they are shown."""
BYTES = {"bfloat16": 2, "float32": 4}
FUSED_HEAD_ROWS, FUSED_HEAD_COLUMNS = 4096, 32768
"""TRL's tile of logits: TOKEN_CHUNK_SIZE and _CHUNKED_LOGPROB_CHUNK_SIZE."""
TRANSIENT = ("activations", "logits", "KV cache")
"""The parts that come and go many times."""


@dataclass(frozen=True)
class Placement:
    """How a training is laid out."""

    gpus: int
    """GPUs on a node; 0 where it computes on the CPU."""
    per_device_train_batch_size: int
    """Examples or pairs on one device at once."""
    processes: int = 0
    """Processes on a node; 0: one for each GPU, at least one."""
    nodes: int = 1
    gradient_checkpointing: bool = True

    @property
    def on_a_node(self) -> int:
        """Processes on a node."""
        return self.processes or max(1, self.gpus)

    @property
    def world_size(self) -> int:
        return self.nodes * self.on_a_node

    @property
    def zero_stage(self) -> int:
        """As the trainer decides: ZeRO-3 where there are several processes, else nothing is sharded."""
        return 3 if self.world_size > 1 else 0

    @property
    def shards(self) -> int:
        return self.world_size if self.zero_stage == 3 else 1


def training(a: Architecture, settings: Sft | Dpo, lora: Lora, placement: Placement, tokens: int) -> Parts:
    """A training's peak on one device, for sequences of `tokens` tokens, the longest that come."""
    size, shards = BYTES[settings.dtype], placement.shards
    adapter = lora_parameters(a, lora.r, lora.target_modules)
    copies = 2 if isinstance(settings, Dpo) else 1  # DPO's reference is a frozen copy of the adapter
    sequences = placement.per_device_train_batch_size * copies  # chosen and rejected
    # peft keeps an adapter in float32. Under ZeRO-3 it has the base's precision, the optimizer a float32 master, and
    # the step float32 gradients: 18 bytes a parameter in bf16, as in DeepSpeed's estimator.
    own = size if placement.zero_stage == 3 else 4
    master = 4 if own == 2 else 0
    parts = {
        "weights": parameters(a) * size / shards,
        "adapter": adapter * own * copies / shards,
        "gradients": adapter * 4 / shards,
        "optimizer": adapter * (8 + master) / shards,
        "gathered weights": gathered(a, size) if placement.zero_stage == 3 else 0,
        "activations": activations(a, settings, lora, sequences, tokens, own, placement.gradient_checkpointing),
        "logits": fused_head(a, sequences * tokens, size, on_gpu=placement.gpus > 0),
    }
    return {name: part for name, part in parts.items() if part}


def gathered(a: Architecture, size: int) -> float:
    """What ZeRO-3 holds whole on each GPU: live parameters, and the output head while the loss is computed."""
    return size * min(parameters(a), LIVE_PARAMETERS + embedding_parameters(a))


def activations(
    a: Architecture,
    settings: Sft | Dpo,
    lora: Lora,
    sequences: int,
    width: float,
    adapter_size: int,
    gradient_checkpointing: bool,
) -> float:
    """What the backward pass reads, of a micro-batch of sequences padded to `width` tokens.

    With gradient checkpointing each layer keeps its input alone, and one layer at a time is whole.
    """
    size, tokens = BYTES[settings.dtype], sequences * width
    layer = tokens * layer_activations(a, settings, lora, adapter_size)
    if settings.attn_implementation == "sdpa" and sequences > 1:
        layer += tokens * width * size  # the mask of padding, as numbers
    gradient = (
        tokens * size * (3 * a.intermediate_size + 2 * a.hidden_size)
    )  # of the feed-forward layer, as it is passed backwards
    if gradient_checkpointing:
        return a.num_hidden_layers * tokens * a.hidden_size * size + layer + gradient
    return a.num_hidden_layers * layer + gradient


def layer_activations(a: Architecture, settings: Sft | Dpo, lora: Lora, adapter_size: int) -> float:
    """Bytes for each token that one layer saves for its backward pass, its input included.

    As Korthikanti et al. (2022) count them, for this architecture with flash or fused attention: the base's weights
    are frozen, so inputs of projections are saved for the adapters alone.
    """
    size, kv = BYTES[settings.dtype], kv_width(a)
    shapes = projections(a)
    # Two residuals, two norms' outputs; queries, keys, values, attention's output and its copy for the projection.
    saved = (4 * a.hidden_size + 3 * a.hidden_size + 2 * kv + 4 * a.intermediate_size) * size
    if size == 2:
        saved += 2 * 4 * a.hidden_size  # RMSNorm computes in float32
    for target in lora.target_modules:
        saved += lora.r * adapter_size
        if adapter_size != size:
            saved += shapes[target][0] * adapter_size  # the input, cast for the adapter
        if lora.lora_dropout:
            saved += shapes[target][0] * (adapter_size + 1)  # the input after dropout, and its mask
    return saved


def fused_head(a: Architecture, tokens: float, size: int, on_gpu: bool) -> float:
    """TRL's chunked loss: a tile of logits and the hidden states' gradient in float32.

    Without Triton the tile is reduced by torch, with seven float32 tiles at once.
    """
    tile = min(tokens, FUSED_HEAD_ROWS) * min(a.vocab_size, FUSED_HEAD_COLUMNS)
    return tile * (size if on_gpu else 4 * 7) + tokens * a.hidden_size * (4 + size)


def probing(a: Architecture, rank: int, targets: list[str], dtype: str, tokens: int, on_gpu: bool) -> Parts:
    """Scoring's peak: a base, one adapter, and a batch of `tokens` padded tokens read without a backward pass."""
    size = BYTES[dtype]
    folded = a.hidden_size * a.intermediate_size * 4 if dtype == "float32" else 0  # W + BA, of one projection at a time
    tile = rows_at_once(a.vocab_size, a.hidden_size) * a.vocab_size * 4
    return {
        "weights": parameters(a) * size,
        "adapter": lora_parameters(a, rank, targets) * size,
        "activations": tokens * (4 * a.hidden_size + 3 * a.intermediate_size) * size
        + tokens * a.hidden_size * 4
        + folded,
        "logits": 3 * tile + (embedding_parameters(a) * 4 if size == 2 and not on_gpu else 0),
    }


def kernel(a: Architecture, settings: Sft | Dpo, lora: Lora, tokens: int, width: int, on_gpu: bool) -> Parts:
    """The empirical NTK's peak, in float32: a base, an adapter, one gradient of it and what a step puts aside, and the
    activations of a sequence of `tokens` tokens, with recomputed layers, or of a batch of `width` that is scored.
    """
    adapter = 4 * lora_parameters(a, lora.r, lora.target_modules)
    own = settings.model_copy(update={"dtype": "float32"})
    plain = lora.model_copy(update={"lora_dropout": 0})
    scored = probing(a, lora.r, lora.target_modules, "float32", width, on_gpu)
    return {
        "weights": parameters(a) * 4,
        "adapter": adapter,
        "gradients": 2 * adapter,
        "activations": max(
            scored["activations"], activations(a, own, plain, 1, tokens, 4, gradient_checkpointing=True)
        ),
        "logits": scored["logits"],
    }


def kv_bytes(a: Architecture, size: int) -> int:
    """Bytes of keys and values of one token in all layers."""
    return 2 * a.num_hidden_layers * kv_width(a) * size


def generating(
    a: Architecture, rank: int, targets: list[str], dtype: str, sequences: int, prompt: float, new: float
) -> Parts:
    """Generation's peak: a base, an adapter in float32, and the keys and values of whole sequences.

    transformers grows the cache of a layer by copying it, and spreads keys and values over the query heads.
    """
    size = BYTES[dtype]
    cached = sequences * (prompt + new)
    return {
        "weights": parameters(a) * size,
        "adapter": lora_parameters(a, rank, targets) * 4 if rank else 0,
        "KV cache": cached * kv_bytes(a, size) * (1 + 1 / a.num_hidden_layers),
        "activations": cached * 2 * a.hidden_size * size
        + sequences * prompt * (4 * a.hidden_size + 3 * a.intermediate_size) * size,
        "logits": sequences * a.vocab_size * (size + 4),
    }


def pretraining(a: Architecture, sequences: int, tokens: float) -> Parts:
    """A scratch base's pretraining in float32: all parameters trained, one moment for matrices and two for the rest."""
    count, rest = parameters(a), embedding_parameters(a)
    # An input is saved once for the projections that read it: 7 widths, keys and values, and 4 of the feed-forward.
    layer = 8 * a.hidden_size + 2 * kv_width(a) + 4 * a.intermediate_size
    return {
        "weights": count * 4,
        "gradients": count * 4,
        "optimizer": (count + rest) * 4,
        "activations": sequences * tokens * (a.num_hidden_layers * layer + 3 * a.intermediate_size) * 4,
        "logits": sequences * tokens * a.vocab_size * 4 * 3,
    }


def process(parts: Parts, libraries: float, fragmentation: float) -> Parts:
    """The peak of a process without a GPU: `libraries` bytes before any model, and what the C allocator adds.

    glibc takes arrays below 32 MiB from a heap that it gives back in part; with a fixed mmap threshold a training's
    measured peak is that of its parts, without it the heap holds `fragmentation` times the transient ones more.
    """
    transient = sum(parts.get(part, 0) for part in TRANSIENT)
    return {"libraries": libraries, **parts, "fragmentation": fragmentation * transient}
