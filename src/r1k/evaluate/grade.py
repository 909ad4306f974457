"""Grade samples by the rules, by a judge's verdicts, or by s1's rule, which combines both."""

import re
from collections import Counter
from collections.abc import Collection, Mapping
from fractions import Fraction
from pathlib import Path

from tqdm import tqdm

from r1k.config import AnswerType, Grader
from r1k.errors import RecordError
from r1k.evaluate.extract import final_answer, last_number, numbers, read_number
from r1k.evaluate.rules import UNPARSED, UNPARSED_GOLD, AnswerVerdict, grade_by_rules, reads_gold
from r1k.evaluate.s1_rule import s1_answer, s1_verdict
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import Graded, JudgeVerdict, Question, Sample, iterate_jsonl, read_jsonl, write_jsonl
from r1k.text import OPTION_LETTERS

COEFFICIENT = re.compile(r"(?<=\d)\s*[a-z]$")
UNDECIDED = AnswerVerdict(correct=False, rule="undecided")
UNDECIDED_RULES = frozenset({"timeout", "unparsed", "unparsed_gold"})
"""Verdicts of the rules that a judge replaces, if one is configured."""

JudgeVerdicts = Mapping[tuple[str, str, str], JudgeVerdict]
"""Verdicts by the question's id, the gold answer and the answer's text."""


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
        RecordError: A question has no answer, an answer has no question, a verdict that the grader needs is missing, or
            a gold answer is not an option's letter or cannot be read by rules that decide alone.
    """
    watch = Stopwatch()
    joined = join_samples(questions, samples)
    asked = {question.id: question for question, _ in joined}.values()
    if answer_type == "choice":
        _check_options(questions, asked)
    elif grader == "rules" and verdicts is None:
        _check_golds(questions, asked)
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


def join_samples(questions: Path, samples: Path) -> list[tuple[Question, Sample]]:
    """Return each question with each of its samples, in the order of the questions.

    Raises RecordError, which names the question without a sample or the sample without a question.
    """
    rows = read_jsonl(questions, Question)
    found: dict[str, list[Sample]] = {}
    for sample in read_jsonl(samples, Sample):
        found.setdefault(sample.id, []).append(sample)
    ids = {question.id for question in rows}
    for question in rows:
        if question.id not in found:
            raise RecordError(f"{samples}: no sample for question {question.id!r} of {questions}; generate again")
    for identity in found:
        if identity not in ids:
            raise RecordError(f"{samples}: sample {identity!r} answers no question of {questions}; generate again")
    return [(question, sample) for question in rows for sample in found[question.id]]


def read_judge_verdicts(verdicts: Path) -> JudgeVerdicts:
    """Return the judge's verdicts by question, gold answer and the answer's text."""
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
    rules = grade_by_rules(final_answer(sample.completion, answer_type, sample.truncated), question, answer_type)
    text = graded_text(grader, question, sample)
    judged = _judge_verdict(question, text, grader, judge_verdicts)
    verdict = decide(grader, question, text, rules, judged)
    last = last_number(sample.completion)
    value = _gold_number(question, answer_type)
    return Graded(
        id=question.id,
        benchmark=question.benchmark,
        sample=sample.sample,
        direction=question.direction,
        gold=question.gold,
        extracted=_shown(grader, question, text, verdict, judged),
        correct=verdict.correct,
        rule=verdict.rule,
        rules=None if rules == UNPARSED_GOLD else rules.correct,
        rules_rule=rules.rule,
        judge=judged.equivalent if judged else None,
        judge_rationale=judged.rationale if judged else None,
        last_number=last[0] if last else None,
        last_number_correct=None if value is None else last is not None and last[1] == value,
        truncated=sample.truncated,
    )


def graded_text(grader: Grader, question: Question, sample: Sample) -> str | None:
    """Return the text of an answer that a grader grades: what the rules extract, else what s1 grades; None if there is
    none."""
    if grader != "rules":
        return s1_answer(sample.completion)
    return final_answer(sample.completion, "expression" if question.options is None else "choice", sample.truncated)


def needs_judge(grader: Grader, question: Question, text: str) -> bool:
    """Return whether the judge gets a text; only s1's rule decides some answers by itself."""
    return grader != "s1" or s1_verdict(question, text) is None


def decide(
    grader: Grader, question: Question, text: str | None, rules: AnswerVerdict, judged: JudgeVerdict | None
) -> AnswerVerdict:
    """Return the grader's verdict. Without a needed verdict of the judge, an answer is wrong by the rule `undecided`.

    Where the rules alone cannot decide, a judge beside them decides.
    """
    if text is None:
        return UNPARSED
    by_judge = UNDECIDED if judged is None or judged.equivalent is None else _by_judge(question, judged)
    if grader == "rules":
        return by_judge if rules.rule in UNDECIDED_RULES and by_judge != UNDECIDED else rules
    return (s1_verdict(question, text) if grader == "s1" else None) or by_judge


def _by_judge(question: Question, judged: JudgeVerdict) -> AnswerVerdict:
    if question.options is not None and judged.letter is None:
        return UNPARSED
    return AnswerVerdict(correct=judged.equivalent is True, rule="judge")


def _shown(
    grader: Grader, question: Question, text: str | None, verdict: AnswerVerdict, judged: JudgeVerdict | None
) -> str | None:
    """Return the answer to record: the letter where the judge read it, None where nothing was read, else the text."""
    if verdict.rule == "judge" and question.options is not None and judged is not None:
        return judged.letter
    return None if verdict == UNPARSED and grader != "rules" else text


def _judge_verdict(
    question: Question, text: str | None, grader: Grader, judge_verdicts: JudgeVerdicts | None
) -> JudgeVerdict | None:
    if text is None or (judge_verdicts is None and grader == "rules") or not needs_judge(grader, question, text):
        return None
    found = (judge_verdicts or {}).get((question.id, question.gold, text))
    if found is None:
        raise RecordError(
            f"no verdict of the judge on question {question.id!r}, answer {text!r:.100}; run the judge again"
        )
    return found


def _gold_number(question: Question, answer_type: AnswerType) -> Fraction | None:
    if answer_type != "choice":
        return read_number(COEFFICIENT.sub("", question.gold))
    right = (question.options or [])[OPTION_LETTERS.index(question.gold)]
    values = [value for _, value in numbers(right)]
    return values[0] if len(values) == 1 else None


def _check_options(path: Path, questions: Collection[Question]) -> None:
    for question in questions:
        if question.gold not in list(OPTION_LETTERS[: len(question.options or [])]):
            raise RecordError(
                f"{path}: question {question.id!r}: field 'gold': {question.gold!r} is not a letter of one of its "
                f"{len(question.options or [])} options; correct the benchmark's answer_type, or rebuild the file"
            )


def _check_golds(path: Path, questions: Collection[Question]) -> None:
    unread = [f"\n  question {each.id!r}: {each.gold!r:.100}" for each in questions if not reads_gold(each.gold)]
    if unread:
        raise RecordError(
            f"{path}: field 'gold': the rules cannot read {len(unread)} gold answers, and would reject right answers; "
            "correct them in the benchmark's source, or add evaluate.judge, which then decides on these questions:"
            + "".join(unread)
        )
