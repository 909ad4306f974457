"""Ask a judge model whether extracted answers are equivalent to the right ones.

This stage is separate from generation and grading, because it waits for a server: no GPU waits with it, and graders
need no network.
"""

from pathlib import Path

from r1k import config
from r1k.errors import TeacherError
from r1k.evaluate.extract import final_answer
from r1k.evaluate.grade import needs_judge
from r1k.evaluate.join import join_samples
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import JudgeVerdict, Question, write_jsonl
from r1k.teacher.answers import VERDICT_VALUES, is_refusal, parse_answer, parse_verdict
from r1k.teacher.client import DEFAULT_RETRIES, RetryPolicy
from r1k.teacher.endpoints import with_client
from r1k.teacher.journal import JournalEntry, Request
from r1k.teacher.judge import verdict_request
from r1k.teacher.messages import reason_lines
from r1k.teacher.requests import build_requests, request_all
from r1k.teacher.templates import load_template
from r1k.text import format_question

SECTION = "evaluate.judge"
PROMPT = load_template("judge_answer", "r1k.evaluate")


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
    """Ask a judge model whether each extracted answer is equivalent to the right one; ask once for equal answers.

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
        _judged(question, extracted, requests[name].key, answers.entries[name])
        if name in requests
        else _not_judged(question, extracted, invalid[name])
        for name, (question, extracted) in answered.items()
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
        prompts={PROMPT.name: PROMPT.digest},
        sampling={"temperature": judge.temperature or 0.0},
        requests={"sent": answers.num_new, "from_journal": len(requests) - answers.num_new},
        dollars=answers.budget.total_dollars,
    )


def answers_to_judge(grader: config.Grader, questions: Path, samples: Path) -> dict[str, tuple[Question, str]]:
    """Return the questions and answers that need the judge, without duplicates, by a name for messages."""
    found = ((question, final_answer(sample.completion)) for question, sample in join_samples(questions, samples))
    return {
        f"{question.id}: {extracted}": (question, extracted)
        for question, extracted in found
        if extracted is not None and needs_judge(grader, extracted, question.gold)
    }


def request(judge: config.Judge, question: Question, extracted: str) -> Request:
    """Return the request for a verdict: the question as the model saw it, the right answer and the extracted one.

    Raises TeacherError if one of them contains the prompt's own delimiters.
    """
    return verdict_request(judge, PROMPT, question=format_question(question), gold=question.gold, given=extracted)


def _not_judged(question: Question, extracted: str, reason: str) -> JudgeVerdict:
    return JudgeVerdict(
        question=question.id,
        gold=question.gold,
        extracted=extracted,
        equivalent=None,
        rationale=f"the judge was not asked: {reason}",
    )


def _judged(question: Question, extracted: str, key: str, entry: JournalEntry) -> JudgeVerdict:
    word = parse_verdict(entry)
    return JudgeVerdict(
        question=question.id,
        gold=question.gold,
        extracted=extracted,
        equivalent=None if word is None else VERDICT_VALUES[word],
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
