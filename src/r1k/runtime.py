"""Settings of this process that change its speed and no result."""

import os

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
"""Parameters of mallopt(3), in glibc's malloc.h."""
MALLOC_SETTINGS = {M_MMAP_THRESHOLD: 2**25, M_TRIM_THRESHOLD: 2**30, M_TOP_PAD: 2**26}
"""Bytes: the size from which a freed block goes back to the system, the free memory that the heap keeps, and by how
much the heap grows at least."""


def tune_process() -> None:
    """Make idle threads sleep, and keep freed memory for the next tensor."""
    wait_passively()
    keep_freed_memory()


def wait_passively() -> None:
    """Make idle OpenMP threads sleep instead of spin, unless the environment already sets a policy.

    torch reads the policy when it is imported. Spinning threads slow jobs on shared cores several times.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def keep_freed_memory() -> None:
    """Make glibc's malloc keep up to 1 GiB of freed memory, unless the environment already sets malloc's parameters.

    By default malloc returns a freed activation to the system, which clears its pages for the next one: a fifth of the
    time of training a small model on a CPU. Does nothing where the C library has no mallopt, as on macOS.
    """
    if any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ):
        return
    import ctypes  # not at the top, so that `r1k --help` does not wait for it

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter, value in MALLOC_SETTINGS.items():
            mallopt(parameter, value)
