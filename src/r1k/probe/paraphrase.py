"""Paraphrase the probe's responses with the teacher, to separate a response's meaning from its wording."""

import sys
from collections.abc import Mapping
from pathlib import Path

from r1k.config import Client, OpenAITeacher, Probe, Teacher
from r1k.errors import TeacherError
from r1k.probe.paraphrase_text import Excerpt, excerpt
from r1k.probe.responses import encode_pairs, read_pairs
from r1k.probe.tracked import tracked_pairs
from r1k.provenance import Stopwatch, facts_of, write_manifest
from r1k.records import Paraphrase, write_jsonl
from r1k.teacher.answers import defect, parse_answer, remedy
from r1k.teacher.endpoints import with_client
from r1k.teacher.journal import JournalEntry
from r1k.teacher.messages import reason_lines
from r1k.teacher.request_builder import make_request_builder
from r1k.teacher.requests import build_requests, request_all
from r1k.teacher.templates import PARAPHRASE
from r1k.text import load_tokenizer


def paraphrase(
    *,
    teacher: Teacher,
    client: Client | None = None,
    probe: Probe,
    base: Path,
    pairs: Path,
    r1k: Path,
    output: Path,
    journal: Path,
) -> None:
    """Paraphrase the reasoning of each tracked chosen response with the teacher, as far as the probe scores it.

    The journal's answers are reused. A response whose paraphrase is truncated, refused or a copy is skipped; the
    manifest lists it.

    Args:
        teacher: Section `teacher` of the config.
        client: Section `teacher.client` of the config: how an OpenAI-compatible server is called; its defaults if
            missing.
        probe: Section `probe` of the config.
        base: Directory of the base model whose tokenizer counts tokens.
        pairs: The probe set, probe.jsonl.
        r1k: Reverse examples, r1k.jsonl; what they cost counts towards the same ceiling.
        output: The JSONL file of paraphrases to write.
        journal: The JSONL file that keeps each answer as it arrives.

    Raises:
        TeacherError: A request fails, or fewer paraphrases are usable than the config demands.
    """
    if isinstance(teacher, OpenAITeacher):
        teacher = with_client(teacher, client)
    watch = Stopwatch()
    tokenizer = load_tokenizer(base)
    tracked = tracked_pairs(encode_pairs(tokenizer, read_pairs(pairs), probe.max_tokens), probe)
    excerpts = {encoded.pair.id: excerpt(tokenizer, encoded.chosen) for encoded in tracked}
    calls = make_request_builder(teacher)
    requests, skipped = build_requests(excerpts, lambda part: calls.paraphrase(part.pair.question, part.reasoning))
    answered = request_all(teacher, "teacher", requests, journal, unit="response", prior_spend=_spent(r1k))
    found: list[Paraphrase] = []
    for name, entry in answered.entries.items():
        reason = _unusable(entry, excerpts[name])
        if reason is None:
            found.append(_record(excerpts[name], entry))
        else:
            skipped[name] = reason
    _check_success_rate(teacher, skipped, len(excerpts))
    write_jsonl(output, found)
    write_manifest(
        output,
        "paraphrase",
        {"pairs": pairs, "base": base},
        watch,
        n=len(found),
        skipped=skipped,
        partial=sum(not each.whole for each in found),
        model=calls.model,
        prompt=PARAPHRASE.digest,
        asked=answered.num_new,
        tokens=answered.budget.tokens,
        dollars=answered.budget.total_dollars,
    )


def _spent(r1k: Path) -> tuple[float, int]:
    """Return the dollars and tokens that the inversion used, from its manifest."""
    facts = facts_of(r1k)
    tokens: Mapping[str, int] = facts.get("tokens", {})
    return facts.get("dollars") or 0.0, tokens.get("prompt", 0) + tokens.get("completion", 0)


def _unusable(entry: JournalEntry, part: Excerpt) -> str | None:
    if reason := defect(entry):
        return f"{reason}; {remedy(entry)}" if entry.truncated else reason
    return (
        "the answer is a copy of the reasoning" if parse_answer(entry).text.split() == part.reasoning.split() else None
    )


def _record(part: Excerpt, entry: JournalEntry) -> Paraphrase:
    return Paraphrase(
        problem=part.pair.problem,
        direction=part.pair.direction,
        reasoning=parse_answer(entry).text,
        whole=part.whole,
        model=entry.request.model,
        request=entry.key,
    )


def _check_success_rate(teacher: Teacher, skipped: Mapping[str, str], total: int) -> None:
    if not skipped:
        return
    minimum = teacher.min_success_rate if isinstance(teacher, OpenAITeacher) else 1.0
    listed = "\n".join(reason_lines(skipped))
    if total - len(skipped) < minimum * total:
        raise TeacherError(
            f"{len(skipped)} of {total} responses have no paraphrase, more than teacher.min_success_rate of "
            f"{minimum:g} allows, and no output was written; lower it, or correct these:\n{listed}"
        )
    print(f"{len(skipped)} of {total} responses have no paraphrase:\n{listed}", file=sys.stderr, flush=True)
