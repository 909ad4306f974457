"""How the threads of our processes wait, on CPUs: set before torch is loaded."""

import os


def wait_passively() -> None:
    """Let threads that have nothing to do sleep.

    Threads that spin while they wait slow each other down several times where jobs share cores, as the jobs of a
    workflow do.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
