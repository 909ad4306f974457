"""The resources that a job requests: the estimate with a safety factor, and more on each retry."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from r1k.config import Plan
from r1k.plan.estimate import JobEstimate

MIN_DISK = 1e9
"""Smallest request in bytes: logs, temporary files, library caches."""
MIN_MINUTES = 10


@dataclass(frozen=True)
class JobResources:
    """Resources of a rule's jobs, as functions of a job's wildcards and of the attempt, counted from 1.

    Attempt n requests the estimate times the plan's factor to the power of n.
    """

    plan: Plan
    estimate: Callable[[str], JobEstimate]
    """Returns the estimate of a job from the value of its wildcard."""
    wildcard: str

    def mem(self, wildcards: Any, attempt: int) -> str:
        """Return the host memory of all processes on a node."""
        return _megabytes(self._estimate(wildcards).host * self.plan.memory_factor**attempt)

    def disk(self, wildcards: Any, attempt: int) -> str:
        """Return the disk space, at least one gigabyte."""
        return _megabytes(max(MIN_DISK, self._estimate(wildcards).disk) * self.plan.memory_factor**attempt)

    def runtime(self, wildcards: Any, attempt: int) -> int:
        """Return the minutes, at least ten."""
        return max(MIN_MINUTES, math.ceil(self._estimate(wildcards).seconds * self.plan.time_factor**attempt / 60))

    def _estimate(self, wildcards: Any) -> JobEstimate:
        return self.estimate(getattr(wildcards, self.wildcard))


def _megabytes(size: float) -> str:
    return f"{math.ceil(size / 1e6)}MB"
