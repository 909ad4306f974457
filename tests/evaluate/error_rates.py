"""Error rates of each grader on the hand-checked pairs of answer_pairs.jsonl, with Wilson's 95 % intervals.

    PYTHONPATH=tests:tests/teacher python tests/evaluate/error_rates.py
    PYTHONPATH=tests:tests/teacher python tests/evaluate/error_rates.py --list rules

Each line is an answer as a model would write it, the gold answer, and whether they are the same, decided by hand. Same
means the same value or meaning in any notation. An answer may omit a unit but not state a different one; a rounded
value is not an exact one; a part is not the whole; if a letter contradicts an option's text, the letter counts; text
outside a box and an answer line is not an answer. All pairs are made up and chosen to be hard: the rates compare
graders and are not those on a benchmark.

The judges are replacements on loopback (loopback_judge.py): a literal one, which compares texts, and one that is never
wrong. They bound s1's order, and the judge grader, from both sides: with the second judge there are no errors left, so
that all errors with a real judge are the judge's. This script does not measure gpt-4o-mini's rates.
"""

import argparse
import contextlib
import io
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from faulty_teacher import KEY, KEY_VARIABLE
from loopback_judge import InfallibleJudge, LiteralJudge, judge_at, judge_server

from r1k.evaluate.extract import final_answer, is_digits
from r1k.evaluate.grade import grade
from r1k.evaluate.judge import judge_answers
from r1k.intervals import wilson
from r1k.records import Graded, Question, Record, Sample, Text, iterate_jsonl, read_jsonl, write_jsonl
from r1k.teacher.server import running

PAIRS = Path(__file__).parent / "answer_pairs.jsonl"
ANSWER_TYPES = {"integer": "integer", "expression": "expression", "text": "expression", "choice": "choice"}
"""The answer type of the benchmark for each kind of pair."""


class Pair(Record):
    """A gold answer, and an answer as a model would write it."""

    shape: Literal["integer", "expression", "text", "choice"]
    gold: Text
    answer: str
    same: bool
    note: Text
    options: list[Text] | None = None


@dataclass(frozen=True)
class Rates:
    """Among the wrong answers, the number accepted; among the right ones, the number rejected."""

    accepted: int
    wrong: int
    rejected: int
    right: int

    def __str__(self) -> str:
        return f"{_share(self.accepted, self.wrong)}   {_share(self.rejected, self.right)}"


def read_pairs() -> list[Pair]:
    return [pair for _, pair in iterate_jsonl(PAIRS, Pair)]


def rates(pairs: Sequence[Pair], accepted: Sequence[bool]) -> dict[str, Rates]:
    """Return the rates by kind of pair, and over all."""
    both = list(zip(pairs, accepted, strict=True))
    found = {}
    for shape in (*ANSWER_TYPES, "all"):
        chosen = [(pair.same, verdict) for pair, verdict in both if shape in (pair.shape, "all")]
        wrong, right = [v for same, v in chosen if not same], [v for same, v in chosen if same]
        found[shape] = Rates(sum(wrong), len(wrong), right.count(False), len(right))
    return found


def verdicts(pairs: Sequence[Pair], folder: Path) -> dict[str, list[bool]]:
    """Return each grader's verdicts, computed as in the workflow: from files, through `judge_answers` and `grade`."""
    truth = {f"Question {number}": pair.same for number, pair in enumerate(pairs)}
    golds = {f"Question {number}": pair.gold for number, pair in enumerate(pairs)}
    found = {"rules": _graded(pairs, folder, "rules", None)}
    found["s1's order, no judge: equal text"] = [_without_judge(pair) for pair in pairs]
    for judge in (LiteralJudge(), InfallibleJudge(truth, golds)):
        found[f"s1's order, {judge.model} judge"] = _graded(pairs, folder, "s1", judge)
        found[f"{judge.model} judge"] = _graded(pairs, folder, "judge", judge)
    return found


def _graded(pairs: Sequence[Pair], folder: Path, grader: str, judge: LiteralJudge | None) -> list[bool]:
    accepted: dict[str, bool] = {}
    for shape in dict.fromkeys(ANSWER_TYPES.values()):
        paths = {name: folder / f"{shape}-{name}.jsonl" for name in ("questions", "samples")}
        chosen = [(str(number), pair) for number, pair in enumerate(pairs) if ANSWER_TYPES[pair.shape] == shape]
        write_jsonl(paths["questions"], (_question(number, pair) for number, pair in chosen))
        write_jsonl(paths["samples"], (_sample(number, pair) for number, pair in chosen))
        judged = None
        if judge is not None:
            judged = folder / "verdicts.jsonl"
            with running(judge_server(judge)) as server:
                settings = {"judge": judge_at(server, concurrency=8), "grader": grader, "min_judged_rate": 1.0}
                judge_answers(**settings, **paths, output=judged, journal=folder / "journal.jsonl")
        output = folder / "graded.jsonl"
        grade(**paths, answer_type=shape, output=output, grader=grader, verdicts=judged)
        accepted |= {verdict.id: verdict.correct for verdict in read_jsonl(output, Graded)}
    return [accepted[str(number)] for number in range(len(pairs))]


def _without_judge(pair: Pair) -> bool:
    extracted = final_answer(pair.answer)
    if extracted is not None and is_digits(extracted) and is_digits(pair.gold):
        return int(extracted) == int(pair.gold)
    return extracted == pair.gold


def _question(number: str, pair: Pair) -> Question:
    return Question(
        id=number,
        benchmark="pairs",
        question=f"Question {number}",
        options=pair.options,
        gold=pair.gold,
        kind="made up",
    )


def _sample(number: str, pair: Pair) -> Sample:
    return Sample(id=number, benchmark="pairs", prompt="p", completion=pair.answer, tokens=1, truncated=False)


def _share(count: int, n: int) -> str:
    share = wilson(count, n)
    return f"{count:3d} of {n:3d} {100 * share.value:5.1f} % [{100 * share.low:4.1f}, {100 * share.high:4.1f}]"


def _table(pairs: Sequence[Pair], found: Mapping[str, Sequence[bool]]) -> str:
    lines = [f"{'':36} {'':10}  {'wrong ones accepted':33}  right ones rejected"]
    for grader, accepted in found.items():
        for shape, each in rates(pairs, accepted).items():
            lines.append(f"{grader:36} {shape:10}  {each}")
    return "\n".join(lines)


def main() -> None:
    """Grade all pairs with each grader and print the rates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", metavar="GRADER", help="print the pairs that this grader gets wrong")
    options = parser.parse_args()
    pairs = read_pairs()
    os.environ |= {KEY_VARIABLE: KEY, "NO_PROXY": "127.0.0.1"}
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        found = verdicts(pairs, Path(folder))
    print(_table(pairs, found))
    if options.list:
        for pair, accepted in zip(pairs, found[options.list], strict=True):
            if pair.same != accepted:
                verb = "accepts" if accepted else "rejects"
                print(f"{verb} {pair.shape}: {pair.gold}  <-  {pair.answer[:70]!r}  ({pair.note})")


if __name__ == "__main__":
    main()
