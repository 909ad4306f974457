"""Check all inverses: each reverse example against its forward one, and against every other question."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from r1k import config
from r1k.checks.consistency import consistent
from r1k.checks.inverse import Inverse
from r1k.checks.near_duplicates import nearest_questions
from r1k.checks.verdicts import answer_hidden, answer_reached, asks_for_given, distinct_question, uses_answer
from r1k.data.sets import ExamplePair, read_example_pairs
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import VERDICTS, Check, write_jsonl
from r1k.teacher.endpoints import with_client
from r1k.teacher.judge import PROMPT, JudgeOpinion, judge_pairs


def check_inverse(
    *, checks: config.Checks, client: config.Client | None = None, s1k: Path, r1k: Path, output: Path, journal: Path
) -> None:
    """Check each reverse example by six rules; a judge model, if configured, decides the consistency they leave open.

    Args:
        checks: Section `data.checks` of the config.
        client: Section `data.checks.judge.client` of the config: how the judge is called; its defaults if missing.
        s1k: Forward examples, s1k.jsonl.
        r1k: Reverse examples, r1k.jsonl.
        output: The checks.jsonl to write, in s1k's order.
        journal: The JSONL file that keeps each answer of the judge as it arrives.

    Raises:
        RecordError: A problem lacks one direction.
        TeacherError: A request to the judge fails; no output is written, and the journal keeps the answers.
    """
    if checks.judge is not None:
        checks = checks.model_copy(update={"judge": with_client(checks.judge, client)})
    watch = Stopwatch()
    pairs = read_example_pairs(s1k, r1k)
    found = check(pairs, checks.near_duplicate_threshold)
    undecided = [pair for pair, one in zip(pairs, found, strict=True) if one.consistent is None]
    facts = {}
    if checks.judge is not None and undecided:
        opinions = judge_pairs(checks.judge, undecided, journal)
        found = [apply_opinion(one, opinions.get(one.problem)) for one in found]
        facts = {"judge": checks.judge.model, "prompt": PROMPT.digest, "judged": len(undecided)}
    write_jsonl(output, found)
    inputs = {"s1k": s1k, "r1k": r1k}
    write_manifest(
        output,
        "checks",
        inputs,
        watch,
        n=len(found),
        near_duplicate_threshold=checks.near_duplicate_threshold,
        verdicts=counts(found),
        **facts,
    )


def check(pairs: Sequence[ExamplePair], near_duplicate_threshold: float) -> list[Check]:
    """Return the verdicts by rules on each pair, in order.

    `near_duplicate_threshold` is the share of common word triples, from 0 to 1, from which two questions with the same
    numbers are near-duplicates.
    """
    nearest = nearest_questions(pairs)
    found = []
    for forward, reverse in tqdm(pairs, desc="checks", unit="problem", delay=5):
        inverse = Inverse(forward, reverse)
        verdicts = {
            "answer_hidden": answer_hidden(inverse),
            "asks_for_given": asks_for_given(inverse),
            "uses_answer": uses_answer(inverse),
            "consistent": consistent(inverse),
            "reached": answer_reached(inverse),
            "distinct_question": distinct_question(nearest.get(reverse.problem), near_duplicate_threshold),
        }
        passed = {name: verdict.passed for name, verdict in verdicts.items()}
        reasons = {name: verdict.reason for name, verdict in verdicts.items()}
        found.append(
            Check.model_validate({"problem": forward.problem, "kind": forward.kind, **passed, "reasons": reasons})
        )
    return found


def apply_opinion(found: Check, opinion: JudgeOpinion | None) -> Check:
    """Return a check with the judge's opinion on the consistency that rules left undecided."""
    if opinion is None:
        return found
    reasons = {**found.reasons, "consistent": f"{found.reasons['consistent']}; {opinion.rationale}"}
    return found.model_copy(update={"consistent": opinion.consistent, "reasons": reasons})


def counts(found: Sequence[Check]) -> dict[str, dict[str, int]]:
    """Return for each verdict how many checks passed, failed or are undecided."""
    times = {name: Counter(one.passed(name) for one in found) for name in VERDICTS}
    return {
        name: {"passed": each[True], "failed": each[False], "undecided": each[None]} for name, each in times.items()
    }
