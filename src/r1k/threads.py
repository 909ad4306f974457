"""The OpenMP wait policy of our processes; must be set before torch is imported."""

import os


def wait_passively() -> None:
    """Make idle OpenMP threads sleep instead of spin, unless the environment already sets a policy.

    Spinning threads slow jobs on shared cores several times.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
