"""Seconds, and bytes on disk: arithmetic, memory traffic, gathering of weights, and the launching of kernels.

A job's seconds are its arithmetic at the rate that its device reaches (Kaplan et al. 2020: 2 FLOPs a parameter and
token forwards, 4 backwards), or what has to be read meanwhile where that takes longer, and `layer_seconds` for each
pass of a batch through a layer.
"""

import math
from collections.abc import Iterable, Sequence

from r1k.config import Architecture, Device, Dpo, Length, Lora, ScratchBase, Sft
from r1k.plan.architecture import lora_parameters, multiplied_parameters, parameters, projections
from r1k.plan.lengths import capped, longest
from r1k.plan.memory import BYTES, Placement, kv_bytes

NEWTON_SCHULZ = 5
"""`r1k.bases.muon.ITERATIONS`."""
FIT_RATE = 5e10
"""Float64 FLOP/s of the CPUs that merge, assumed to be few."""
EIGENVECTORS = 10
"""FLOPs of all eigenvectors of a symmetric matrix, in units of its width to the third power."""
CHECKPOINTS_KEPT = 2
"""The trainer's `save_total_limit`; while one more is written there are three."""


def training_rate(device: Device) -> float:
    """FLOP/s that the training of an adapter reaches: its narrow products and their sums are slower than wide ones."""
    return device.flops * device.mfu


def plain_rate(device: Device) -> float:
    """FLOP/s that wide products alone reach."""
    return device.flops * device.forward_mfu


def attention_flops(a: Architecture, width: float) -> float:
    """Forward FLOPs for each token of scores and weighted values, causal: 2 x width x hidden in each layer."""
    return 2 * a.num_hidden_layers * width * a.hidden_size


def fitting_seconds(a: Architecture, targets: Sequence[str]) -> float:
    """Fits of bounded rank to a whole update of each target: its Gram matrix, that one's eigenvectors, a projection."""
    shapes = [sorted(projections(a)[target]) for target in targets]
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
    """A training of `steps` optimizer steps on sequences (prompt and response) of `length`.

    The backward pass computes gradients of activations for all weights, and of weights for the adapter alone.
    Sequences of a micro-batch are padded to its longest, and all devices wait for the one with the longest.
    """
    per_example = 2 if isinstance(settings, Dpo) else 1
    sequences = placement.per_device_train_batch_size * per_example
    length = capped(length, settings.max_length)
    width = min(longest(length, sequences * placement.world_size), settings.max_length)
    adapter = lora_parameters(a, lora.r, lora.target_modules)
    attention = attention_flops(a, width)
    forward = 2 * (multiplied_parameters(a) + adapter) + attention
    backward = 2 * multiplied_parameters(a) + 4 * adapter + 2 * attention
    forwards = per_example + placement.gradient_checkpointing  # DPO's reference reads everything once more
    flops = sequences * width * (forwards * forward + backward)
    gathering = (forwards + 1) * parameters(a) * BYTES[settings.dtype] * (1 - 1 / placement.shards)
    # Processes on the CPU share its cores.
    rate = training_rate(device) / (1 if placement.gpus else placement.on_a_node)
    micro = max(flops / rate, gathering / (device.interconnect if placement.nodes == 1 else device.network))
    micro += (forwards + 2) * a.num_hidden_layers * device.layer_seconds
    micro_batches = settings.train_batch_size / (placement.per_device_train_batch_size * placement.world_size)
    return device.start_seconds + steps * (
        math.ceil(micro_batches) * micro + a.num_hidden_layers * device.layer_seconds
    )


def probing_seconds(
    a: Architecture, device: Device, checkpoints: int, responses: int, length: Length, tokens_per_batch: int
) -> float:
    """Forward passes over `responses` sequences of `length` (prompt and response) for each checkpoint."""
    tokens = responses * length.mean
    flops = tokens * (2 * multiplied_parameters(a) + attention_flops(a, length.mean))
    batches = math.ceil(tokens / tokens_per_batch)
    each = flops / plain_rate(device) + batches * a.num_hidden_layers * device.layer_seconds
    return device.start_seconds + checkpoints * each


def kernel_seconds(
    a: Architecture,
    adapter: int,
    device: Device,
    gradients: Iterable[tuple[int, Length]],
    passes: tuple[int, int, Length],
) -> float:
    """Gradients of (sequences, length) on an adapter's parameters, one at a time and with recomputed layers, and
    (passes, responses, length) of scoring after a step; in float32.
    """
    slower = device.flops / device.float32_flops if device.kind == "gpu" else 1
    seconds = device.start_seconds
    for sequences, length in gradients:
        attention = attention_flops(a, length.mean)
        forward = 2 * (multiplied_parameters(a) + adapter) + attention
        backward = 2 * multiplied_parameters(a) + 4 * adapter + 2 * attention
        flops = length.mean * (2 * forward + backward)
        seconds += sequences * (flops * slower / training_rate(device) + 3 * a.num_hidden_layers * device.layer_seconds)
    times, responses, length = passes
    flops = responses * length.mean * (2 * multiplied_parameters(a) + attention_flops(a, length.mean))
    return seconds + times * (flops * slower / plain_rate(device) + a.num_hidden_layers * device.layer_seconds)


def generating_seconds(
    a: Architecture,
    device: Device,
    dtype: str,
    adapter: int,
    batch_size: int,
    benchmarks: Iterable[tuple[int, Length, Length]],
    limit: int,
) -> float:
    """Greedy answers to benchmarks of (questions, prompt, answer), each batch until its longest answer ends.

    A new token costs the reading of weights, keys and values, or its arithmetic where that takes longer.
    """
    count, size = multiplied_parameters(a) + adapter, BYTES[dtype]
    seconds = device.start_seconds
    for n, prompt, answer in benchmarks:
        batch = min(n, batch_size)
        new = min(longest(answer, batch), limit)
        cache = batch * (prompt.mean + new / 2) * kv_bytes(a, size)
        read = (count * size + cache) / device.bandwidth
        token = max(read, batch * 2 * count / plain_rate(device)) + a.num_hidden_layers * device.layer_seconds
        prefill = batch * longest(prompt, batch) * 2 * count / plain_rate(device)
        seconds += math.ceil(n / batch) * (prefill + new * token)
    return seconds


def pretraining_seconds(a: Architecture, device: Device, base: ScratchBase, document: Length) -> float:
    """A scratch base's pretraining: 6 FLOPs a parameter and token, and Muon's iterations on the matrices."""
    tokens = base.train_batch_size * document.mean
    flops = tokens * (6 * multiplied_parameters(a) + 3 * attention_flops(a, document.mean))
    flops += a.num_hidden_layers * sum(_orthogonal_flops(*shape) for shape in projections(a).values())
    return device.start_seconds + base.max_steps * (
        flops / plain_rate(device) + 4 * a.num_hidden_layers * device.layer_seconds
    )


def _orthogonal_flops(rows: int, columns: int) -> float:
    short, long = sorted((rows, columns))
    return NEWTON_SCHULZ * (4 * short**2 * long + 2 * short**3)


def base_bytes(a: Architecture, dtype: str) -> float:
    """A base on disk."""
    return float(parameters(a) * BYTES[dtype])


def adapter_bytes(a: Architecture, settings: Sft | Dpo, lora: Lora, placement: Placement) -> float:
    """An adapter on disk: float32, or the base's precision where ZeRO-3 trained it."""
    size = BYTES[settings.dtype] if placement.zero_stage == 3 else 4
    return float(lora_parameters(a, lora.r, lora.target_modules) * size)


def optimizer_bytes(a: Architecture, lora: Lora, placement: Placement) -> float:
    """The optimizer's state in a checkpoint: both moments of AdamW, and ZeRO-3's float32 master."""
    each = 12 if placement.zero_stage == 3 else 8
    return float(lora_parameters(a, lora.r, lora.target_modules) * each)


def training_disk(
    a: Architecture,
    settings: Sft | Dpo,
    lora: Lora,
    placement: Placement,
    measured: int,
    steps: int,
    seconds: float,
    every: float,
) -> float:
    """A training's most bytes on disk: the adapter, those of `measured` steps, and its checkpoints.

    A checkpoint is due every `every` seconds and written at the next step's end, but for the last. What is published
    is a hard link to what the training's state holds, and so counted once.
    """
    adapter = adapter_bytes(a, settings, lora, placement)
    copies = 2 if isinstance(settings, Dpo) else 1
    checkpoint = optimizer_bytes(a, lora, placement) + copies * adapter
    apart = math.ceil(every * steps / seconds)
    return adapter * (1 + measured) + min(CHECKPOINTS_KEPT + 1, (steps - 1) // apart) * checkpoint
