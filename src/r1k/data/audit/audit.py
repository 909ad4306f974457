"""Audit s1k, r1k and their pairs against the benchmarks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

from tqdm import tqdm

from r1k.config import AuditSpec
from r1k.data.audit.contamination import NGRAM, find_contamination, read_benchmarks, words
from r1k.data.audit.formats import example_facts, share, summarize_format
from r1k.data.audit.records import Audit, Overlap, OverlapSummary
from r1k.data.audit.separability import pair_responses, separability
from r1k.data.audit.tokens import TokenCache
from r1k.data.sets import mix, read_example_pairs
from r1k.files import file_digests, write_json
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import (
    DIRECTIONS,
    OVERLAP_KINDS,
    Direction,
    OverlapPlace,
    Pair,
    Question,
    read_jsonl,
    write_jsonl,
)
from r1k.text import load_tokenizer

Benchmarks = Mapping[str, Sequence[Question]]
"""Questions by benchmark name."""


def audit(
    *,
    audit: AuditSpec,
    s1k: Path,
    r1k: Path,
    pairs: Path,
    base: Path,
    questions: Sequence[Path],
    output: Path,
    contamination: Path,
    examples: Path,
) -> None:
    """Audit the data: benchmark contamination, answer formats, separability of the preference pairs, grades, lengths.

    Args:
        audit: The audit's resolved specification, as the workflow computes it.
        s1k: Forward examples, s1k.jsonl.
        r1k: Reverse examples, r1k.jsonl.
        pairs: Preference pairs, pairs.jsonl.
        base: Directory of the base model whose tokenizer counts tokens.
        questions: The benchmarks' questions, one JSONL file per benchmark.
        output: The summary to write, audit.json.
        contamination: The overlaps with benchmark questions to write, contamination.jsonl.
        examples: Length and format of each example to write, examples.jsonl.

    Raises:
        RecordError: A file or record is invalid.
        TextError: A text has no valid tokens.
    """
    watch = Stopwatch()
    both, benchmarks = read_example_pairs(s1k, r1k), read_benchmarks(questions)
    found = find_contamination(both, benchmarks, audit.redistributable)
    seconds = watch.seconds
    tokens = TokenCache(load_tokenizer(base))
    details = [example_facts(example, tokens) for example in tqdm(mix(both), desc="tokens", unit="example")]
    summary = Audit(
        base=base.name,
        problems=len(both),
        contamination=summarize_contamination(found, benchmarks, len(both)),
        formats=[
            summarize_format(d, [fact for fact in details if fact.direction == d], audit.limits) for d in DIRECTIONS
        ],
        separability=separability(pair_responses(read_jsonl(pairs, Pair), tokens, audit.pair_limit)),
    )
    write_jsonl(contamination, found)
    write_jsonl(examples, details)
    write_json(output, summary.model_dump(mode="json"))
    files = file_digests((output, contamination, examples))
    inputs: dict[str, Path | Sequence[Path]] = {"s1k": s1k, "r1k": r1k, "pairs": pairs, "base": base}
    inputs["questions"] = questions
    facts_of_all = {"spec": audit.model_dump(mode="json"), "overlaps": len(found), "contamination_seconds": seconds}
    write_manifest(output, "data.audit", inputs, watch, files=files, **facts_of_all)


def summarize_contamination(found: Sequence[Overlap], benchmarks: Benchmarks, problems: int) -> list[OverlapSummary]:
    """Return one summary per benchmark, direction and place, including those without overlaps."""
    return [
        _summarize(
            [o for o in found if (o.benchmark, o.direction, o.where) == (name, direction, where)],
            name,
            direction,
            where,
            benchmarks[name],
            problems,
        )
        for name in benchmarks
        for where in get_args(OverlapPlace)
        for direction in DIRECTIONS
    ]


def _summarize(
    found: Sequence[Overlap],
    benchmark: str,
    direction: Direction,
    where: OverlapPlace,
    questions: Sequence[Question],
    problems: int,
) -> OverlapSummary:
    kinds = {overlap.problem: overlap.kind for overlap in sorted(found, key=_strength, reverse=True)}
    by_s1 = [overlap for overlap in found if overlap.by_s1]
    return OverlapSummary(
        benchmark=benchmark,
        direction=direction,
        where=where,
        examples=share(len({overlap.problem for overlap in by_s1}), problems),
        questions=share(len({overlap.question for overlap in by_s1}), len(questions)),
        ngrams=sum(overlap.ngrams for overlap in found),
        longest=max((overlap.longest for overlap in found), default=0),
        exact=len({overlap.problem for overlap in found if overlap.exact}),
        copies=sum(kind == "copy" for kind in kinds.values()),
        reworded=sum(kind == "reworded" for kind in kinds.values()),
        phrases=sum(kind == "phrase" for kind in kinds.values()),
        too_short=sum(len(words(question.question)) < NGRAM for question in questions),
    )


def _strength(overlap: Overlap) -> int:
    return OVERLAP_KINDS.index(overlap.kind)
