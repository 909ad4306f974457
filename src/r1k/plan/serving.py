"""What generation by vLLM needs: answers come and go in its batch, and it takes its share of a GPU at the start."""

from collections.abc import Iterable

from r1k.config import Architecture, Device, Length
from r1k.evaluate.engines.vllm_engine import GPU_MEMORY_UTILIZATION
from r1k.plan.architecture import lora_parameters, multiplied_parameters, parameters
from r1k.plan.cost import plain_rate
from r1k.plan.lengths import longest
from r1k.plan.memory import BYTES, Parts, kv_bytes

PASS_TOKENS = 8192
"""Prompt tokens that vLLM reads in one pass, by default."""


def serving(
    a: Architecture, rank: int, targets: list[str], dtype: str, gpu: float, runtime: float, sequence: float
) -> Parts:
    """The peak on a GPU of `gpu` bytes, of which CUDA holds `runtime`.

    Keys and values get all of vLLM's share that the rest leaves, one sequence of `sequence` tokens at least.
    """
    size = BYTES[dtype]
    parts = {
        "weights": parameters(a) * size,
        "adapter": lora_parameters(a, rank, targets) * size if rank else 0,
        "activations": PASS_TOKENS * (4 * a.hidden_size + 3 * a.intermediate_size) * size,
    }
    left = GPU_MEMORY_UTILIZATION * gpu - runtime - sum(parts.values())
    return parts | {"KV cache": max(left, sequence * kv_bytes(a, size))}


def serving_seconds(
    a: Architecture,
    device: Device,
    dtype: str,
    adapter: int,
    most: int,
    cache: float,
    benchmarks: Iterable[tuple[int, Length, Length]],
) -> float:
    """Answers to benchmarks of (answers, prompt, answer), at most `most` at once, as many as `cache` bytes hold.

    One that ends makes room for the next; the longest goes on alone when the others are done.
    """
    count, size = multiplied_parameters(a) + adapter, BYTES[dtype]
    seconds = device.start_seconds
    for n, prompt, answer in benchmarks:
        held = (prompt.mean + answer.mean / 2) * kv_bytes(a, size)
        together = max(1.0, min(n, most, cache / held))

        def step(rows: float, held: float = held) -> float:
            read = (count * size + rows * held) / device.bandwidth
            return max(read, rows * 2 * count / plain_rate(device)) + a.num_hidden_layers * device.layer_seconds

        prefill = n * prompt.mean * 2 * count / plain_rate(device)
        alone = longest(answer, n) - answer.mean
        seconds += prefill + n * answer.mean / together * step(together) + alone * step(1)
    return seconds
