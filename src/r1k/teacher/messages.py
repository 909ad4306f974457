"""Messages of a run of requests: its estimated cost, why it stopped, and which requests have no answer."""

from collections.abc import Mapping
from pathlib import Path

from r1k.teacher.budget import Budget


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


def _amount(tokens: float, budget: Budget) -> str:
    dollars = budget.prices.dollars(0, tokens)
    return f"{tokens:,.0f} tokens" + ("" if dollars is None else f", ${dollars:,.2f}")
