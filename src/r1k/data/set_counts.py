"""Count the problems of the data and of its variants, and those that each key of the config leaves out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from r1k.errors import RecordError
from r1k.provenance import verified_facts

ALL = "all problems"


@dataclass(frozen=True)
class SetCounts:
    """The size of one form of the data. Each problem has an example per direction."""

    name: str
    """The variant's name, or `all problems`."""
    format: str
    problems: int
    left_out: int
    left_out_by: Mapping[str, int]
    """Problems that each key of the config leaves out; several keys may leave out the same one."""

    @property
    def reasons(self) -> str:
        """The counts by key as text, such as `require 3, length_ratio 0`."""
        return ", ".join(f"{key} {count}" for key, count in self.left_out_by.items())


def count_sets(s1k: Path, r1k: Path, variants: Iterable[Path]) -> list[SetCounts]:
    """Return the counts of the data and of its variants, from their manifests.

    Args:
        s1k: Forward examples, s1k.jsonl.
        r1k: Reverse examples, r1k.jsonl.
        variants: The variants' forward examples, `{variant}/s1k.jsonl`.

    Raises:
        RecordError: A manifest is missing, describes another file, or is of an earlier version.
    """
    by_grade, skipped = verified_facts(s1k)["excluded_by_grade"], len(verified_facts(r1k).get("skipped", {}))
    problems = verified_facts(s1k)["n"] - skipped
    by_key = {"data.filter_by_grade": by_grade, "teacher.on_truncation and on_refusal": skipped}
    return [SetCounts(ALL, "as_is", problems, by_grade + skipped, by_key), *map(_variant_counts, variants)]


def _variant_counts(path: Path) -> SetCounts:
    facts = verified_facts(path)
    if "excluded_by" not in facts:
        raise RecordError(
            f"{path}: made by an earlier version, which did not count what each key leaves out; rebuild it with "
            f"`snakemake --force {path}`"
        )
    return SetCounts(
        path.parent.name, facts["variant"]["format"], facts["n"], facts["num_excluded"], facts["excluded_by"]
    )
