"""Tracked responses at the first and last checkpoint of runs, as tables by problem."""

from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import Literal, get_args

import pandas as pd

from r1k.config import Arm
from r1k.errors import RecordError
from r1k.records import METRICS, RESPONSE_KINDS, ResponseKind, Split, Tracked, read_jsonl
from r1k.report.statistics.curves import TESTS

Moment = Literal["start", "end"]
MOMENTS: tuple[Moment, ...] = get_args(Moment)
Measure = Literal[
    "log_p", "log_p_argmax", "off_argmax", "entropy", "rank", "share_argmax", "p", "p_rival", "p_rest", "kl"
]
MEASURES: tuple[Measure, ...] = get_args(Measure)
"""The measures of Tracked, and `p_rest` = 1 - `p` - `p_rival`."""
KEYS = ["run", "moment", "split", "direction", "response", "span", "problem"]


class TrackedMeans:
    """Measures at the start and the end of runs: means over seeds, by problem."""

    def __init__(self, runs: Iterable[str], seeds: Sequence[int], tracked: Sequence[Path]) -> None:
        """Raise RecordError if a run, or its first or last checkpoint, has no tracked responses."""
        frame = pd.concat([_ends(path) for path in tracked], ignore_index=True)
        frame["p_rest"] = (1 - frame["p"] - frame["p_rival"]).clip(lower=0)
        check_measured(frame, runs, seeds, "tracked responses", "tracked")
        wanted = frame[frame["seed"].isin(seeds)]
        found = wanted.groupby(KEYS, sort=True)[list(MEASURES)]
        # A mean over fewer seeds is not comparable with the others.
        whole = found.mean()[found.size() == len(seeds)]
        wide = whole.unstack(["response", "span"])
        self._tables = {key: pd.DataFrame(part).droplevel([0, 1, 2, 3]) for key, part in wide.groupby(level=KEYS[:4])}
        self.kinds = [kind for kind in RESPONSE_KINDS if kind in set(frame["response"])]

    def table(self, run: str, moment: Moment, test: Arm, split: Split) -> pd.DataFrame:
        """Return means over the prompts of `test`: [problems, (measure, response, span)].

        A value is NaN if one of the prompts lacks the response. Raises RecordError if no response was tracked.
        """
        keys = [(run, moment, split, direction) for direction in TESTS[test]]
        for key in keys:
            if key not in self._tables:
                raise RecordError(f"no tracked responses of run {run!r} on {key[3]} prompts of the {split} split")
        return sum((self._tables[key] for key in keys[1:]), self._tables[keys[0]]) / len(keys)

    def values(
        self, run: str, moment: Moment, test: Arm, split: Split, response: ResponseKind, measure: Measure
    ) -> "pd.Series[float]":
        """Return one measure over whole responses, by problem; empty if that response was not tracked."""
        table, column = self.table(run, moment, test, split), (measure, response, "all")
        return table[column].dropna() if column in table else pd.Series(dtype=float)


def check_measured(frame: pd.DataFrame, runs: Iterable[str], seeds: Sequence[int], what: str, folder: str) -> None:
    """Raise RecordError for a run and seed without rows; the message names `what` is missing from `folder`."""
    known = set(zip(frame["run"], frame["seed"], strict=True))
    for run, seed in product(runs, seeds):
        if (run, seed) not in known:
            raise RecordError(f"no {what} of run {run!r}, seed {seed}; make {folder}/{run}/{seed}.jsonl")


def _ends(path: Path) -> pd.DataFrame:
    """Return the records of a run's first and last checkpoint, as rows."""
    records = read_jsonl(path, Tracked)
    last = max(record.step for record in records)
    moments: dict[int, Moment] = {last: "end", 0: "start"}
    rows = [
        {"moment": moments[record.step], "seed": record.seed}
        | {key: getattr(record, key) for key in (*KEYS, *METRICS) if key != "moment"}
        for record in records
        if record.step in moments
    ]
    if last == 0 or not any(row["moment"] == "start" for row in rows):
        raise RecordError(f"{path}: holds no two checkpoints, step 0 and a later one; probe the run again")
    return pd.DataFrame(rows)
