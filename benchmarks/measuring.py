"""Seconds of jobs that take turns, and peaks of memory of processes that do nothing else."""

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
class Spent:
    """Seconds of each repeat."""

    wall: list[float]
    processor: list[float]


def in_turn(jobs: Mapping[str, Callable[[], None]], repeats: int) -> dict[str, Spent]:
    """What each job took, each time one after the other and then in the other order."""
    spent = {name: Spent([], []) for name in jobs}
    for repeat in range(repeats):
        for name, job in list(jobs.items())[:: 1 if repeat % 2 == 0 else -1]:
            start, before = time.perf_counter(), sum(os.times()[:4])
            job()
            spent[name].wall.append(time.perf_counter() - start)
            spent[name].processor.append(sum(os.times()[:4]) - before)
            print(f"  repeat {repeat + 1}: {name}: {spent[name].wall[-1]:.2f} s", file=sys.stderr, flush=True)
    for name, used in spent.items():
        print(f"{name}: {summary(used.wall)} s; processor {statistics.median(used.processor):.2f} s")
    return spent


def verdict(spent: Mapping[str, Spent], one: str, other: str, limit: float, least: bool = False) -> None:
    """Say how many times `other` the `one` takes, and whether that is at most, or at least, the limit."""
    ratios = quotients(spent[one].wall, spent[other].wall)
    median = statistics.median(ratios)
    met = median >= limit if least else median <= limit
    say = ("above" if met else "BELOW") if least else ("within" if met else "ABOVE")
    processor = statistics.median(quotients(spent[one].processor, spent[other].processor))
    print(f"{one} / {other}: {summary(ratios)}: {say} the limit of {limit:g}; of processor seconds {processor:.2f}")


def quotients(ones: list[float], others: list[float]) -> list[float]:
    return [one / other for one, other in zip(ones, others, strict=True)]


def summary(values: list[float]) -> str:
    low, median, high = min(values), statistics.median(values), max(values)
    return f"median {median:.2f} [{low:.2f}, {high:.2f}] over n = {len(values)}"


def execute(command: list[Any]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command[:3]))} ended with {done.returncode}:\n{done.stderr[-3000:]}")


def peak(target: Callable[[Any], None], argument: Any) -> int:
    """Bytes of resident memory that `target` takes at most, beyond what its process had before.

    Freed arrays are given back at once, so that what the C allocator keeps is not among them.
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
    # Not getrusage: its maximum is handed down from the process that this one was started by.
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def matmul_rate(size: int = 1536, repeats: int = 8) -> float:
    """Operations a second of a product of square matrices, the best of several."""
    one, other = torch.randn(size, size), torch.randn(size, size)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        torch.mm(one, other)
        times.append(time.perf_counter() - start)
    return float(2 * size**3 / min(times))
