"""The probe's responses in the teacher's words, which tell the sense of a response from its wording."""

import sys
from collections.abc import Mapping
from pathlib import Path

from r1k import config as settings
from r1k.errors import TeacherError
from r1k.probe.paraphrase_text import Excerpt, excerpt
from r1k.probe.responses import encode_pairs, read_pairs
from r1k.probe.tracked import followed_pairs
from r1k.provenance import Stopwatch, facts_of, write_manifest
from r1k.records import Paraphrase, write_jsonl
from r1k.teacher.answers import defect, read
from r1k.teacher.journal import Entry
from r1k.teacher.messages import reasons
from r1k.teacher.request_builder import calls_of
from r1k.teacher.requests import ask_all, make_requests
from r1k.teacher.templates import PARAPHRASE
from r1k.text import load_tokenizer

Teacher = settings.EmbeddedTeacher | settings.ReplayTeacher | settings.OpenAITeacher


def paraphrase(
    *, teacher: Teacher, config: settings.Probe, base: Path, pairs: Path, r1k: Path, output: Path, journal: Path
) -> None:
    """Write a Paraphrase for each response that is followed: of each pair its own, its reasoning reworded.

    Only as much is reworded as the probe reads, in tokens of `base`. What the journal holds is not asked for again,
    and what the teacher was paid for `r1k` counts under the same ceiling. A response whose paraphrase is cut, refused,
    or a copy is left out, and named in the manifest; TeacherError where fewer than `min_success_rate` are left, or where
    requests have no answer.
    """
    watch = Stopwatch()
    tokenizer = load_tokenizer(base)
    asked = followed_pairs(encode_pairs(tokenizer, read_pairs(pairs), config.max_tokens), config)
    excerpts = {both.pair.id: excerpt(tokenizer, both.chosen) for both in asked}
    calls = calls_of(teacher)
    requests, left_out = make_requests(excerpts, lambda part: calls.paraphrase(part.pair.question, part.reasoning))
    answered = ask_all(teacher, "teacher", requests, journal, unit="response", spent_before=_spent(r1k))
    found: list[Paraphrase] = []
    for name, entry in answered.entries.items():
        reason = _unusable(entry, excerpts[name])
        if reason is None:
            found.append(_record(excerpts[name], entry))
        else:
            left_out[name] = reason
    _agreed(teacher, left_out, len(excerpts))
    write_jsonl(output, found)
    write_manifest(
        output,
        "paraphrase",
        {"pairs": pairs, "base": base},
        watch,
        n=len(found),
        left_out=left_out,
        not_whole=sum(not each.whole for each in found),
        model=calls.model,
        prompt=PARAPHRASE.digest,
        asked=answered.bought,
        tokens=answered.budget.tokens,
        dollars=answered.budget.bill,
    )


def _spent(r1k: Path) -> tuple[float, int]:
    """Dollars and tokens of the inversion, by its manifest."""
    facts = facts_of(r1k)
    tokens: Mapping[str, int] = facts.get("tokens", {})
    return facts.get("dollars") or 0.0, tokens.get("prompt", 0) + tokens.get("completion", 0)


def _unusable(entry: Entry, part: Excerpt) -> str | None:
    if reason := defect(entry):
        return reason
    return "the answer is the reasoning itself" if read(entry).text.split() == part.reasoning.split() else None


def _record(part: Excerpt, entry: Entry) -> Paraphrase:
    return Paraphrase(
        problem=part.pair.problem,
        direction=part.pair.direction,
        reasoning=read(entry).text,
        whole=part.whole,
        model=entry.request.model,
        request=entry.key,
    )


def _agreed(teacher: Teacher, left_out: Mapping[str, str], total: int) -> None:
    if not left_out:
        return
    least = teacher.min_success_rate if isinstance(teacher, settings.OpenAITeacher) else 1.0
    told = "\n".join(reasons(left_out))
    if total - len(left_out) < least * total:
        raise TeacherError(
            f"{len(left_out)} of {total} responses have no paraphrase, more than teacher.min_success_rate of {least:g} "
            f"allows, and no output was written; lower it, or mend what follows:\n{told}"
        )
    print(f"{len(left_out)} of {total} responses have no paraphrase:\n{told}", file=sys.stderr, flush=True)
