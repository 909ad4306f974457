"""Decide when the next request may start: concurrency, requests per minute, tokens per minute and requested pauses.

The concurrency halves when the server reports overload, and grows by one per full round of answers (additive increase,
multiplicative decrease: Chiu and Jain, 1989). Requests that started before a decrease cause no further decrease,
because they belong to the same burst.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiolimiter import AsyncLimiter

PART = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class RateLimiter:
    """Shared by all requests to one server; for one event loop."""

    def __init__(
        self, concurrency: int, requests_per_minute: float | None = None, tokens_per_minute: float | None = None
    ) -> None:
        self._max_concurrency = concurrency
        self._concurrency = float(concurrency)
        self._in_flight = 0
        self._slot_freed = asyncio.Condition()
        self._stopped = asyncio.Event()
        self._resume_at = self._last_decrease = 0.0
        # Requests are evenly spaced, because servers count in windows shorter than a minute.
        self._requests = AsyncLimiter(1, 60 / requests_per_minute) if requests_per_minute else None
        self._tokens = AsyncLimiter(tokens_per_minute, 60) if tokens_per_minute else None

    @property
    def concurrency(self) -> int:
        """Requests that may be in flight now."""
        return int(self._concurrency)

    @asynccontextmanager
    async def slot(self, tokens: float) -> AsyncIterator[float]:
        """Wait until a request of so many `tokens`, prompt and answer, may start; yield its start time, in seconds.

        A request larger than the tokens per minute waits for one full minute's allowance.
        """
        async with self._slot_freed:
            await self._slot_freed.wait_for(lambda: self._in_flight < self.concurrency)
            self._in_flight += 1
        try:
            if self._tokens is not None:
                await self._unless_stopped(self._tokens.acquire(min(tokens, self._tokens.max_rate)))
            if self._requests is not None:
                await self._unless_stopped(self._requests.acquire())
            while (wait := self._resume_at - time.monotonic()) > 0 and not self._stopped.is_set():
                await self._unless_stopped(asyncio.sleep(wait))
            yield time.monotonic()
        finally:
            async with self._slot_freed:
                self._in_flight -= 1
                self._slot_freed.notify()

    def on_response(self, headers: Mapping[str, str]) -> None:
        """Raise the concurrency after an answer, and pause if its headers report a spent allowance."""
        before = self.concurrency
        self._concurrency = min(float(self._max_concurrency), self._concurrency + 1 / self._concurrency)
        if self.concurrency > before and self._in_flight >= before:
            self._wake()
        for unit in ("requests", "tokens"):
            if headers.get(f"x-ratelimit-remaining-{unit}") == "0":
                self.pause(parse_duration(headers.get(f"x-ratelimit-reset-{unit}", "")) or 0.0)

    def on_overload(self, began: float, retry_after: float | None) -> None:
        """Lower the concurrency after an overload error of a request that started at `began`, in seconds."""
        if began > self._last_decrease:
            self._concurrency = max(1.0, self._concurrency / 2)
            self._last_decrease = time.monotonic()
        self.pause(retry_after or 0.0)

    def pause(self, seconds: float) -> None:
        """Start no request for some seconds."""
        self._resume_at = max(self._resume_at, time.monotonic() + seconds)

    def stop(self) -> None:
        """Release all waiting requests; their caller checks whether the run has stopped."""
        self._stopped.set()

    async def _unless_stopped(self, waiting: Coroutine[Any, Any, None]) -> None:
        both = [asyncio.ensure_future(waiting), asyncio.ensure_future(self._stopped.wait())]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in both:
                each.cancel()

    def _wake(self) -> None:
        async def notify() -> None:
            async with self._slot_freed:
                self._slot_freed.notify()

        self._waking = asyncio.ensure_future(notify())


def parse_duration(text: str) -> float | None:
    """Return the seconds of a rate-limit header, such as `6m0s`, `20ms` or `1.5`; None if it is invalid."""
    parts = PART.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return sum(float(number) * SECONDS[unit] for number, unit in parts)
    try:
        return max(0.0, float(text))
    except ValueError:
        return None
