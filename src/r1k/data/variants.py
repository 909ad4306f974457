"""Make variants of the data: both directions in another format, or with fewer problems, the same in both directions."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from r1k.config import Variant
from r1k.data.answer_format import normalize_answer
from r1k.data.sets import ExamplePair, read_example_pairs
from r1k.errors import RecordError
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import Check, Example, VerdictName, read_jsonl, write_jsonl


def select_pairs(both: Sequence[ExamplePair], variant: Variant, checks: Sequence[Check] = ()) -> list[ExamplePair]:
    """Return the pairs that the variant keeps, in order; `checks` matter only if it requires any."""
    selected = [pair for pair in both if pair[0].grade is True or not variant.graded_correct]
    if variant.length_ratio is not None:
        selected = [pair for pair in selected if length_ratio(pair) <= variant.length_ratio]
    if not variant.require:
        return selected
    passed = passed_problems(checks, variant.require)
    return [pair for pair in selected if pair[0].problem in passed]


def passed_problems(checks: Iterable[Check], required: Sequence[VerdictName]) -> set[str]:
    """Return the problems that passed every required verdict; an undecided verdict counts as failed."""
    return {check.problem for check in checks if all(check.passed(verdict) is True for verdict in required)}


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
    *, s1k: Path, r1k: Path, variant: Variant, forward: Path, reverse: Path, checks: Path | None = None
) -> None:
    """Write s1k and r1k in another format, or with fewer problems; both directions keep the same problems.

    Args:
        s1k: Forward examples, s1k.jsonl.
        r1k: Reverse examples, r1k.jsonl.
        variant: The variant's entry in the config.
        forward: The variant's s1k.jsonl to write.
        reverse: The variant's r1k.jsonl to write.
        checks: Verdicts on the reverse examples, checks.jsonl; needed if the variant requires checks.

    Raises:
        RecordError: No problem is left, or the variant requires checks and `checks` is missing or incomplete.
    """
    watch = Stopwatch()
    both = read_example_pairs(s1k, r1k)
    if variant.require and checks is None:
        raise RecordError(f"{s1k}: the variant requires {', '.join(variant.require)}: pass the verdicts with --checks")
    selected = select_pairs(both, variant, _verdicts(checks, both) if checks is not None else ())
    if not selected:
        raise RecordError(f"{s1k}: the variant keeps none of {len(both)} problems; relax its criteria in data.variants")
    inputs = {"s1k": s1k, "r1k": r1k} | ({"checks": checks} if checks is not None else {})
    for side, output in enumerate((forward, reverse)):
        write_jsonl(output, (apply_format(pair[side], variant) for pair in selected))
        facts = {"n": len(selected), "num_excluded": len(both) - len(selected), "variant": variant.model_dump()}
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
