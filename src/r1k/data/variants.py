"""Variants of the data: both directions in another form, or of fewer problems, always of the same ones."""

from collections.abc import Sequence
from pathlib import Path

from r1k.config import Variant
from r1k.data.form import normalised
from r1k.data.sets import Both, read_both
from r1k.errors import RecordError
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import Example, write_jsonl


def chosen(both: Sequence[Both], variant: Variant) -> list[Both]:
    """The problems that the variant keeps, in their order."""
    return [(forward, reverse) for forward, reverse in both if forward.grade is True or not variant.graded_correct]


def formed(example: Example, variant: Variant) -> Example:
    """An example in the variant's form."""
    if variant.format == "as_is":
        return example
    return example.model_copy(update={"answer": normalised(example.answer)})


def make_variant(*, s1k: Path, r1k: Path, variant: Variant, forward: Path, reverse: Path) -> None:
    """Write both directions of a variant; RecordError where it keeps no problem."""
    watch = Stopwatch()
    both = read_both(s1k, r1k)
    kept = chosen(both, variant)
    if not kept:
        raise RecordError(f"{s1k}: no problem is left of {len(both)}; see what the variant asks for in data.variants")
    for side, output in enumerate((forward, reverse)):
        write_jsonl(output, (formed(pair[side], variant) for pair in kept))
        facts = {"n": len(kept), "not_kept": len(both) - len(kept), "variant": variant.model_dump()}
        write_manifest(output, "data.variant", {"s1k": s1k, "r1k": r1k}, watch, **facts)
