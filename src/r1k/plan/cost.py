"""Estimate seconds and bytes on disk.

A job takes the longer of its arithmetic and its memory traffic, plus `layer_seconds` for each pass of a batch through a
layer (kernel launches). Arithmetic is 2 FLOPs per parameter and token in the forward pass and 4 in the backward pass
(Kaplan et al. 2020), at the rate that the device reaches.
"""

import math
from collections.abc import Iterable, Sequence

from r1k.config import Architecture, Device, Dpo, Length, Lora, ScratchBase, Sft
from r1k.plan.architecture import lora_parameters, multiplied_parameters, parameters, projections
from r1k.plan.lengths import expected_longest, truncated
from r1k.plan.memory import BYTES, Placement, kv_bytes

NEWTON_SCHULZ = 5
"""Newton-Schulz iterations of a Muon step: `r1k.bases.muon.ITERATIONS`."""
FIT_RATE = 5e10
"""Float64 FLOP/s of the CPU cores of a merge job; assumed."""
EIGENVECTORS = 10
"""FLOPs of a symmetric eigendecomposition, in units of the matrix width cubed."""
CHECKPOINTS_KEPT = 2
"""The trainer's `save_total_limit`; while a checkpoint is written there is one more."""


def training_rate(device: Device) -> float:
    """Return the FLOP/s reached in training an adapter; its narrow matrix products are slower than wide ones."""
    return device.flops * device.mfu


def forward_rate(device: Device) -> float:
    """Return the FLOP/s reached without an adapter's training: scoring, prompts, pretraining."""
    return device.flops * device.forward_mfu


def attention_flops(a: Architecture, width: float) -> float:
    """Return the forward FLOPs of causal attention per token of a sequence of `width`: 2 x width x hidden per layer."""
    return 2 * a.num_hidden_layers * width * a.hidden_size


def low_rank_fit_seconds(a: Architecture, target_modules: Sequence[str]) -> float:
    """Return the seconds of a merge's low-rank fits: Gram matrix, eigenvectors and projection of each target module."""
    shapes = [sorted(projections(a)[name]) for name in target_modules]
    flops = sum(4 * short**2 * long + EIGENVECTORS * short**3 for short, long in shapes)
    return a.num_hidden_layers * flops / FIT_RATE


def training_seconds(
    a: Architecture,
    settings: Sft | Dpo,
    lora: Lora,
    device: Device,
    placement: Placement,
    steps: int,
    length: Length,
) -> float:
    """Return the seconds of a training run of `steps` optimizer steps on sequences (prompt and response) of `length`.

    The backward pass computes gradients of activations for all weights, and gradients of weights for the adapter only.
    Sequences of a micro-batch are padded to its longest, and all devices wait for the one with the longest.
    """
    per_example = 2 if isinstance(settings, Dpo) else 1
    sequences = placement.per_device_train_batch_size * per_example
    length = truncated(length, settings.max_length)
    width = min(expected_longest(length, sequences * placement.world_size), settings.max_length)
    adapter = lora_parameters(a, lora.r, lora.target_modules)
    attention = attention_flops(a, width)
    forward = 2 * (multiplied_parameters(a) + adapter) + attention
    backward = 2 * multiplied_parameters(a) + 4 * adapter + 2 * attention
    forwards = per_example + placement.gradient_checkpointing  # DPO's reference adds a forward pass per sequence
    flops = sequences * width * (forwards * forward + backward)
    gathering = (forwards + 1) * parameters(a) * BYTES[settings.dtype] * (1 - 1 / placement.shards)
    # Processes on the CPU share its cores.
    rate = training_rate(device) / (1 if placement.gpus else placement.processes_per_node)
    micro = max(flops / rate, gathering / (device.interconnect if placement.nodes == 1 else device.network))
    micro += (forwards + 2) * a.num_hidden_layers * device.layer_seconds
    micro_batches = settings.train_batch_size / (placement.per_device_train_batch_size * placement.world_size)
    return device.start_seconds + steps * (
        math.ceil(micro_batches) * micro + a.num_hidden_layers * device.layer_seconds
    )


def probing_seconds(
    a: Architecture, device: Device, checkpoints: int, responses: int, length: Length, tokens_per_batch: int
) -> float:
    """Return the seconds of forward passes over `responses` sequences of `length` tokens, at each checkpoint."""
    tokens = responses * length.mean
    flops = tokens * (2 * multiplied_parameters(a) + attention_flops(a, length.mean))
    batches = math.ceil(tokens / tokens_per_batch)
    per_checkpoint = flops / forward_rate(device) + batches * a.num_hidden_layers * device.layer_seconds
    return device.start_seconds + checkpoints * per_checkpoint


def kernel_seconds(
    a: Architecture,
    adapter: int,
    device: Device,
    gradients: Iterable[tuple[int, Length]],
    passes: tuple[int, int, Length],
) -> float:
    """Return the seconds of the empirical NTK, in float32.

    Args:
        a: The base's sizes.
        adapter: Parameters of the adapter.
        device: The device.
        gradients: (sequences, length) of gradients, taken one at a time with gradient checkpointing.
        passes: (passes, responses, length) of scoring.
    """
    slowdown = device.flops / device.float32_flops if device.kind == "gpu" else 1
    seconds = device.start_seconds
    for sequences, length in gradients:
        attention = attention_flops(a, length.mean)
        forward = 2 * (multiplied_parameters(a) + adapter) + attention
        backward = 2 * multiplied_parameters(a) + 4 * adapter + 2 * attention
        flops = length.mean * (2 * forward + backward)
        seconds += sequences * (
            flops * slowdown / training_rate(device) + 3 * a.num_hidden_layers * device.layer_seconds
        )
    times, responses, length = passes
    flops = responses * length.mean * (2 * multiplied_parameters(a) + attention_flops(a, length.mean))
    return seconds + times * (flops * slowdown / forward_rate(device) + a.num_hidden_layers * device.layer_seconds)


def generating_seconds(
    a: Architecture,
    device: Device,
    dtype: str,
    adapter: int,
    batch_size: int,
    benchmarks: Iterable[tuple[int, Length, Length]],
    limit: int,
) -> float:
    """Return the seconds of greedy answers to benchmarks of (questions, prompt, answer) in static batches.

    A batch runs until its longest answer ends. A new token takes the longer of its arithmetic and of reading weights,
    keys and values.
    """
    count, size = multiplied_parameters(a) + adapter, BYTES[dtype]
    seconds = device.start_seconds
    for n, prompt, answer in benchmarks:
        batch = min(n, batch_size)
        new = min(expected_longest(answer, batch), limit)
        cache = batch * (prompt.mean + new / 2) * kv_bytes(a, size)
        read = (count * size + cache) / device.bandwidth
        token = max(read, batch * 2 * count / forward_rate(device)) + a.num_hidden_layers * device.layer_seconds
        prefill = batch * expected_longest(prompt, batch) * 2 * count / forward_rate(device)
        seconds += math.ceil(n / batch) * (prefill + new * token)
    return seconds


def pretraining_seconds(a: Architecture, device: Device, base: ScratchBase, document: Length) -> float:
    """Return the seconds of a scratch base's pretraining: 6 FLOPs per parameter and token, and Muon's iterations."""
    tokens = base.train_batch_size * document.mean
    flops = tokens * (6 * multiplied_parameters(a) + 3 * attention_flops(a, document.mean))
    flops += a.num_hidden_layers * sum(_newton_schulz_flops(*shape) for shape in projections(a).values())
    return device.start_seconds + base.max_steps * (
        flops / forward_rate(device) + 4 * a.num_hidden_layers * device.layer_seconds
    )


def _newton_schulz_flops(rows: int, columns: int) -> float:
    short, long = sorted((rows, columns))
    return NEWTON_SCHULZ * (4 * short**2 * long + 2 * short**3)


def base_bytes(a: Architecture, dtype: str) -> float:
    """Return the bytes of a base on disk."""
    return float(parameters(a) * BYTES[dtype])


def adapter_bytes(a: Architecture, settings: Sft | Dpo, lora: Lora, placement: Placement) -> float:
    """Return the bytes of an adapter on disk: float32, or under ZeRO-3 the base's dtype."""
    size = BYTES[settings.dtype] if placement.zero_stage == 3 else 4
    return float(lora_parameters(a, lora.r, lora.target_modules) * size)


def optimizer_bytes(a: Architecture, lora: Lora, placement: Placement) -> float:
    """Return the bytes of optimizer state in a checkpoint: AdamW's two moments, and ZeRO-3's float32 master weights."""
    per_parameter = 12 if placement.zero_stage == 3 else 8
    return float(lora_parameters(a, lora.r, lora.target_modules) * per_parameter)


def training_disk(
    a: Architecture,
    settings: Sft | Dpo,
    lora: Lora,
    placement: Placement,
    probed_steps: int,
    steps: int,
    seconds: float,
    checkpoint_seconds: float,
) -> float:
    """Return the peak bytes of a training run on disk: final adapter, adapters of `probed_steps` steps, checkpoints.

    A checkpoint is due every `checkpoint_seconds` and written at the end of the next step, except the last one.
    Published files are hard links to files of the run's state and count once.
    """
    adapter = adapter_bytes(a, settings, lora, placement)
    copies = 2 if isinstance(settings, Dpo) else 1
    checkpoint = optimizer_bytes(a, lora, placement) + copies * adapter
    steps_between = math.ceil(checkpoint_seconds * steps / seconds)
    return adapter * (1 + probed_steps) + min(CHECKPOINTS_KEPT + 1, (steps - 1) // steps_between) * checkpoint
