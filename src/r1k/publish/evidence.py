"""What was checked of the exported data, as parts of its card: checks, overlaps with benchmarks, variants."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from r1k.data.audit.records import OverlapSummary
from r1k.data.set_counts import SetCounts
from r1k.markup import escape_markdown
from r1k.records import VERDICTS, Check


@dataclass(frozen=True)
class DataEvidence:
    """The results of the stages that check the data; empty where a stage was not given."""

    checks: Sequence[Check]
    judge: str | None
    """The model that decided where rules could not, if any."""
    overlaps: Sequence[OverlapSummary]
    sets: Sequence[SetCounts]

    def parts(self) -> list[str]:
        """Return the card's parts on checks, contamination and variants, as Markdown."""
        return [*self._checked(), *self._contamination(), *self._variants()]

    def _checked(self) -> list[str]:
        unknown = (
            "The reverse answers are the teacher's. Nobody has graded them, or checked that each reverse question has "
            "one answer."
        )
        if not self.checks:
            return [unknown]
        whole = sum(all(check.passed(name) for name in VERDICTS) for check in self.checks)
        judge = (
            f"the model {escape_markdown(self.judge)} decides the consistency that they leave open"
            if self.judge
            else "what they leave open stays undecided"
        )
        rows = []
        for name in VERDICTS:
            times = Counter(check.passed(name) for check in self.checks)
            described = Check.model_fields[name].description
            rows.append((f"`{name}`", described, times[True], times[False], times[None]))
        return [
            "## Checks",
            f"Rules check each reverse example; {judge}. {whole} of {len(self.checks)} pass all checks. No example is "
            "left out because of them.",
            markdown_table(["check", "passes if", "passed", "failed", "undecided"], rows),
            unknown,
        ]

    def _contamination(self) -> list[str]:
        if not self.overlaps:
            return []
        cells = [
            (
                escape_markdown(line.benchmark),
                f"{line.direction} {line.where}s",
                f"{line.examples.count} of {line.examples.n}",
                f"{line.questions.count} of {line.questions.n}",
                line.copies,
                line.reworded,
                line.phrases,
            )
            for line in self.overlaps
        ]
        return [
            "## Overlap with benchmarks",
            "Examples by their strongest overlap with a benchmark question: a copy (equal up to case, white space, "
            "commas and `$`), a reworded copy (other numbers), or a phrase of at least eight words. s1's rule flags "
            "each common sequence of eight words. No example is left out because of its overlaps.",
            markdown_table(
                ["benchmark", "in", "by s1's rule", "its questions", "copies", "reworded copies", "phrases"], cells
            ),
        ]

    def _variants(self) -> list[str]:
        if len(self.sets) < 2:
            return []
        cells = [
            (escape_markdown(one.name), one.format, one.problems, one.left_out, escape_markdown(one.reasons))
            for one in self.sets
        ]
        return [
            "## Variants",
            "These data hold all problems. The experiment also trains on variants of them, which leave out problems by "
            "these keys of its config; several keys may leave out the same problem.",
            markdown_table(["data", "format", "problems", "left out", "left out by"], cells),
        ]


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a Markdown table; the cells are Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
