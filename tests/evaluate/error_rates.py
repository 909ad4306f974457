"""Error rates of each grader on answers that were checked by hand, with Wilson's 95 % intervals.

    python tests/evaluate/error_rates.py [FILE]

FILE has a JSON object per line: `suite`, `shape` (integer, expression, choice), `gold`, `prediction`, `expected`, and
optionally `options` and `truncated`; rows of the category `debatable` are left out. A prediction without a box, a
marker, a separator or a line break is an answer by itself and is put into a box. Without FILE, the rows are those of
answer_pairs.jsonl: an answer as a model would write it (`answer`), and whether it is the same (`same`).

Prints a line per row that the rules get wrong, then one JSON line: `n`, and for each grader the wrong answers that it
accepts and the right ones that it rejects, as shares of all rows. An option's text for a letter is right or wrong by
the options: such a row without `options` is left out, and printed.

Same means the same value or meaning in any notation. An answer may omit a unit but not state a different one; a rounded
value is not an exact one; a part is not the whole; if a letter contradicts an option's text, the letter counts. Our own
pairs are made up and chosen to be hard: the rates compare graders and are not those on a benchmark.

The judges are replacements on loopback (loopback_judge.py): a literal one, which compares texts, and one that is never
wrong. They bound s1's order, and the judge grader, from both sides: with the second judge there are no errors left, so
that all errors with a real judge are the judge's. This script does not measure gpt-4o-mini's rates.
"""

import argparse
import contextlib
import io
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

TESTS = Path(__file__).resolve().parents[1]
sys.path += [str(folder) for folder in (TESTS, TESTS / "evaluate", TESTS / "teacher")]

from faulty_teacher import KEY, KEY_VARIABLE  # noqa: E402  the folders of the tests are on the path from here on
from loopback_judge import InfallibleJudge, LiteralJudge, judge_at, judge_server  # noqa: E402
from math_verify import ExprExtractionConfig, LatexExtractionConfig, StringExtractionConfig, parse, verify  # noqa: E402

from r1k.evaluate.extract import final_answer, is_digits  # noqa: E402
from r1k.evaluate.grade import grade, grade_sample  # noqa: E402
from r1k.evaluate.judge import judge_answers  # noqa: E402
from r1k.intervals import wilson  # noqa: E402
from r1k.records import Graded, Question, Record, Sample, Text, iterate_jsonl, read_jsonl, write_jsonl  # noqa: E402
from r1k.teacher.server import running  # noqa: E402
from r1k.text import OPTION_LETTERS  # noqa: E402

PAIRS = Path(__file__).parent / "answer_pairs.jsonl"
ANSWER_TYPES = {"integer": "integer", "expression": "expression", "text": "expression", "choice": "choice"}
"""The answer type of the benchmark for each kind of pair."""
MARKED = re.compile(r"\\boxed|\\fbox|answer\W{0,4}[:：]|答案|<\|im_start\||</?think>|\n", re.IGNORECASE)
MATH_VERIFY = "Math-Verify"


class Pair(Record):
    """A gold answer, and an answer as a model would write it."""

    shape: Literal["integer", "expression", "text", "choice"]
    gold: str
    answer: str
    same: bool
    note: Text
    options: list[Text] | None = None
    truncated: bool = False


@dataclass(frozen=True)
class Rates:
    """Among the wrong answers, the number accepted; among the right ones, the number rejected."""

    accepted: int
    wrong: int
    rejected: int
    right: int

    def shares(self) -> dict[str, Any]:
        """Return both counts as shares of all rows, with their intervals."""
        n = self.wrong + self.right
        found = {}
        for name, count in (("false_accepts", self.accepted), ("false_rejects", self.rejected)):
            share = wilson(count, n)
            found[name] = {"count": count, "n": n, "rate": share.value, "low": share.low, "high": share.high}
        return found


def read_pairs(path: Path = PAIRS) -> list[Pair]:
    """Return the rows of a file in one of the two forms, without the debatable ones."""
    if path == PAIRS:
        return [pair for _, pair in iterate_jsonl(path, Pair)]
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    return [_pair(row) for row in rows if row.get("category") != "debatable"]


def _pair(row: dict[str, Any]) -> Pair:
    if "prediction" not in row:
        return Pair.model_validate(row)
    return Pair(
        shape=row["shape"],
        gold=row["gold"],
        answer=completion(row["prediction"]),
        same=row["expected"],
        note=row.get("suite") or "no suite",
        options=row.get("options"),
        truncated=bool(row.get("truncated")),
    )


def completion(prediction: str) -> str:
    """Return a prediction as a completion: an answer by itself in a box, or after a marker if a box would not close."""
    if MARKED.search(prediction):
        return prediction
    balance = re.sub(r"\\.", "", prediction)
    is_closed = balance.count("{") == balance.count("}") and not prediction.rstrip().endswith("\\")
    return f"\\boxed{{{prediction}}}" if is_closed else f"Answer: {prediction}"


def is_decidable(pair: Pair) -> bool:
    """Return whether a row has what decides it: the options, if a right answer states an option's text."""
    if pair.shape != "choice" or pair.options or not pair.same:
        return True
    extracted = re.sub(r"\\[a-z]+", "", final_answer(pair.answer, "choice") or "")
    return not extracted or re.search(r"(?<![A-Za-z])[A-Ea-e](?![A-Za-z])", extracted) is not None


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
    """Return each grader's verdicts; those of a judge as in the workflow, through `judge_answers` and `grade`."""
    truth = {f"Question {number}": pair.same for number, pair in enumerate(pairs)}
    golds = {f"Question {number}": pair.gold for number, pair in enumerate(pairs)}
    found = {"rules": by_rules(pairs)}
    found["s1's order, no judge: equal text"] = [_without_judge(pair) for pair in pairs]
    for judge in (LiteralJudge(), InfallibleJudge(truth, golds)):
        found[f"s1's order, {judge.model} judge"] = _judged(pairs, folder, "s1", judge)
        found[f"{judge.model} judge"] = _judged(pairs, folder, "judge", judge)
    found[MATH_VERIFY] = [_by_math_verify(pair) for pair in pairs]
    return found


def by_rules(pairs: Sequence[Pair]) -> list[bool]:
    """Return the rules' verdicts."""
    numbered = enumerate(pairs)
    return [
        grade_sample(_question(str(number), pair), _sample(str(number), pair), ANSWER_TYPES[pair.shape]).correct
        for number, pair in numbered
    ]


def _judged(pairs: Sequence[Pair], folder: Path, grader: str, judge: LiteralJudge) -> list[bool]:
    accepted: dict[str, bool] = {}
    for shape in dict.fromkeys(ANSWER_TYPES.values()):
        paths = {name: folder / f"{shape}-{name}.jsonl" for name in ("questions", "samples")}
        chosen = [(str(number), pair) for number, pair in enumerate(pairs) if ANSWER_TYPES[pair.shape] == shape]
        if not chosen:
            continue
        write_jsonl(paths["questions"], (_question(number, pair) for number, pair in chosen))
        write_jsonl(paths["samples"], (_sample(number, pair) for number, pair in chosen))
        judged = folder / "verdicts.jsonl"
        with running(judge_server(judge)) as server:
            settings = {"judge": judge_at(server, concurrency=8), "grader": grader, "min_judged_rate": 0.0}
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


def _by_math_verify(pair: Pair) -> bool:
    """Return Math-Verify's verdict as its README applies it: both texts parsed with its defaults, then compared."""
    if pair.shape == "choice":
        letters = [StringExtractionConfig(strings=tuple(OPTION_LETTERS))]
        return bool(verify(parse(pair.gold, letters), parse(pair.answer, letters)))
    kinds = [LatexExtractionConfig(), ExprExtractionConfig()]
    gold = parse(f"\\boxed{{{pair.gold}}}", kinds, parsing_timeout=2)
    return bool(verify(gold, parse(pair.answer, kinds, parsing_timeout=2), timeout_seconds=2))


def _question(number: str, pair: Pair) -> Question:
    options = pair.options
    if pair.shape == "choice" and options is None:
        options = [f"text {letter.lower()}" for letter in OPTION_LETTERS[: max(4, OPTION_LETTERS.find(pair.gold) + 1)]]
    return Question(
        id=number,
        benchmark="pairs",
        question=f"Question {number}",
        options=options,
        gold=pair.gold,
        kind="made up",
    )


def _sample(number: str, pair: Pair) -> Sample:
    completion, truncated = pair.answer, pair.truncated
    return Sample(id=number, benchmark="pairs", prompt="p", completion=completion, tokens=1, truncated=truncated)


def wrong_rows(pairs: Sequence[Pair], accepted: Sequence[bool]) -> Iterator[str]:
    """Yield a line for each row that a grader gets wrong."""
    for pair, verdict in zip(pairs, accepted, strict=True):
        if pair.same != verdict:
            shown = pair.answer if len(pair.answer) <= 300 else "…" + pair.answer[-300:]
            row = {"suite": pair.note, "shape": pair.shape, "gold": pair.gold, "prediction": shown}
            yield json.dumps(row | {"expected": pair.same, "got": verdict}, ensure_ascii=False)


def main() -> None:
    """Grade all rows with each grader; print the rows that the rules get wrong, and the rates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, default=PAIRS, help="rows to grade; our own pairs by default")
    rows = read_pairs(parser.parse_args().file)
    pairs = [pair for pair in rows if is_decidable(pair)]
    for pair in rows:
        if pair not in pairs:
            print(f"left out, states an option's text without options: {pair.gold} <- {pair.answer[-80:]!r}")
    os.environ |= {KEY_VARIABLE: KEY, "NO_PROXY": "127.0.0.1"}
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        found = verdicts(pairs, Path(folder))
    for line in wrong_rows(pairs, found["rules"]):
        print(line)
    shares = {grader: rates(pairs, accepted)["all"].shares() for grader, accepted in found.items()}
    print(json.dumps({"n": len(pairs), "left_out": len(rows) - len(pairs), **shares}))


if __name__ == "__main__":
    main()
