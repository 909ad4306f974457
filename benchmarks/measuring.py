"""Measure the time of interleaved jobs, and the peak memory of separate processes."""

import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch


@dataclass(frozen=True)
class Timings:
    """Seconds of each repeat."""

    wall: list[float]
    processor: list[float]


def interleave(jobs: Mapping[str, Callable[[], None]], repeats: int) -> dict[str, Timings]:
    """Return the times of each job. Jobs run one after the other, in alternating order."""
    timings = {name: Timings([], []) for name in jobs}
    for repeat in range(repeats):
        for name, job in list(jobs.items())[:: 1 if repeat % 2 == 0 else -1]:
            start, before = time.perf_counter(), sum(os.times()[:4])
            job()
            timings[name].wall.append(time.perf_counter() - start)
            timings[name].processor.append(sum(os.times()[:4]) - before)
            print(f"  repeat {repeat + 1}: {name}: {timings[name].wall[-1]:.2f} s", file=sys.stderr, flush=True)
    for name, used in timings.items():
        print(f"{name}: {summary(used.wall)} s; processor {statistics.median(used.processor):.2f} s")
    return timings


def report_ratio(timings: Mapping[str, Timings], one: str, other: str, limit: float, minimum: bool = False) -> None:
    """Print the ratio of the times of `one` and `other`, and whether its median meets the limit (a maximum, or a
    minimum with `minimum`)."""
    ratios = quotients(timings[one].wall, timings[other].wall)
    median = statistics.median(ratios)
    met = median >= limit if minimum else median <= limit
    result = ("above" if met else "BELOW") if minimum else ("within" if met else "ABOVE")
    processor = statistics.median(quotients(timings[one].processor, timings[other].processor))
    print(f"{one} / {other}: {summary(ratios)}: {result} the limit of {limit:g}; of processor seconds {processor:.2f}")


def quotients(ones: list[float], others: list[float]) -> list[float]:
    return [one / other for one, other in zip(ones, others, strict=True)]


def summary(values: list[float]) -> str:
    low, median, high = min(values), statistics.median(values), max(values)
    return f"median {median:.2f} [{low:.2f}, {high:.2f}] over n = {len(values)}"


def run_command(command: list[Any]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command[:3]))} ended with {done.returncode}:\n{done.stderr[-3000:]}")


def peak_memory(target: Callable[[Any], None], argument: Any) -> int:
    """Return the peak resident memory of `target`, in bytes, beyond that of its process before.

    The process returns freed arrays to the system at once, so that memory held by the C allocator does not count.
    """
    os.environ["MALLOC_MMAP_THRESHOLD_"] = str(1 << 17)
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(sender, target, argument, torch.get_num_threads()))
    process.start()
    taken: int = receiver.recv()
    process.join()
    return taken


def _measure(sender: Any, target: Callable[[Any], None], argument: Any, threads: int) -> None:
    torch.set_num_threads(threads)
    before = _high_water()
    target(argument)
    sender.send(_high_water() - before)


def _high_water() -> int:
    # Not getrusage: a process inherits its maximum from its parent.
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def matmul_rate(size: int = 1536, repeats: int = 8) -> float:
    """Return the operations per second of a product of square matrices, the best of several repeats."""
    one, other = torch.randn(size, size), torch.randn(size, size)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        torch.mm(one, other)
        times.append(time.perf_counter() - start)
    return float(2 * size**3 / min(times))
