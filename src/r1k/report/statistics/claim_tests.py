"""Tests of claims: each claim is a set of quantities with a claimed sign, and each quantity has an interval."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from r1k.config import Arm
from r1k.intervals import Interval
from r1k.records import ResponseKind, Split
from r1k.report.statistics.changes import Measured, estimate
from r1k.report.statistics.curves import ProbedMethod
from r1k.report.statistics.load_tracked import Measure

ClaimVerdict = Literal["supported", "not supported", "undecided"]


@dataclass(frozen=True)
class ClaimPart:
    """A quantity whose sign is claimed."""

    what: str
    claimed: Literal["above 0", "below 0"]
    estimate: Interval
    n: int
    """Problems."""

    @property
    def verdict(self) -> ClaimVerdict:
        """Return whether the whole interval is on the claimed side of 0, on the other side, or neither."""
        sign = self.estimate.sign
        if sign == 0:
            return "undecided"
        return "supported" if (sign > 0) == (self.claimed == "above 0") else "not supported"


@dataclass(frozen=True)
class ClaimResult:
    """A claim's result on one split; the claim needs all of its parts."""

    key: str
    where: str
    text: str
    split: Split
    parts: tuple[ClaimPart, ...]

    @property
    def verdict(self) -> ClaimVerdict:
        """Return `not supported` if one part is, else `undecided` if one part is, else `supported`."""
        found = {part.verdict for part in self.parts}
        if "not supported" in found:
            return "not supported"
        return "undecided" if "undecided" in found else "supported"


@dataclass(frozen=True)
class Evidence:
    """The measures of one split, by problem."""

    measured: Measured
    split: Split

    def rise(
        self, arm: Arm, method: ProbedMethod, test: Arm, *responses: ResponseKind, measure: Measure = "log_p"
    ) -> "pd.Series[float]":
        """Return a measure's change over a training run, averaged over `responses`."""
        return mean([self.measured.change(arm, method, test, self.split, kind, measure) for kind in responses])

    def level(self, arm: Arm, test: Arm, response: ResponseKind) -> "pd.Series[float]":
        """Return the ALP of a response after SFT."""
        return self.measured.values(arm, "sft", "end", test, self.split, response, "log_p")

    def margin(self, arm: Arm, test: Arm) -> "pd.Series[float]":
        """Return ALP(y+) - ALP(y-) after SFT."""
        return self.level(arm, test, "chosen") - self.level(arm, test, "rejected")

    def claim(
        self, key: str, where: str, text: str, *parts: tuple[str, str, "pd.Series[float]"]
    ) -> Iterator[ClaimResult]:
        """Yield the claim's result if every quantity of it was measured."""
        known = [(what, sign, values.dropna()) for what, sign, values in parts]
        if all(len(values) for _, _, values in known):
            found = (
                ClaimPart(what, "above 0" if sign == ">" else "below 0", estimate(values), len(values))
                for what, sign, values in known
            )
            yield ClaimResult(key, where, text, self.split, tuple(found))


def mean(parts: Sequence["pd.Series[float]"]) -> "pd.Series[float]":
    """Return the mean of `parts` for each problem that has all of them."""
    return pd.concat(parts, axis=1, join="inner").mean(axis=1) if all(len(part) for part in parts) else parts[0][:0]
