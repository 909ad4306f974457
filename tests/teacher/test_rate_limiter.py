import asyncio
import time

import pytest

from r1k.teacher.rate_limiter import RateLimiter, parse_duration


async def enter(limiter: RateLimiter, seconds: float, tokens: float = 1.0) -> float:
    async with limiter.slot(tokens) as began:
        await asyncio.sleep(seconds)
    return began


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("6m0s", 360), ("20ms", 0.02), ("1h2m", 3720), ("1.5s", 1.5), ("7", 7), ("soon", None), ("", None)],
)
def test_header_durations_are_parsed(text, seconds):
    assert parse_duration(text) == seconds


def test_concurrency_is_limited():
    async def run():
        limiter, now, most = RateLimiter(3), 0, 0

        async def one():
            nonlocal now, most
            async with limiter.slot(1):
                now += 1
                most = max(most, now)
                await asyncio.sleep(0.01)
                now -= 1

        await asyncio.gather(*(one() for _ in range(20)))
        return most

    assert asyncio.run(run()) == 3


def test_a_burst_of_overload_errors_halves_the_concurrency_once_and_answers_restore_it():
    async def run():
        limiter = RateLimiter(8)
        began = time.monotonic()
        for _ in range(5):
            limiter.on_overload(began, None)
        cut = limiter.concurrency
        await asyncio.sleep(0.01)
        limiter.on_overload(time.monotonic(), None)
        twice = limiter.concurrency
        answers = 0
        while limiter.concurrency < 8:
            limiter.on_response({})
            answers += 1
        return cut, twice, answers

    cut, twice, answers = asyncio.run(run())
    assert (cut, twice) == (4, 2)
    assert 20 <= answers <= 30  # one more after each full round of answers: 2 + 3 + ... + 7


def test_concurrency_stays_at_least_one():
    async def run():
        limiter = RateLimiter(2)
        for _ in range(9):
            await asyncio.sleep(0.001)
            limiter.on_overload(time.monotonic(), None)
        await asyncio.wait_for(asyncio.gather(*(enter(limiter, 0) for _ in range(4))), 5)
        return limiter.concurrency

    assert asyncio.run(run()) == 1


def test_a_retry_after_pauses_all_requests():
    async def run():
        limiter = RateLimiter(4)
        begin = time.monotonic()
        limiter.on_overload(begin, 0.3)
        return min(await asyncio.gather(*(enter(limiter, 0) for _ in range(4)))) - begin

    assert asyncio.run(run()) >= 0.3


@pytest.mark.parametrize("what", ["requests", "tokens"])
def test_a_spent_allowance_pauses_requests(what):
    async def run():
        limiter = RateLimiter(4)
        begin = time.monotonic()
        limiter.on_response({f"x-ratelimit-remaining-{what}": "0", f"x-ratelimit-reset-{what}": "300ms"})
        return await enter(limiter, 0) - begin

    assert 0.3 <= asyncio.run(run()) < 5


def test_requests_per_minute_are_evenly_spaced():
    async def run():
        limiter = RateLimiter(20, requests_per_minute=1200)
        return sorted(await asyncio.gather(*(enter(limiter, 0) for _ in range(11))))

    began = asyncio.run(run())
    assert began[-1] - began[0] >= 10 * 0.05 * 0.9


def test_tokens_per_minute_are_limited():
    async def run():
        limiter = RateLimiter(20, tokens_per_minute=60_000)  # 1,000 a second, after the first minute's
        await asyncio.gather(*(enter(limiter, 0, 10_000) for _ in range(6)))
        begin = time.monotonic()
        return await enter(limiter, 0, 500) - begin

    assert 0.4 <= asyncio.run(run()) < 5


def test_a_request_larger_than_the_tokens_per_minute_is_sent():
    async def run():
        return await enter(RateLimiter(1, tokens_per_minute=100), 0, 1e6)

    asyncio.run(asyncio.wait_for(run(), 5))


def test_a_stop_wakes_requests_that_wait_for_their_allowance():
    async def run():
        limiter = RateLimiter(3, requests_per_minute=1)
        waiting = [asyncio.create_task(enter(limiter, 0)) for _ in range(3)]
        await asyncio.sleep(0.05)
        limiter.stop()
        await asyncio.wait_for(asyncio.gather(*waiting), 5)

    asyncio.run(run())
