import asyncio

import pytest

from r1k.teacher.budget import Budget, Prices
from r1k.teacher.journal import ChatMessage, JournalEntry, Request, RunStoppedError

PRICES = Prices(input=1.0, output=10.0)
REQUEST = Request(
    prompt_name="solve", prompt_digest="p", model="m", messages=[ChatMessage(content="q" * 36)]
)  # at most 100 tokens


def entry(prompt=50, completion=500, **more):
    usage = {"prompt_tokens": prompt, "completion_tokens": completion}
    standard = {"answer": "a", "finish_reason": "stop", "max_tokens": None, "seconds": 1.0, "finished_at": "2025-01-01"}
    return JournalEntry(key=REQUEST.key, request=REQUEST, usage=usage, reasoning=None, **standard, **more)


def test_a_recorded_cost_takes_precedence_over_current_prices():
    budget = Budget(PRICES)
    budget.add(entry())
    assert (budget.tokens, budget.dollars) == (550, pytest.approx((50 + 5000) / 1e6))
    budget.add(entry(cost=1.25))
    assert budget.dollars == pytest.approx(1.25 + 5050 / 1e6)
    assert budget.spent_text == "$1.26 and 1,100 tokens"


def test_without_prices_only_tokens_are_counted():
    budget = Budget()
    budget.add(entry())
    assert (budget.tokens, budget.dollars, budget.spent_text) == (550, 0.0, "550 tokens")


def test_bytes_bound_the_tokens_of_a_prompt():
    assert REQUEST.max_prompt_tokens == 100
    umlauts = Request(prompt_name="c", prompt_digest="p", model="m", messages=[ChatMessage(content="ü" * 10)])
    assert umlauts.max_prompt_tokens == 20 + 64


def test_spending_reaches_but_never_exceeds_the_ceiling():
    """Each request may cost up to 1,100 tokens and costs 550; in flight it counts as 1,100."""
    budget = Budget(PRICES, max_tokens=5000)
    highest, reasons = 0.0, []

    async def one():
        nonlocal highest
        try:
            async with budget.reserve(REQUEST, 1000):
                highest = max(highest, budget.tokens + sum(each for _, each in budget._reserved))
                await asyncio.sleep(0.01)
                budget.add(entry())
        except RunStoppedError as error:
            reasons.append(str(error))

    async def run():
        await asyncio.gather(*(one() for _ in range(30)))

    asyncio.run(run())
    assert highest <= 5000
    assert budget.answers == 8  # 8 x 550 leave 600, too few for another request
    assert len(reasons) == 22
    assert "the ceiling of 5,000 tokens leaves no room" in reasons[0] and "max_total_tokens" in reasons[0]


def test_a_ceiling_in_dollars():
    budget = Budget(PRICES, max_dollars=0.01)
    budget.add(entry(cost=0.0095))

    async def run():
        async with budget.reserve(REQUEST, 1000):
            pass

    with pytest.raises(RunStoppedError, match=r"the ceiling of \$0\.01 .* up to \$0\.0101 and 1,100 tokens: \$0\.01"):
        asyncio.run(run())


def test_a_failed_request_releases_its_reservation():
    budget = Budget(PRICES, max_tokens=1200)

    async def run():
        for _ in range(3):
            with pytest.raises(ValueError, match="no"):
                async with budget.reserve(REQUEST, 1000):
                    raise ValueError("no")

    asyncio.run(run())
    assert budget.answers == 0
