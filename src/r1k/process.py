"""How a process of ours waits and allocates, on CPUs: set once, before torch is loaded."""

import ctypes
import os
import sys

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
KEPT = 32 << 20
"""The largest block, in bytes, that glibc lets us keep off mmap."""


def tune() -> None:
    """Passive waiting, and memory that is kept for the next step instead of given back after each operation.

    Threads that spin while they wait slow each other down several times where jobs share cores. Blocks that are
    mapped and unmapped for each operation cost a page fault for each page: a third of a small model's training step.
    `tests/benchmarks/bench_training.py` measures both.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, KEPT)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
