"""Make variants of the data: both directions in another format, or with fewer problems, the same in both directions."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from r1k.config import ContaminationFilter, Variant
from r1k.data.answer_format import normalize_answer
from r1k.data.audit.contamination import find_contamination, read_benchmarks
from r1k.data.audit.records import Overlap
from r1k.data.sets import ExamplePair, read_example_pairs
from r1k.errors import RecordError
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import OVERLAP_KINDS, Check, Example, VerdictName, read_jsonl, write_jsonl

Excluded = Mapping[str, set[str]]
"""Problems that a variant leaves out, by the key of the config that excludes them; a problem may have several."""


def excluded_problems(
    both: Sequence[ExamplePair], variant: Variant, checks: Sequence[Check] = (), overlaps: Sequence[Overlap] = ()
) -> Excluded:
    """Return the problems that each key of a variant excludes; keys that are not set are missing.

    `checks` matter only if the variant requires any, and `overlaps` only if it excludes contaminated problems.
    """
    found: dict[str, set[str]] = {}
    if variant.graded_correct:
        found["graded_correct"] = {pair[0].problem for pair in both if pair[0].grade is not True}
    if variant.length_ratio is not None:
        found["length_ratio"] = {pair[0].problem for pair in both if length_ratio(pair) > variant.length_ratio}
    if variant.require:
        passed = passed_problems(checks, variant.require)
        found["require"] = {pair[0].problem for pair in both} - passed
    if variant.exclude_contaminated is not None:
        found["exclude_contaminated"] = contaminated_problems(overlaps, variant.exclude_contaminated)
    return found


def passed_problems(checks: Iterable[Check], required: Sequence[VerdictName]) -> set[str]:
    """Return the problems that passed every required verdict; an undecided verdict counts as failed."""
    return {check.problem for check in checks if all(check.passed(verdict) is True for verdict in required)}


def contaminated_problems(overlaps: Iterable[Overlap], limits: ContaminationFilter) -> set[str]:
    """Return the problems with an overlap as strong as the limit of its place, or stronger, in either direction."""
    weakest = {"question": limits.question, "response": limits.response}
    return {
        overlap.problem
        for overlap in overlaps
        if (limit := weakest[overlap.where]) and OVERLAP_KINDS.index(overlap.kind) <= OVERLAP_KINDS.index(limit)
    }


def length_ratio(pair: ExamplePair) -> float:
    """Return the ratio of words in the longer response to words in the shorter one, reasoning and answer together."""
    shorter, longer = sorted(len(example.reasoning.split()) + len(example.answer.split()) for example in pair)
    return longer / shorter


def apply_format(example: Example, variant: Variant) -> Example:
    """Return an example in the variant's format."""
    if variant.format == "as_is":
        return example
    return example.model_copy(update={"answer": normalize_answer(example.answer)})


def make_variant(
    *,
    s1k: Path,
    r1k: Path,
    variant: Variant,
    forward: Path,
    reverse: Path,
    checks: Path | None = None,
    questions: Sequence[Path] = (),
) -> None:
    """Write s1k and r1k in another format, or with fewer problems; both directions keep the same problems.

    Args:
        s1k: Forward examples, s1k.jsonl.
        r1k: Reverse examples, r1k.jsonl.
        variant: The variant's entry in the config.
        forward: The variant's s1k.jsonl to write.
        reverse: The variant's r1k.jsonl to write.
        checks: Verdicts on the reverse examples, checks.jsonl; needed if the variant requires checks.
        questions: The benchmarks' questions, one JSONL file per benchmark; needed if the variant excludes contaminated
            problems.

    Raises:
        RecordError: No problem is left, or a file that the variant needs is missing or incomplete.
    """
    watch = Stopwatch()
    both = read_example_pairs(s1k, r1k)
    if variant.require and checks is None:
        raise RecordError(f"{s1k}: the variant requires {', '.join(variant.require)}: pass the verdicts with --checks")
    if variant.exclude_contaminated and not questions:
        raise RecordError(
            f"{s1k}: the variant excludes contaminated problems: pass the benchmarks' questions with --questions"
        )
    overlaps = find_contamination(both, read_benchmarks(questions), ()) if questions else []
    excluded = excluded_problems(both, variant, _verdicts(checks, both) if checks is not None else (), overlaps)
    selected = [pair for pair in both if not any(pair[0].problem in problems for problems in excluded.values())]
    if not selected:
        raise RecordError(f"{s1k}: the variant keeps none of {len(both)} problems; relax its criteria in data.variants")
    inputs: dict[str, Path | Sequence[Path]] = {"s1k": s1k, "r1k": r1k}
    inputs |= ({"checks": checks} if checks is not None else {}) | ({"questions": questions} if questions else {})
    for side, output in enumerate((forward, reverse)):
        write_jsonl(output, (apply_format(pair[side], variant) for pair in selected))
        facts = {
            "n": len(selected),
            "num_excluded": len(both) - len(selected),
            "excluded_by": {key: len(problems) for key, problems in excluded.items()},
            "variant": variant.model_dump(),
        }
        write_manifest(output, "data.variant", inputs, watch, **facts)


def _verdicts(path: Path, both: Sequence[ExamplePair]) -> list[Check]:
    checks = read_jsonl(path, Check)
    unchecked = {forward.problem for forward, _ in both} - {check.problem for check in checks}
    if unchecked:
        raise RecordError(
            f"{path}: no verdict on {len(unchecked)} problems, such as {min(unchecked)!r}; rebuild it with "
            f"`snakemake --force {path}`"
        )
    return checks
