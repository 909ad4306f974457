"""Ask a judge model whether answers are equivalent to the right ones, and which option an answer picks.

For a multiple-choice question the judge reads the letter from the answer, and does not know the gold answer. This stage
is separate from generation and grading, because it waits for a server: no GPU waits with it, and graders need no
network.
"""

import re
from pathlib import Path

from r1k import config
from r1k.errors import TeacherError
from r1k.evaluate.grade import graded_text, join_samples, needs_judge
from r1k.files import value_digest
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import JudgeVerdict, Question, write_jsonl
from r1k.teacher.answers import VERDICT_VALUES, is_refusal, last_line, parse_answer, parse_verdict
from r1k.teacher.client import DEFAULT_RETRIES, RetryPolicy
from r1k.teacher.endpoints import with_client
from r1k.teacher.journal import JournalEntry, Request
from r1k.teacher.judge import verdict_request
from r1k.teacher.messages import reason_lines
from r1k.teacher.requests import build_requests, request_all
from r1k.teacher.templates import load_template
from r1k.text import OPTION_LETTERS, format_question

SECTION = "evaluate.judge"
PROMPT = load_template("judge_answer", "r1k.evaluate")
LETTER_PROMPT = load_template("judge_letter", "r1k.evaluate")
LETTER_LINE = re.compile(rf"\W*letter\W+([{OPTION_LETTERS}]|none)\W*", re.IGNORECASE)
NO_LETTER = "NONE"
SHOWN_CHARS = 100
"""Characters of an answer in messages."""


def judge(
    *,
    judge: config.Judge,
    client: config.Client | None = None,
    grader: config.Grader = "rules",
    min_judged_rate: float = 0.9,
    questions: Path,
    samples: Path,
    output: Path,
    journal: Path,
) -> None:
    """Ask a judge model about each answer that the grader does not decide by itself; ask once for equal answers.

    The journal's answers are reused.

    Args:
        judge: Section `evaluate.judge` of the config.
        client: Section `evaluate.judge.client` of the config: how the judge is called; its defaults if missing.
        grader: Who decides whether an answer is right; determines which answers need the judge.
        min_judged_rate: Share of the answers, from 0 to 1, that must get a verdict.
        questions: The benchmark's questions.
        samples: The model's answers, samples.jsonl.
        output: The JSONL file of verdicts to write.
        journal: The JSONL file that keeps each answer of the judge as it arrives.

    Raises:
        TeacherError: A request fails, or fewer answers than `min_judged_rate` get a verdict; no output is written.
    """
    judge_answers(
        judge=with_client(judge, client),
        grader=grader,
        min_judged_rate=min_judged_rate,
        questions=questions,
        samples=samples,
        output=output,
        journal=journal,
    )


def judge_answers(
    *,
    judge: config.Judge,
    grader: config.Grader,
    min_judged_rate: float,
    questions: Path,
    samples: Path,
    output: Path,
    journal: Path,
    retries: RetryPolicy = DEFAULT_RETRIES,
) -> None:
    """Write the verdicts as `judge` does, with a retry policy."""
    watch = Stopwatch()
    answered = answers_to_judge(grader, questions, samples)
    requests, invalid = build_requests(answered, lambda pair: request(judge, *pair))
    answers = request_all(judge, SECTION, requests, journal, retries)
    judged = [
        _judged(question, text, requests[name].key, answers.entries[name])
        if name in requests
        else _not_judged(question, text, invalid[name])
        for name, (question, text) in answered.items()
    ]
    undecided = {name: each.rationale for name, each in zip(answered, judged, strict=True) if each.equivalent is None}
    if len(judged) - len(undecided) < min_judged_rate * len(judged):
        raise TeacherError(_too_few(judge.model, undecided, len(judged), min_judged_rate))
    write_jsonl(output, judged)
    write_manifest(
        output,
        "evaluate.judge",
        {"questions": questions, "samples": samples},
        watch,
        n=len(judged),
        undecided=undecided,
        grader=grader,
        model=judge.model,
        prompts={each.prompt_name: each.prompt_digest for each in requests.values()},
        sampling={"temperature": judge.temperature or 0.0},
        requests={"sent": answers.num_new, "from_journal": len(requests) - answers.num_new},
        dollars=answers.budget.total_dollars,
    )


def answers_to_judge(grader: config.Grader, questions: Path, samples: Path) -> dict[str, tuple[Question, str]]:
    """Return the questions and texts that the judge gets, without duplicates, by a name for messages."""
    found = ((question, graded_text(grader, question, sample)) for question, sample in join_samples(questions, samples))
    return {
        _name(question, text): (question, text)
        for question, text in found
        if text is not None and needs_judge(grader, question, text)
    }


def request(judge: config.Judge, question: Question, text: str) -> Request:
    """Return the request for a verdict: the question as the model saw it, the text to grade, and the right answer if
    the question has no options.

    Raises TeacherError if one of them contains the prompt's own delimiters.
    """
    asked = format_question(question)
    if question.options is not None:
        return verdict_request(judge, LETTER_PROMPT, question=asked, given=text)
    return verdict_request(judge, PROMPT, question=asked, gold=question.gold, given=text)


def parse_letter(entry: JournalEntry, options: int) -> str | None:
    """Return the letter on a judge's last line, of the first `options` ones, or NO_LETTER; None for any other line."""
    found = LETTER_LINE.fullmatch(last_line(entry))
    letter = found[1].upper() if found else None
    return letter if letter in (*OPTION_LETTERS[:options], NO_LETTER) else None


def _name(question: Question, text: str) -> str:
    shown = " ".join(text.split())[-SHOWN_CHARS:].lstrip()
    return f"{question.id}: {text}" if text == shown else f"{question.id}: …{shown} ({value_digest(text)[:8]})"


def _not_judged(question: Question, text: str, reason: str) -> JudgeVerdict:
    return JudgeVerdict(
        question=question.id,
        gold=question.gold,
        extracted=text,
        equivalent=None,
        rationale=f"the judge was not asked: {reason}",
    )


def _judged(question: Question, text: str, key: str, entry: JournalEntry) -> JudgeVerdict:
    letter = None
    if question.options is not None:
        found = parse_letter(entry, len(question.options))
        letter = None if found == NO_LETTER else found
        equivalent = None if found is None else letter == question.gold
    else:
        word = parse_verdict(entry)
        equivalent = None if word is None else VERDICT_VALUES[word]
    return JudgeVerdict(
        question=question.id,
        gold=question.gold,
        extracted=text,
        equivalent=equivalent,
        letter=letter,
        rationale=_rationale(entry),
        request=key,
    )


def _rationale(entry: JournalEntry) -> str:
    """Return the judge's words, after a note of what is wrong with them."""
    words = parse_answer(entry).text
    if entry.truncated:
        return f"[truncated at {entry.max_tokens} tokens; raise {SECTION}.max_tokens] {words}"
    if is_refusal(entry):
        return f"[refused, finish_reason {entry.finish_reason}] {entry.refusal or words}"
    return words or f"[empty, finish_reason {entry.finish_reason}]"


def _too_few(model: str, undecided: dict[str, str], total: int, min_judged_rate: float) -> str:
    return "\n".join(
        [
            f"{total - len(undecided)} of {total} answers have a verdict of judge {model}, below "
            f"evaluate.min_judged_rate of {min_judged_rate:g}, and no output was written; use a judge that ends its "
            "answers with a verdict, or lower min_judged_rate:",
            *reason_lines({name: rationale[:200] for name, rationale in undecided.items()}),
        ]
    )
