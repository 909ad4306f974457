"""Estimate a job's peak memory by part, in bytes: on one GPU, or of the process if there is no GPU.

The parts sum to the peak; memory that is not held at the same time is not added. Sizes follow the libraries in `envs/`:
Qwen2 and Llama of transformers, PEFT's LoRA, TRL's chunked loss, DeepSpeed's ZeRO-3.
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
"""Bytes by part, in display order."""
BYTES = {"bfloat16": 2, "float32": 4}
FUSED_HEAD_ROWS, FUSED_HEAD_COLUMNS = 4096, 32768
"""Size of TRL's tile of logits: TOKEN_CHUNK_SIZE and _CHUNKED_LOGPROB_CHUNK_SIZE."""
TRANSIENT = ("activations", "logits", "KV cache")
"""Parts that are allocated and freed many times."""


@dataclass(frozen=True)
class Placement:
    """The devices and processes of a training run."""

    gpus: int
    """GPUs per node; 0 on the CPU."""
    per_device_train_batch_size: int
    """Examples or pairs per device and forward pass."""
    processes: int = 0
    """Processes per node; 0 means one per GPU, and at least one."""
    nodes: int = 1
    gradient_checkpointing: bool = True

    @property
    def processes_per_node(self) -> int:
        """Processes per node, at least one."""
        return self.processes or max(1, self.gpus)

    @property
    def world_size(self) -> int:
        return self.nodes * self.processes_per_node

    @property
    def zero_stage(self) -> int:
        """3 if there are several processes, else 0 (no sharding), as in `r1k train`."""
        return 3 if self.world_size > 1 else 0

    @property
    def shards(self) -> int:
        return self.world_size if self.zero_stage == 3 else 1


def training(a: Architecture, settings: Sft | Dpo, lora: Lora, placement: Placement, tokens: int) -> Parts:
    """Return the peak of a training run on one device, for a longest sequence of `tokens` tokens."""
    size, shards = BYTES[settings.dtype], placement.shards
    adapter = lora_parameters(a, lora.r, lora.target_modules)
    copies = 2 if isinstance(settings, Dpo) else 1  # DPO's reference is a frozen copy of the adapter
    sequences = placement.per_device_train_batch_size * copies  # chosen and rejected
    # PEFT keeps an adapter in float32. Under ZeRO-3 the adapter has the base's dtype, the optimizer float32 master
    # weights, and the step float32 gradients: 18 bytes per parameter in bfloat16, as in DeepSpeed's estimator.
    adapter_size = size if placement.zero_stage == 3 else 4
    master = 4 if adapter_size == 2 else 0
    parts = {
        "weights": parameters(a) * size / shards,
        "adapter": adapter * adapter_size * copies / shards,
        "gradients": adapter * 4 / shards,
        "optimizer": adapter * (8 + master) / shards,
        "gathered weights": gathered(a, size) if placement.zero_stage == 3 else 0,
        "activations": activations(
            a, settings, lora, sequences, tokens, adapter_size, placement.gradient_checkpointing
        ),
        "logits": fused_head(a, sequences * tokens, size, on_gpu=placement.gpus > 0),
    }
    return {name: part for name, part in parts.items() if part}


def gathered(a: Architecture, size: int) -> float:
    """Return the bytes that ZeRO-3 gathers on each GPU: live parameters, and the output head during the loss."""
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
    """Return the bytes saved for the backward pass of a micro-batch of sequences padded to `width` tokens.

    With gradient checkpointing each layer saves only its input, and one layer at a time saves everything.
    """
    size, tokens = BYTES[settings.dtype], sequences * width
    layer = tokens * layer_activations(a, settings, lora, adapter_size)
    if settings.attn_implementation == "sdpa" and sequences > 1:
        layer += tokens * width * size  # the padding mask, in the base's dtype
    # Gradients of the feed-forward layer's activations during its backward pass.
    gradient = tokens * size * (3 * a.intermediate_size + 2 * a.hidden_size)
    if gradient_checkpointing:
        return a.num_hidden_layers * tokens * a.hidden_size * size + layer + gradient
    return a.num_hidden_layers * layer + gradient


def layer_activations(a: Architecture, settings: Sft | Dpo, lora: Lora, adapter_size: int) -> float:
    """Return the bytes per token that one layer saves for its backward pass, its input included.

    The count follows Korthikanti et al. (2022), for this architecture with flash or fused attention. The base's weights
    are frozen, therefore inputs of linear modules are saved for the adapters only.
    """
    size, kv = BYTES[settings.dtype], kv_width(a)
    shapes = projections(a)
    # Two residuals, two norm outputs; queries, keys, values, attention output and its copy for the projection.
    saved = (4 * a.hidden_size + 3 * a.hidden_size + 2 * kv + 4 * a.intermediate_size) * size
    if size == 2:
        saved += 2 * 4 * a.hidden_size  # RMSNorm computes in float32
    for name in lora.target_modules:
        saved += lora.r * adapter_size
        if adapter_size != size:
            saved += shapes[name][0] * adapter_size  # the input, cast for the adapter
        if lora.lora_dropout:
            saved += shapes[name][0] * (adapter_size + 1)  # the input after dropout, and the dropout mask
    return saved


def fused_head(a: Architecture, tokens: float, size: int, on_gpu: bool) -> float:
    """Return the bytes of TRL's chunked loss: a tile of logits, and the hidden states' gradient in float32.

    Without Triton, torch reduces the tile and holds seven float32 tiles at once.
    """
    tile = min(tokens, FUSED_HEAD_ROWS) * min(a.vocab_size, FUSED_HEAD_COLUMNS)
    return tile * (size if on_gpu else 4 * 7) + tokens * a.hidden_size * (4 + size)


def probing(a: Architecture, rank: int, target_modules: list[str], dtype: str, tokens: int, on_gpu: bool) -> Parts:
    """Return the peak of scoring: base, one adapter, and a batch of `tokens` padded tokens without a backward pass."""
    size = BYTES[dtype]
    folded = a.hidden_size * a.intermediate_size * 4 if dtype == "float32" else 0  # W + BA of one module at a time
    tile = rows_at_once(a.vocab_size, a.hidden_size) * a.vocab_size * 4
    return {
        "weights": parameters(a) * size,
        "adapter": lora_parameters(a, rank, target_modules) * size,
        "activations": tokens * (4 * a.hidden_size + 3 * a.intermediate_size) * size
        + tokens * a.hidden_size * 4
        + folded,
        "logits": 3 * tile + (embedding_parameters(a) * 4 if size == 2 and not on_gpu else 0),
    }


def kernel(a: Architecture, settings: Sft | Dpo, lora: Lora, tokens: int, width: int, on_gpu: bool) -> Parts:
    """Return the peak of the empirical NTK, in float32: base, adapter, a gradient, a step's saved copy, activations.

    Activations are the larger of a sequence of `tokens` tokens with gradient checkpointing, and of a scored batch of
    `width` padded tokens.
    """
    adapter = 4 * lora_parameters(a, lora.r, lora.target_modules)
    in_float32 = settings.model_copy(update={"dtype": "float32"})
    no_dropout = lora.model_copy(update={"lora_dropout": 0})
    scored = probing(a, lora.r, lora.target_modules, "float32", width, on_gpu)
    return {
        "weights": parameters(a) * 4,
        "adapter": adapter,
        "gradients": 2 * adapter,
        "activations": max(
            scored["activations"], activations(a, in_float32, no_dropout, 1, tokens, 4, gradient_checkpointing=True)
        ),
        "logits": scored["logits"],
    }


def kv_bytes(a: Architecture, size: int) -> int:
    """Return the bytes of one token's keys and values in all layers."""
    return 2 * a.num_hidden_layers * kv_width(a) * size


def generating(
    a: Architecture, rank: int, target_modules: list[str], dtype: str, sequences: int, prompt: float, new: float
) -> Parts:
    """Return the peak of generation by transformers: base, adapter in float32, keys and values of full sequences.

    transformers grows a layer's cache by copying it, and repeats keys and values for the query heads.
    """
    size = BYTES[dtype]
    cached = sequences * (prompt + new)
    return {
        "weights": parameters(a) * size,
        "adapter": lora_parameters(a, rank, target_modules) * 4 if rank else 0,
        "KV cache": cached * kv_bytes(a, size) * (1 + 1 / a.num_hidden_layers),
        "activations": cached * 2 * a.hidden_size * size
        + sequences * prompt * (4 * a.hidden_size + 3 * a.intermediate_size) * size,
        "logits": sequences * a.vocab_size * (size + 4),
    }


def pretraining(a: Architecture, sequences: int, tokens: float) -> Parts:
    """Return the peak of pretraining in float32: all parameters, one moment for matrices and two for the others."""
    count, rest = parameters(a), embedding_parameters(a)
    # Modules with the same input save it once: 8 widths, keys and values, and 4 feed-forward widths.
    layer = 8 * a.hidden_size + 2 * kv_width(a) + 4 * a.intermediate_size
    return {
        "weights": count * 4,
        "gradients": count * 4,
        "optimizer": (count + rest) * 4,
        "activations": sequences * tokens * (a.num_hidden_layers * layer + 3 * a.intermediate_size) * 4,
        "logits": sequences * tokens * a.vocab_size * 4 * 3,
    }


def process(parts: Parts, libraries: float, fragmentation: float) -> Parts:
    """Return the peak of a process without a GPU, with `libraries` bytes before any model and heap fragmentation.

    glibc takes arrays below 32 MiB from a heap that it returns only in part. With a fixed mmap threshold a training
    run's measured peak equals the sum of its parts; without, the heap holds `fragmentation` times the transient parts
    in addition.
    """
    transient = sum(parts.get(part, 0) for part in TRANSIENT)
    return {"libraries": libraries, **parts, "fragmentation": fragmentation * transient}
