"""A judge model, asked whether an extracted answer is equivalent to the right one. Apart from generation and grading:
it waits for a server, and neither a GPU nor a job without network waits with it."""

from pathlib import Path

from r1k import config
from r1k.errors import TeacherError
from r1k.evaluate.extract import final_answer
from r1k.evaluate.grade import asks
from r1k.evaluate.join import answered
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
    """Ask a judge model whether each extracted answer is equivalent to the right one; equal answers are asked once.

    The journal's answers are reused.

    Args:
        judge: Section `evaluate.judge` of the config.
        client: Section `evaluate.judge.client` of the config: how the judge is called; its defaults if missing.
        grader: Who decides whether an answer is right; determines which answers the judge is asked about.
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
    patience: RetryPolicy = DEFAULT_RETRIES,
) -> None:
    """Do what `judge` does, with a retry policy."""
    watch = Stopwatch()
    asked = asked_about(grader, questions, samples)
    requests, errors = build_requests(asked, lambda pair: request(judge, *pair))
    answers = request_all(judge, SECTION, requests, journal, patience)
    judged = [
        _judged(question, extracted, requests[name].key, answers.entries[name])
        if name in requests
        else _unjudged(question, extracted, errors[name])
        for name, (question, extracted) in asked.items()
    ]
    undecided = {name: one.rationale for name, one in zip(asked, judged, strict=True) if one.equivalent is None}
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


def asked_about(grader: config.Grader, questions: Path, samples: Path) -> dict[str, tuple[Question, str]]:
    """The questions and answers that the judge is asked about, each once, by a name for messages."""
    found = ((question, final_answer(sample.completion)) for question, sample in answered(questions, samples))
    return {
        f"{question.id}: {extracted}": (question, extracted)
        for question, extracted in found
        if extracted is not None and asks(grader, extracted, question.gold)
    }


def request(judge: config.Judge, question: Question, extracted: str) -> Request:
    """What decides a verdict: the question as the model saw it, the right answer and the extracted one.

    TeacherError where one of them holds the prompt's own delimiters.
    """
    return verdict_request(judge, PROMPT, question=format_question(question), gold=question.gold, given=extracted)


def _unjudged(question: Question, extracted: str, why: str) -> JudgeVerdict:
    said = f"the judge was not asked: {why}"
    return JudgeVerdict(question=question.id, gold=question.gold, extracted=extracted, equivalent=None, rationale=said)


def _judged(question: Question, extracted: str, key: str, entry: JournalEntry) -> JudgeVerdict:
    word = parse_verdict(entry)
    return JudgeVerdict(
        question=question.id,
        gold=question.gold,
        extracted=extracted,
        equivalent=None if word is None else VERDICT_VALUES[word],
        rationale=_said(entry),
        request=key,
    )


def _said(entry: JournalEntry) -> str:
    """The judge's words, after what is wrong with them."""
    words = parse_answer(entry).text
    if entry.truncated:
        return f"[cut after {entry.max_tokens} tokens; raise {SECTION}.max_tokens] {words}"
    if is_refusal(entry):
        return f"[refused, finish_reason {entry.finish_reason}] {entry.refusal or words}"
    return words or f"[empty, finish_reason {entry.finish_reason}]"


def _too_few(model: str, undecided: dict[str, str], total: int, least: float) -> str:
    return "\n".join(
        [
            f"{total - len(undecided)} of {total} answers have a verdict of judge {model}, fewer than "
            f"evaluate.min_judged_rate of {least:g} asks for, and no output was written; take a judge that ends in a "
            "verdict, or lower it:",
            *reason_lines({name: said[:200] for name, said in undecided.items()}),
        ]
    )
