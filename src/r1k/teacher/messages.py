"""Messages of a run of requests: its estimated cost, why it stopped, and which requests have no answer."""

import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from r1k.teacher.budget import Budget
from r1k.teacher.journal import JournalEntry


def estimate(num_requests: int, limit: int | None, budget: Budget, recipient: str = "the teacher") -> str:
    """Return the estimated cost of the requests still to send."""
    lines = [f"up to {num_requests:,} requests to {recipient}; {budget.spent_text} spent on the answers in the journal"]
    if limit is not None:
        # Prompts are short compared with the longest answer.
        lines.append(f"  if every answer reaches its limit: {_amount(num_requests * limit, budget)}")
    if budget.answers:
        mean = budget.tokens / budget.answers
        expected = _amount(num_requests * mean, budget)
        lines.append(f"  if answers are as long as the {budget.answers:,} in the journal: {expected}")
    lines.append(f"  ceiling: {budget.ceiling_text}")
    return "\n".join(lines)


def stopped(reason: str, num_answers: int, journal: Path, failures: Mapping[str, str]) -> str:
    """Return the message of a run that stopped early."""
    return "\n".join(
        [
            reason,
            f"The run stopped. Its {num_answers} answers are in {journal}; a rerun sends only the remaining requests.",
            *reason_lines(failures),
        ]
    )


def failed(failures: Mapping[str, str], total: int, journal: Path) -> str:
    """Return the message of problems that have no pair after the run."""
    return _no_output("problems have no reverse pair", "these problems", failures, total, journal)


def unanswered(failures: Mapping[str, str], total: int, journal: Path) -> str:
    """Return the message of requests that failed."""
    return _no_output("requests have no answer", "this list", failures, total, journal)


def _no_output(what: str, these: str, failures: Mapping[str, str], total: int, journal: Path) -> str:
    return "\n".join(
        [
            f"{len(failures)} of {total} {what}, and no output was written:",
            *reason_lines(failures),
            f"All other answers are in {journal}; a rerun sends only the requests of {these}.",
        ]
    )


def success_rate_too_low(skipped: Mapping[str, str], total: int, min_success_rate: float) -> str:
    """Return the message of a run that skipped too many problems."""
    return "\n".join(
        [
            f"{total - len(skipped)} of {total} problems have a pair, fewer than teacher.min_success_rate of "
            f"{min_success_rate:g} requires, and no output was written; lower it, or remove the causes:",
            *reason_lines(skipped),
        ]
    )


def reason_lines(problems: Mapping[str, str]) -> list[str]:
    """Return one line per problem, sorted."""
    return [f"  {problem}: {reason}" for problem, reason in sorted(problems.items())]


@dataclass
class AnswerRemarks:
    """What to say once about many answers: unknown finish reasons, and estimated tokens."""

    num_answers: int = 0
    num_estimated: int = 0
    unknown_reasons: Counter[str] = field(default_factory=Counter)

    def add(self, entry: JournalEntry) -> None:
        """Count an answer."""
        self.num_answers += 1
        self.num_estimated += entry.tokens.estimated
        if entry.finish_kind == "unknown":
            self.unknown_reasons[entry.finish_reason] += 1

    def say(self) -> None:
        """Print a line for each remark, if any."""
        for reason, count in sorted(self.unknown_reasons.items()):
            print(
                f"{count:,} of {self.num_answers:,} answers end with the unknown finish_reason {reason!r}: they are "
                "used as complete, and the check `reached` leaves them undecided",
                file=sys.stderr,
            )
        if self.num_estimated:
            print(
                f"the server sent no usable token counts for {self.num_estimated:,} of {self.num_answers:,} answers: "
                "their tokens and cost are estimated as one token per byte, at most max_tokens",
                file=sys.stderr,
            )


def _amount(tokens: float, budget: Budget) -> str:
    dollars = budget.prices.dollars(0, tokens)
    return f"{tokens:,.0f} tokens" + ("" if dollars is None else f", ${dollars:,.2f}")
