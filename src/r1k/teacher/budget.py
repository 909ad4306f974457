"""What answers cost, and a ceiling that is not passed: what is in flight counts at the most that it can cost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from r1k.teacher.journal import JournalEntry, Request, RunStoppedError


@dataclass(frozen=True)
class Prices:
    """US dollars for a million tokens; None where the config states no price."""

    input: float | None = None
    output: float | None = None

    def dollars(self, prompt: float, completion: float) -> float | None:
        """The price of so many tokens."""
        if self.input is None or self.output is None:
            return None
        return (prompt * self.input + completion * self.output) / 1e6


UNPRICED = Prices()


@dataclass
class Budget:
    """What was spent, and what may be; for one event loop."""

    prices: Prices = UNPRICED
    max_dollars: float | None = None
    max_tokens: float | None = None
    """Of all prompts and answers together."""
    dollars: float = 0.0
    """Spent; only what has a price."""
    tokens: int = 0
    """Spent, prompts and answers."""
    answers: int = 0
    prior_dollars: float = 0.0
    """Spent on other answers of the experiment, under the same ceiling."""
    prior_tokens: int = 0
    section: str = "teacher"
    """Of the config, where the ceiling is."""
    _reserved: list[tuple[float, float]] = field(default_factory=list)
    _settled: asyncio.Condition = field(default_factory=asyncio.Condition)

    def add(self, entry: JournalEntry) -> None:
        """Add what an answer cost."""
        prompt, completion = entry.token_count("prompt_tokens") or 0, entry.token_count("completion_tokens") or 0
        cost = entry.cost if entry.cost is not None else self.prices.dollars(prompt, completion)
        self.dollars += cost or 0.0
        self.tokens += prompt + completion
        self.answers += 1

    @asynccontextmanager
    async def reserve(self, request: Request, max_completion_tokens: int | None) -> AsyncIterator[None]:
        """Hold the most that a request of at most `max_completion_tokens` answer tokens can cost, while it is in flight.

        Waits for those in flight where they might leave room; RunStoppedError where the ceiling leaves none.
        """
        prompt = max_prompt_tokens(request)
        tokens = prompt + (max_completion_tokens or 0)
        most = (self.prices.dollars(prompt, max_completion_tokens or 0) or 0.0, float(tokens))
        async with self._settled:
            while not self._fits(most):
                if not self._reserved:
                    raise RunStoppedError(self._no_room(most))
                await self._settled.wait()
            self._reserved.append(most)
        try:
            yield
        finally:
            async with self._settled:
                self._reserved.remove(most)
                self._settled.notify_all()

    def _fits(self, most: tuple[float, float]) -> bool:
        dollars = self.prior_dollars + self.dollars + sum(each for each, _ in self._reserved) + most[0]
        tokens = self.prior_tokens + self.tokens + sum(each for _, each in self._reserved) + most[1]
        return (self.max_dollars is None or dollars <= self.max_dollars) and (
            self.max_tokens is None or tokens <= self.max_tokens
        )

    def _no_room(self, most: tuple[float, float]) -> str:
        dollars, tokens = most
        return (
            f"the ceiling of {self.ceiling_text} leaves no room for a request that may cost up to ${dollars:.4f} and "
            f"{tokens:,.0f} tokens: {self.spent_text} are spent{self._prior_text}; raise {self.section}.client.max_dollars or "
            "max_total_tokens"
        )

    @property
    def _prior_text(self) -> str:
        if not self.prior_tokens:
            return ""
        return f", and ${self.prior_dollars:.2f} and {self.prior_tokens:,} tokens on the experiment's other answers"

    @property
    def spent_text(self) -> str:
        """What was spent, as text."""
        money = f"${self.dollars:.2f} and " if self.prices.input is not None else ""
        return f"{money}{self.tokens:,} tokens"

    @property
    def total_dollars(self) -> float | None:
        """Dollars spent, to a hundredth of a cent; None where no price is stated."""
        return None if self.prices.input is None else round(self.dollars, 4)

    @property
    def ceiling_text(self) -> str:
        """What may be spent, as text."""
        parts = []
        if self.max_dollars is not None:
            parts.append(f"${self.max_dollars:g}")
        if self.max_tokens is not None:
            parts.append(f"{self.max_tokens:,.0f} tokens")
        return " and ".join(parts) or "none"


def max_prompt_tokens(request: Request) -> int:
    """Tokens of a prompt, at the most: a byte-level tokenizer's are no more than its bytes, and a template's few."""
    return sum(len(message.content.encode()) for message in request.messages) + 64
