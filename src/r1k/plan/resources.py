"""What a job of the workflow asks for: the estimate of what it needs, with room, and more on each retry."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from r1k.config import Plan
from r1k.plan.estimate import Need

LEAST_DISK = 1e9
"""Bytes that a job asks for at least: logs, temporary files, what the libraries cache."""
LEAST_MINUTES = 10


@dataclass(frozen=True)
class Asked:
    """Resources of a rule's jobs, as functions of a job's wildcards and the number of the attempt, from 1.

    An attempt asks for the estimate times the plan's factor to the power of its number.
    """

    plan: Plan
    need: Callable[[str], Need]
    """Of a job, by the value of its wildcard."""
    wildcard: str

    def mem(self, wildcards: Any, attempt: int) -> str:
        """Host memory, of all processes on a node."""
        return _megabytes(self._need(wildcards).host * self.plan.memory_factor**attempt)

    def disk(self, wildcards: Any, attempt: int) -> str:
        """Disk, a gigabyte at least."""
        return _megabytes(max(LEAST_DISK, self._need(wildcards).disk) * self.plan.memory_factor**attempt)

    def runtime(self, wildcards: Any, attempt: int) -> int:
        """Minutes, ten at least."""
        return max(LEAST_MINUTES, math.ceil(self._need(wildcards).seconds * self.plan.time_factor**attempt / 60))

    def _need(self, wildcards: Any) -> Need:
        return self.need(getattr(wildcards, self.wildcard))


def _megabytes(size: float) -> str:
    return f"{math.ceil(size / 1e6)}MB"
