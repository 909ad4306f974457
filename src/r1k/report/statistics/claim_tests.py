"""What a claim stands on: quantities by problem, each with a sign that is claimed, an interval and a verdict."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from r1k.config import Arm
from r1k.records import ResponseKind, Split
from r1k.report.statistics.changes import Interval, Measured, estimate
from r1k.report.statistics.curves import Method
from r1k.report.statistics.load_tracked import Measure

Verdict = Literal["supported", "not supported", "undecided"]


@dataclass(frozen=True)
class Part:
    """A quantity that a claim says has a sign."""

    what: str
    claimed: Literal["above 0", "below 0"]
    estimate: Interval
    n: int

    @property
    def verdict(self) -> Verdict:
        """Is all of the interval on the claimed side of 0, all on the other, or neither."""
        above, below = self.estimate.low > 0, self.estimate.high < 0
        if above or below:
            return "supported" if above == (self.claimed == "above 0") else "not supported"
        return "undecided"


@dataclass(frozen=True)
class Claim:
    """A claim on one split; all of its parts must hold."""

    key: str
    where: str
    text: str
    split: Split
    parts: tuple[Part, ...]

    @property
    def verdict(self) -> Verdict:
        found = {part.verdict for part in self.parts}
        if "not supported" in found:
            return "not supported"
        return "undecided" if "undecided" in found else "supported"


@dataclass(frozen=True)
class Evidence:
    """A split's values, by problem."""

    measured: Measured
    split: Split

    def rise(
        self, arm: Arm, method: Method, test: Arm, *responses: ResponseKind, measure: Measure = "log_p"
    ) -> "pd.Series[float]":
        """The change over a training, its mean over responses."""
        return mean([self.measured.change(arm, method, test, self.split, kind, measure) for kind in responses])

    def level(self, arm: Arm, test: Arm, response: ResponseKind) -> "pd.Series[float]":
        """ALP after SFT."""
        return self.measured.values(arm, "sft", "end", test, self.split, response, "log_p")

    def margin(self, arm: Arm, test: Arm) -> "pd.Series[float]":
        """ALP(y+) - ALP(y-) after SFT."""
        return self.level(arm, test, "own") - self.level(arm, test, "other")

    def claim(self, key: str, where: str, text: str, *parts: tuple[str, str, "pd.Series[float]"]) -> Iterator[Claim]:
        """The claim, where all that it speaks of was measured."""
        known = [(what, sign, values.dropna()) for what, sign, values in parts]
        if all(len(values) for _, _, values in known):
            found = (
                Part(what, "above 0" if sign == ">" else "below 0", estimate(values), len(values))
                for what, sign, values in known
            )
            yield Claim(key, where, text, self.split, tuple(found))


def mean(parts: Sequence["pd.Series[float]"]) -> "pd.Series[float]":
    """By problem, of those that have all parts."""
    return pd.concat(parts, axis=1, join="inner").mean(axis=1) if all(len(part) for part in parts) else parts[0][:0]
