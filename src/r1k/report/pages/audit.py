"""The audit's page: its tables and plots, from what the audit wrote."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from r1k.data.audit.records import (
    Audit,
    Facts,
    Form,
    Overlap,
    Quantiles,
    Share,
    read_audit,
    read_overlaps,
)
from r1k.records import read_jsonl
from r1k.report.figures import audit as audit_figures
from r1k.report.numbers import format_interval, percent, percent_ends
from r1k.report.pages.report import heading, paragraph, picture, table, write_page

SHOWN = 20
"""Overlaps in the page's list; all are in contamination.jsonl."""
LONGEST = 300
"""Characters of an overlap's text in the list."""


def write_audit_page(*, title: str, summary: Path, contamination: Path, examples: Path, output: Path) -> None:
    """Write the page; RecordError names the file and line of what is no record of the audit."""
    audit, overlaps, facts = read_audit(summary), read_overlaps(contamination), read_jsonl(examples, Facts)
    parts = [*_opening(audit), *_contamination(audit, overlaps), *_forms(audit.forms)]
    parts += [*_separability(audit), *_lengths(audit, facts)]
    write_page(f"{title}: audit of the data", parts, output)


def _opening(audit: Audit) -> Iterator[str]:
    yield paragraph(
        f"{audit.problems} problems, each forward (s1k) and reverse (r1k). Tokens are those of the base {audit.base!r} "
        "with its chat template, as trained on. Intervals are at 95 %, those of shares Wilson's."
    )


def _contamination(audit: Audit, overlaps: Sequence[Overlap]) -> Iterator[str]:
    yield heading("Contamination")
    yield paragraph(
        "Eight consecutive words shared with a benchmark's question, as in s1's decontamination: words are what white "
        "space parts, in lower case, punctuation and TeX as they stand. Questions are what s1 compares; responses "
        "(reasoning and answer) are counted apart. Exact: the two questions are the same, word for word. Problems that "
        "are worded from one template share 8-grams without being the same problem."
    )
    yield picture(
        audit_figures.contamination(audit.contamination, overlaps),
        "contamination",
        "Examples that share an 8-gram with a benchmark, and the longest overlap of each with a question.",
    )
    yield table(
        ["benchmark", "in", "examples", "its questions", "8-grams", "longest, words", "exact"],
        (
            [
                line.benchmark,
                f"{line.direction} {line.where}s",
                share(line.examples),
                share(line.questions),
                f"{line.ngrams:,}",
                str(line.longest),
                str(line.exact),
            ]
            for line in audit.contamination
        ),
    )
    too_short = {line.benchmark: line.too_short for line in audit.contamination if line.too_short}
    if too_short:
        listed = ", ".join(f"{count} of {name}" for name, count in too_short.items())
        yield paragraph(f"Questions of fewer than eight words, of which only exact duplicates are found: {listed}.")
    if overlaps:
        yield _longest(overlaps)


def _longest(overlaps: Sequence[Overlap]) -> str:
    chosen = sorted(overlaps, key=lambda overlap: (-overlap.exact, -overlap.longest, overlap.id))[:SHOWN]
    return paragraph(f"The longest {len(chosen)} of {len(overlaps):,} overlaps:") + table(
        ["benchmark question", "in", "words", "exact", "text"],
        (
            [
                overlap.question,
                f"{overlap.problem}, {overlap.direction} {overlap.where}",
                f"{overlap.longest} of {overlap.words}",
                "yes" if overlap.exact else "no",
                "not to be quoted" if overlap.text is None else _shorten(overlap.text),
            ]
            for overlap in chosen
        ),
    )


def _forms(forms: Sequence[Form]) -> Iterator[str]:
    yield heading("Answer format, language and grades")
    yield paragraph(
        "Training puts “Answer: ” before an answer that does not hold it, in either direction; the rows before that "
        "are of the data as they are."
    )
    yield picture(audit_figures.forms(forms), "forms", "Answer formats and grades by direction.")
    lines = {
        r"answer holds \boxed{…}": [share(form.boxed) for form in forms],
        "answer holds “Answer:”": [share(form.says_answer) for form in forms],
        "answer starts with “Answer:”": [share(form.starts_with_answer) for form in forms],
        "the same, as trained on": [share(form.trained_with_answer) for form in forms],
        "graded correct": [share(form.correct) for form in forms],
        "not graded": [str(form.ungraded) for form in forms],
        "ASCII among characters, mean": [f"{100 * form.ascii:.2f} %" for form in forms],
        "letters by script": [
            ", ".join(f"{script} {100 * part:.2f} %" for script, part in form.scripts.items()) for form in forms
        ],
        "examples with 1 % of their letters in it": [
            ", ".join(f"{script} {count}" for script, count in form.examples_by_script.items()) for form in forms
        ],
    }
    yield table(["", *(form.direction for form in forms)], ([name, *cells] for name, cells in lines.items()))


def _separability(audit: Audit) -> Iterator[str]:
    yield heading("Telling y⁺ from y⁻")
    yield paragraph(
        "A logistic regression on token counts, without the prompt, cross-validated by problem. Over all prompts each "
        "response is once preferred and once rejected: anything but one half means that the two sides are formatted "
        "or cut apart. Over the prompts of one direction y⁺ is always of that direction, and a score above one half "
        "says that the direction can be read off a response's ends; without cuts the two directions mirror each other."
    )
    yield picture(audit_figures.separability(audit), "separability", "Accuracy and AUC of a bag of tokens.")
    yield table(
        ["prompts", "tokens", "responses", "problems", "accuracy", "AUC"],
        (
            [
                line.prompts,
                f"{line.end} {line.tokens}",
                str(line.n),
                str(line.problems),
                *(format_interval(found, ".3f") for found in (line.accuracy, line.auc)),
            ]
            for line in audit.separability
        ),
    )


def _lengths(audit: Audit, facts: Sequence[Facts]) -> Iterator[str]:
    yield heading("Lengths")
    limits = [cut.limit for cut in audit.forms[0].cuts]
    yield picture(audit_figures.lengths(facts, limits), "lengths", "Lengths by direction, in tokens.")
    yield table(
        ["tokens", "direction", "mean", "least", "25 %", "median", "75 %", "95 %", "most"],
        (
            [part, form.direction, *_numbers(quantiles)]
            for part in ("prompt", "response", "answer")
            for form in audit.forms
            for quantiles in [getattr(form, part)]
        ),
    )
    yield table(
        ["max_length", "direction", "examples cut", "tokens left out"],
        (
            [f"{cut.limit:,}", form.direction, share(cut.examples), f"{cut.tokens:,}"]
            for form in audit.forms
            for cut in form.cuts
        ),
    )


def _numbers(q: Quantiles) -> list[str]:
    return [f"{value:,.0f}" for value in (q.mean, q.minimum, q.p25, q.median, q.p75, q.p95, q.maximum)]


def share(value: Share) -> str:
    """`12 of 20, 60 % [39, 78]`."""
    if value.interval is None:
        return "0 of 0"
    return f"{value.count} of {value.n}, {percent(value.interval.value, 0)} % {percent_ends(value.interval, 0)}"


def _shorten(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
