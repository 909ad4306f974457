"""Verdicts on samples, by the rules, by a judge whose verdicts are at hand, or in s1's order, which mixes the two."""

import re
from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

from tqdm import tqdm

from r1k.config import AnswerType, Grader
from r1k.errors import RecordError
from r1k.evaluate.extract import digits_alone, final_answer, last_number, numbers, read_number
from r1k.evaluate.join import answered
from r1k.evaluate.rules import UNPARSED, Verdict, by_rules
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import Graded, JudgeVerdict, Question, Sample, iterate_jsonl, write_jsonl
from r1k.text import OPTION_LETTERS

COEFFICIENT = re.compile(r"(?<=\d)\s*[a-z]$")
UNDECIDED = Verdict(correct=False, rule="undecided")

Opinions = Mapping[tuple[str, str, str], JudgeVerdict]
"""By the question's id, the gold answer and the extracted one."""


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
    both = answered(questions, samples)
    if answer_type == "choice":
        _check_options(questions, [question for question, _ in both])
    opinions = None if verdicts is None else read_opinions(verdicts)
    graded: list[Graded] = []
    for question, sample in tqdm(both, desc="grading", unit="answer"):
        try:
            graded.append(grade_sample(question, sample, answer_type, grader, opinions))
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


def read_opinions(verdicts: Path) -> Opinions:
    """The judge's verdicts; none where no answer could be read."""
    found = (judged for _, judged in iterate_jsonl(verdicts, JudgeVerdict))
    return {(judged.question, judged.gold, judged.extracted): judged for judged in found}


def grade_sample(
    question: Question,
    sample: Sample,
    answer_type: AnswerType,
    grader: Grader = "rules",
    opinions: Opinions | None = None,
) -> Graded:
    """The verdict on one sample; `opinions` is None where there is no judge.

    `last_number` is the last number of the whole completion, whatever its format: it tells a model that found the
    answer and did not format it from one that did not find it. Of a gold answer such as `22y` it is compared with the
    coefficient, for a choice with the right option's number; the comparison is null where there is none, or several.
    RecordError where an answer that the judge was to be asked about has no opinion.
    """
    extracted = final_answer(sample.completion)
    rules = by_rules(extracted, question, answer_type)
    opinion = _opinion(question, extracted, grader, opinions)
    verdict = decided(grader, extracted, question.gold, rules, opinion)
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
        judge=opinion.equivalent if opinion else None,
        judge_rationale=opinion.rationale if opinion else None,
        last_number=last[0] if last else None,
        last_number_correct=None if value is None else last is not None and last[1] == value,
        truncated=sample.truncated,
    )


def decided(grader: Grader, extracted: str | None, gold: str, rules: Verdict, opinion: JudgeVerdict | None) -> Verdict:
    """The grader's verdict. An answer that the judge was asked about and gave no verdict on is wrong, and counted."""
    if extracted is None:
        return UNPARSED
    if grader == "rules":
        return rules
    if opinion is None:
        return Verdict(correct=int(extracted) == int(gold), rule="integer")
    return UNDECIDED if opinion.equivalent is None else Verdict(correct=opinion.equivalent, rule="judge")


def asks(grader: Grader, extracted: str, gold: str) -> bool:
    """Is the judge asked about an answer? In s1's order, two numbers of digits alone are compared without it."""
    return not (grader == "s1" and digits_alone(extracted) and digits_alone(gold))


def _opinion(
    question: Question, extracted: str | None, grader: Grader, opinions: Opinions | None
) -> JudgeVerdict | None:
    if extracted is None or (opinions is None and grader == "rules") or not asks(grader, extracted, question.gold):
        return None
    found = (opinions or {}).get((question.id, question.gold, extracted))
    if found is None:
        raise RecordError(f"no verdict of the judge on question {question.id!r}, answer {extracted!r}; judge again")
    return found


def _gold_number(question: Question, answer_type: AnswerType) -> Fraction | None:
    if answer_type != "choice":
        return read_number(COEFFICIENT.sub("", question.gold))
    right = (question.options or [])[OPTION_LETTERS.index(question.gold)]
    values = [value for _, value in numbers(right)]
    return values[0] if len(values) == 1 else None


def _check_options(questions: Path, asked: list[Question]) -> None:
    for question in asked:
        if question.gold not in list(OPTION_LETTERS[: len(question.options or [])]):
            raise RecordError(
                f"{questions}: question {question.id!r}: field 'gold': {question.gold!r} is the letter of none of its "
                f"{len(question.options or [])} options; correct the benchmark's answer_type, or rebuild the file"
            )
