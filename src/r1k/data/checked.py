"""The problems whose inverse passed the checks that a data set requires."""

from collections.abc import Iterable, Sequence

from r1k.records import Check, VerdictName


def kept(checks: Iterable[Check], required: Sequence[VerdictName]) -> set[str]:
    """The problems that passed every required verdict. One that could not be decided counts as failed."""
    return {check.problem for check in checks if all(check.passed(verdict) is True for verdict in required)}
