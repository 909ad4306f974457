"""How often each grader is wrong on the hand-checked pairs of answer_pairs.jsonl: counts, and Wilson's 95 % intervals.

    PYTHONPATH=tests:tests/teacher python tests/evaluate/error_rates.py
    PYTHONPATH=tests:tests/teacher python tests/evaluate/error_rates.py --list rules

Each line is an answer as a model would write it, the right answer, and whether they are the same, as decided by hand:
the same value or meaning, however it is written. A unit may be left out, and is not another one; what is exact is not
what is rounded; a part is not the whole; where a letter and an option's text contradict each other, the letter counts;
what neither a box nor an answer line holds was not answered. All pairs are made up, and chosen to be hard: the rates
compare graders, and are not those on a benchmark.

The judges are stand-ins on loopback (loopback_judge.py): a literal one, which compares texts, and one that is never
wrong. They bound s1's order, and the judge, from both sides: with the second nothing is left to get wrong, so that
whatever a real judge gets wrong is its own. gpt-4o-mini's rates need gpt-4o-mini: they are not measured here.
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

from r1k.evaluate.extract import digits_alone, final_answer
from r1k.evaluate.grade import grade
from r1k.evaluate.judge import judge_answers
from r1k.intervals import wilson
from r1k.records import Graded, Question, Record, Sample, Text, iterate_jsonl, read_jsonl, write_jsonl
from r1k.teacher.server import running

PAIRS = Path(__file__).parent / "answer_pairs.jsonl"
SHAPES = {"integer": "integer", "expression": "expression", "text": "expression", "choice": "choice"}
"""Of a pair, and of the benchmark that would have it."""


class Pair(Record):
    """A right answer, and one as a model would write it."""

    shape: Literal["integer", "expression", "text", "choice"]
    gold: Text
    answer: str
    same: bool
    note: Text
    options: list[Text] | None = None


@dataclass(frozen=True)
class Rates:
    """Of the pairs that are not the same, those accepted; of those that are, those rejected."""

    accepted: int
    wrong: int
    rejected: int
    right: int

    def __str__(self) -> str:
        return f"{_share(self.accepted, self.wrong)}   {_share(self.rejected, self.right)}"


def read_pairs() -> list[Pair]:
    return [pair for _, pair in iterate_jsonl(PAIRS, Pair)]


def rates(pairs: Sequence[Pair], accepted: Sequence[bool]) -> dict[str, Rates]:
    """By shape, and over all."""
    both = list(zip(pairs, accepted, strict=True))
    found = {}
    for shape in (*SHAPES, "all"):
        chosen = [(pair.same, verdict) for pair, verdict in both if shape in (pair.shape, "all")]
        wrong, right = [v for same, v in chosen if not same], [v for same, v in chosen if same]
        found[shape] = Rates(sum(wrong), len(wrong), right.count(False), len(right))
    return found


def verdicts(pairs: Sequence[Pair], folder: Path) -> dict[str, list[bool]]:
    """Each grader's verdicts, as the workflow would have them: from files, through `judge_answers` and `grade`."""
    truth = {f"Question {number}": pair.same for number, pair in enumerate(pairs)}
    found = {"rules": _graded(pairs, folder, "rules", None)}
    found["s1's order, no judge: equal text"] = [_without_judge(pair) for pair in pairs]
    for judge in (LiteralJudge(), InfallibleJudge(truth)):
        found[f"s1's order, {judge.model} judge"] = _graded(pairs, folder, "s1", judge)
        found[f"{judge.model} judge"] = _graded(pairs, folder, "judge", judge)
    return found


def _graded(pairs: Sequence[Pair], folder: Path, grader: str, judge: LiteralJudge | None) -> list[bool]:
    accepted: dict[str, bool] = {}
    for shape in dict.fromkeys(SHAPES.values()):
        paths = {name: folder / f"{shape}-{name}.jsonl" for name in ("questions", "samples")}
        chosen = [(str(number), pair) for number, pair in enumerate(pairs) if SHAPES[pair.shape] == shape]
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
    if extracted is not None and digits_alone(extracted) and digits_alone(pair.gold):
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
    return Sample(id=number, benchmark="pairs", prompt_digest="p", completion=pair.answer, tokens=1, truncated=False)


def _share(count: int, n: int) -> str:
    low, high = wilson(count, n)
    return f"{count:3d} of {n:3d} {100 * count / n:5.1f} % [{100 * low:4.1f}, {100 * high:4.1f}]"


def _table(pairs: Sequence[Pair], found: Mapping[str, Sequence[bool]]) -> str:
    lines = [f"{'':36} {'':10}  {'wrong ones accepted':33}  right ones rejected"]
    for grader, accepted in found.items():
        for shape, each in rates(pairs, accepted).items():
            lines.append(f"{grader:36} {shape:10}  {each}")
    return "\n".join(lines)


def main() -> None:
    """Grade all pairs with each grader, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", metavar="GRADER", help="print the pairs that this grader, as named, gets wrong")
    options = parser.parse_args()
    pairs = read_pairs()
    os.environ |= {KEY_VARIABLE: KEY, "NO_PROXY": "127.0.0.1"}
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        found = verdicts(pairs, Path(folder))
    print(_table(pairs, found))
    if options.list:
        for pair, accepted in zip(pairs, found[options.list], strict=True):
            if pair.same != accepted:
                what = "accepts" if accepted else "rejects"
                print(f"{what} {pair.shape}: {pair.gold}  <-  {pair.answer[:70]!r}  ({pair.note})")


if __name__ == "__main__":
    main()
