"""Grade samples by the rules, by a judge's verdicts, or in s1's order, which combines both."""

import re
from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

from tqdm import tqdm

from r1k.config import AnswerType, Grader
from r1k.errors import RecordError
from r1k.evaluate.extract import final_answer, is_digits, last_number, numbers, read_number
from r1k.evaluate.join import join_samples
from r1k.evaluate.rules import UNPARSED, AnswerVerdict, grade_by_rules
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import Graded, JudgeVerdict, Question, Sample, iterate_jsonl, write_jsonl
from r1k.text import OPTION_LETTERS

COEFFICIENT = re.compile(r"(?<=\d)\s*[a-z]$")
UNDECIDED = AnswerVerdict(correct=False, rule="undecided")

JudgeVerdicts = Mapping[tuple[str, str, str], JudgeVerdict]
"""Verdicts by the question's id, the gold answer and the extracted answer."""


def grade(
    *,
    questions: Path,
    samples: Path,
    answer_type: AnswerType,
    output: Path,
    grader: Grader = "rules",
    verdicts: Path | None = None,
) -> None:
    """Grade each answer: read the final answer and decide whether it is right.

    Args:
        questions: The benchmark's questions.
        samples: The model's answers, samples.jsonl.
        answer_type: Type of the answers, which decides how they are graded.
        output: The graded.jsonl to write, in the order of the questions.
        grader: Who decides whether an answer is right.
        verdicts: The judge's verdicts, if a judge is configured.

    Raises:
        RecordError: A question has no answer, an answer has no question, or a verdict that the grader needs is missing.
    """
    watch = Stopwatch()
    joined = join_samples(questions, samples)
    if answer_type == "choice":
        _check_options(questions, [question for question, _ in joined])
    judge_verdicts = None if verdicts is None else read_judge_verdicts(verdicts)
    graded: list[Graded] = []
    for question, sample in tqdm(joined, desc="grading", unit="answer"):
        try:
            graded.append(grade_sample(question, sample, answer_type, grader, judge_verdicts))
        except RecordError as error:
            raise RecordError(f"{verdicts or samples}: {error}") from error
    write_jsonl(output, graded)
    rules = Counter(verdict.rule for verdict in graded)
    write_manifest(
        output,
        "evaluate.grade",
        {"questions": questions, "samples": samples} | ({"verdicts": verdicts} if verdicts else {}),
        watch,
        n=len(graded),
        answer_type=answer_type,
        grader=grader,
        rules=dict(sorted(rules.items())),
    )


def read_judge_verdicts(verdicts: Path) -> JudgeVerdicts:
    """Return the judge's verdicts by question, gold answer and extracted answer."""
    found = (judged for _, judged in iterate_jsonl(verdicts, JudgeVerdict))
    return {(judged.question, judged.gold, judged.extracted): judged for judged in found}


def grade_sample(
    question: Question,
    sample: Sample,
    answer_type: AnswerType,
    grader: Grader = "rules",
    judge_verdicts: JudgeVerdicts | None = None,
) -> Graded:
    """Grade one sample; `judge_verdicts` is None if no judge is configured.

    `last_number` is the last number of the completion, in any format: it separates models that found the answer but did
    not format it from those that did not find it. It is compared with the number of the gold answer: with the
    coefficient of one such as `22y`, and for multiple choice with the number of the right option. The comparison is
    null if there is no such number, or several.

    Raises RecordError if the judge's verdict is needed and missing.
    """
    extracted = final_answer(sample.completion, answer_type, sample.truncated)
    rules = grade_by_rules(extracted, question, answer_type)
    judge_verdict = _judge_verdict(question, extracted, grader, judge_verdicts)
    verdict = decide(grader, extracted, question.gold, rules, judge_verdict)
    last = last_number(sample.completion)
    value = _gold_number(question, answer_type)
    return Graded(
        id=question.id,
        benchmark=question.benchmark,
        sample=sample.sample,
        direction=question.direction,
        gold=question.gold,
        extracted=extracted,
        correct=verdict.correct,
        rule=verdict.rule,
        rules=rules.correct,
        judge=judge_verdict.equivalent if judge_verdict else None,
        judge_rationale=judge_verdict.rationale if judge_verdict else None,
        last_number=last[0] if last else None,
        last_number_correct=None if value is None else last is not None and last[1] == value,
        truncated=sample.truncated,
    )


def decide(
    grader: Grader, extracted: str | None, gold: str, rules: AnswerVerdict, judge_verdict: JudgeVerdict | None
) -> AnswerVerdict:
    """Return the grader's verdict. An answer on which the judge gave no verdict is wrong, by the rule `undecided`."""
    if extracted is None:
        return UNPARSED
    if grader == "rules":
        return rules
    if judge_verdict is None:
        return AnswerVerdict(correct=int(extracted) == int(gold), rule="integer")
    if judge_verdict.equivalent is None:
        return UNDECIDED
    return AnswerVerdict(correct=judge_verdict.equivalent, rule="judge")


def needs_judge(grader: Grader, extracted: str, gold: str) -> bool:
    """Return whether the judge must decide. In s1's order, two answers of digits alone are compared without it."""
    return not (grader == "s1" and is_digits(extracted) and is_digits(gold))


def _judge_verdict(
    question: Question, extracted: str | None, grader: Grader, judge_verdicts: JudgeVerdicts | None
) -> JudgeVerdict | None:
    if (
        extracted is None
        or (judge_verdicts is None and grader == "rules")
        or not needs_judge(grader, extracted, question.gold)
    ):
        return None
    found = (judge_verdicts or {}).get((question.id, question.gold, extracted))
    if found is None:
        raise RecordError(
            f"no verdict of the judge on question {question.id!r}, answer {extracted!r}; run the judge again"
        )
    return found


def _gold_number(question: Question, answer_type: AnswerType) -> Fraction | None:
    if answer_type != "choice":
        return read_number(COEFFICIENT.sub("", question.gold))
    right = (question.options or [])[OPTION_LETTERS.index(question.gold)]
    values = [value for _, value in numbers(right)]
    return values[0] if len(values) == 1 else None


def _check_options(path: Path, questions: list[Question]) -> None:
    for question in questions:
        if question.gold not in list(OPTION_LETTERS[: len(question.options or [])]):
            raise RecordError(
                f"{path}: question {question.id!r}: field 'gold': {question.gold!r} is not a letter of one of its "
                f"{len(question.options or [])} options; correct the benchmark's answer_type, or rebuild the file"
            )
