"""Messages of a run of requests: its cost before it starts, why it stopped, and which requests have no answer."""

from collections.abc import Mapping
from pathlib import Path

from r1k.teacher.budget import Budget


def estimate(calls: int, limit: int | None, budget: Budget, asked: str = "the teacher") -> str:
    """What the calls that are left may cost."""
    lines = [f"up to {calls:,} calls to {asked}; {budget.spent_text} spent on the answers that are here"]
    if limit is not None:
        # The prompt of a call is short beside the longest answer.
        lines.append(f"  if every answer reached its limit: {_amount(calls * limit, budget)}")
    if budget.answers:
        mean = budget.tokens / budget.answers
        expected = f"{_amount(calls * mean, budget)}"
        lines.append(f"  if they are as long as the {budget.answers:,} answers that are here: {expected}")
    lines.append(f"  ceiling: {budget.ceiling_text}")
    return "\n".join(lines)


def stopped(reason: str, asked: int, journal: Path, failures: Mapping[str, str]) -> str:
    """A run that ended before its end."""
    return "\n".join(
        [
            reason,
            f"The run was stopped there. Its {asked} answers are in {journal}; a rerun asks for the rest alone.",
            *reason_lines(failures),
        ]
    )


def failed(failures: Mapping[str, str], total: int, journal: Path) -> str:
    """Problems that were asked and have no pair."""
    return _no_output("problems have no reverse pair", "these problems", failures, total, journal)


def unanswered(failures: Mapping[str, str], total: int, journal: Path) -> str:
    """Requests that failed in the end."""
    return _no_output("requests have no answer", "these", failures, total, journal)


def _no_output(what: str, these: str, failures: Mapping[str, str], total: int, journal: Path) -> str:
    return "\n".join(
        [
            f"{len(failures)} of {total} {what}, and no output was written:",
            *reason_lines(failures),
            f"All other answers are in {journal}; a rerun asks for {these} alone.",
        ]
    )


def success_rate_too_low(skipped: Mapping[str, str], total: int, min_success_rate: float) -> str:
    """More problems left out than may be."""
    return "\n".join(
        [
            f"{total - len(skipped)} of {total} problems have a pair, fewer than teacher.min_success_rate of "
            f"{min_success_rate:g} asks for, and no output was written; lower it, or see why so many are left out:",
            *reason_lines(skipped),
        ]
    )


def reason_lines(problems: Mapping[str, str]) -> list[str]:
    """A line for each problem."""
    return [f"  {problem}: {reason}" for problem, reason in sorted(problems.items())]


def _amount(tokens: float, budget: Budget) -> str:
    dollars = budget.prices.dollars(0, tokens)
    return f"{tokens:,.0f} tokens" + ("" if dollars is None else f", ${dollars:,.2f}")
