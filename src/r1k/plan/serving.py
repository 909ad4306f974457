"""Memory and time of generation by vLLM, which batches continuously and reserves its share of a GPU at the start."""

from collections.abc import Iterable

from r1k.config import Architecture, Device, Length
from r1k.evaluate.engines.vllm_engine import GPU_MEMORY_UTILIZATION
from r1k.plan.architecture import lora_parameters, multiplied_parameters, parameters
from r1k.plan.cost import forward_rate
from r1k.plan.lengths import expected_longest
from r1k.plan.memory import BYTES, Parts, kv_bytes

PASS_TOKENS = 8192
"""Prompt tokens per pass, vLLM's default `max_num_batched_tokens`."""


def serving(
    a: Architecture, rank: int, target_modules: list[str], dtype: str, gpu: float, runtime: float, sequence: float
) -> Parts:
    """Return the peak on a GPU of `gpu` bytes, of which CUDA holds `runtime`.

    Keys and values get the rest of vLLM's share, and at least the bytes of one sequence of `sequence` tokens.
    """
    size = BYTES[dtype]
    parts = {
        "weights": parameters(a) * size,
        "adapter": lora_parameters(a, rank, target_modules) * size if rank else 0,
        "activations": PASS_TOKENS * (4 * a.hidden_size + 3 * a.intermediate_size) * size,
    }
    free = GPU_MEMORY_UTILIZATION * gpu - runtime - sum(parts.values())
    return parts | {"KV cache": max(free, sequence * kv_bytes(a, size))}


def serving_seconds(
    a: Architecture,
    device: Device,
    dtype: str,
    adapter: int,
    max_num_seqs: int,
    cache: float,
    benchmarks: Iterable[tuple[int, Length, Length]],
) -> float:
    """Return the seconds of answers to benchmarks of (answers, prompt, answer) with continuous batching.

    The batch holds at most `max_num_seqs` answers, whose keys and values fit into `cache` bytes. An answer that ends
    makes room for the next one; the longest answer ends alone.
    """
    count, size = multiplied_parameters(a) + adapter, BYTES[dtype]
    seconds = device.start_seconds
    for n, prompt, answer in benchmarks:
        per_answer = (prompt.mean + answer.mean / 2) * kv_bytes(a, size)
        together = max(1.0, min(n, max_num_seqs, cache / per_answer))

        def step(rows: float, per_answer: float = per_answer) -> float:
            read = (count * size + rows * per_answer) / device.bandwidth
            return max(read, rows * 2 * count / forward_rate(device)) + a.num_hidden_layers * device.layer_seconds

        prefill = n * prompt.mean * 2 * count / forward_rate(device)
        alone = expected_longest(answer, n) - answer.mean
        seconds += prefill + n * answer.mean / together * step(together) + alone * step(1)
    return seconds
