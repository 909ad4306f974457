"""Count what answers cost, and enforce a ceiling; a request in flight counts at its maximum cost."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from r1k.teacher.journal import JournalEntry, Request, RunStoppedError


@dataclass(frozen=True)
class Prices:
    """Prices in US dollars per million tokens; None if the config states none."""

    input: float | None = None
    output: float | None = None

    def dollars(self, prompt: float, completion: float) -> float | None:
        """Return the price of a prompt and its completion, given in tokens; None without prices."""
        if self.input is None or self.output is None:
            return None
        return (prompt * self.input + completion * self.output) / 1e6


UNPRICED = Prices()
LimitedRequest = tuple[Request, int | None]
"""A request and the limit of its answer, in tokens."""


@dataclass
class Budget:
    """The spending and its ceiling, for one event loop."""

    prices: Prices = UNPRICED
    max_dollars: float | None = None
    max_tokens: float | None = None
    """Ceiling on the tokens of all prompts and answers."""
    dollars: float = 0.0
    """US dollars spent, on answers that have a price."""
    tokens: int = 0
    """Tokens spent, of prompts and answers."""
    answers: int = 0
    """Number of answers counted."""
    estimated_answers: int = 0
    """Number of these whose tokens are estimated, because the server sent no counts."""
    prior_dollars: float = 0.0
    """US dollars spent on other answers of the experiment, which count towards the same ceiling."""
    prior_tokens: int = 0
    section: str = "teacher"
    """Section of the config that sets the ceiling, for messages."""
    _reserved: list[tuple[float, float]] = field(default_factory=list)
    _added: set[tuple[str, int | None, str, str | None]] = field(default_factory=set)
    _settled: asyncio.Condition = field(default_factory=asyncio.Condition)

    def add(self, entry: JournalEntry) -> None:
        """Add the cost of an answer; refusals of a prompt cost nothing and are not answers."""
        if not entry.billed:
            return
        tokens = entry.tokens
        cost = entry.cost if entry.cost is not None else self.prices.dollars(tokens.prompt, tokens.completion)
        self.dollars += cost or 0.0
        self.tokens += tokens.prompt + tokens.completion
        self.answers += 1
        self.estimated_answers += tokens.estimated

    def add_once(self, entry: JournalEntry) -> None:
        """Add the cost of an answer of the journal, unless it was added by this method before."""
        identity = (entry.key, entry.max_tokens, entry.finished_at, entry.batch)
        if identity not in self._added:
            self._added.add(identity)
            self.add(entry)

    @asynccontextmanager
    async def reserve(self, request: Request, max_completion_tokens: int | None) -> AsyncIterator[None]:
        """Reserve the maximum cost of a request while it is in flight.

        Waits while requests in flight may still leave room. `max_completion_tokens` limits the answer, in tokens.

        Raises:
            RunStoppedError: The ceiling leaves no room for the request.
        """
        most = self._most(request, max_completion_tokens)
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

    def count_that_fit(self, in_flight: Iterable[LimitedRequest], new: Sequence[LimitedRequest]) -> int:
        """Return how many of the new requests, from the first on, the ceiling has room for beside those in flight.

        Each counts at its maximum cost. Raises RunStoppedError if nothing is in flight and none fits.
        """
        dollars, tokens, any_in_flight = 0.0, 0.0, False
        for most in (self._most(*each) for each in in_flight):
            dollars, tokens, any_in_flight = dollars + most[0], tokens + most[1], True
        for number, most in enumerate(self._most(*each) for each in new):
            dollars, tokens = dollars + most[0], tokens + most[1]
            if not self._fits((dollars, tokens)):
                if number == 0 and not any_in_flight:
                    raise RunStoppedError(self._no_room(most))
                return number
        return len(new)

    def max_cost_text(self, requests: Iterable[LimitedRequest]) -> str:
        """Return the maximum cost of requests, as text."""
        most = [self._most(*each) for each in requests]
        money = f"${sum(dollars for dollars, _ in most):,.2f} and " if self.prices.input is not None else ""
        return f"{money}{sum(tokens for _, tokens in most):,.0f} tokens"

    def _most(self, request: Request, max_completion_tokens: int | None) -> tuple[float, float]:
        """Return the maximum cost of a request, in US dollars and in tokens."""
        prompt, completion = request.max_prompt_tokens, max_completion_tokens or 0
        return self.prices.dollars(prompt, completion) or 0.0, float(prompt + completion)

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
            f"{tokens:,.0f} tokens: {self.spent_text} spent{self._prior_text}; raise "
            f"{self.section}.client.max_dollars or max_total_tokens"
        )

    @property
    def _prior_text(self) -> str:
        if not self.prior_tokens:
            return ""
        return f", and ${self.prior_dollars:.2f} and {self.prior_tokens:,} tokens on the experiment's other answers"

    @property
    def spent_text(self) -> str:
        """The spending, as text."""
        money = f"${self.dollars:.2f} and " if self.prices.input is not None else ""
        estimated = f" ({self.estimated_answers:,} of {self.answers:,} answers estimated)"
        return f"{money}{self.tokens:,} tokens{estimated if self.estimated_answers else ''}"

    @property
    def total_dollars(self) -> float | None:
        """US dollars spent, to 4 decimal places; None without prices."""
        return None if self.prices.input is None else round(self.dollars, 4)

    @property
    def ceiling_text(self) -> str:
        """The ceiling, as text."""
        parts = []
        if self.max_dollars is not None:
            parts.append(f"${self.max_dollars:g}")
        if self.max_tokens is not None:
            parts.append(f"{self.max_tokens:,.0f} tokens")
        return " and ".join(parts) or "none"
