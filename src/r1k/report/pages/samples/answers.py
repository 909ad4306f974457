"""The contents of the page: questions, answers and verdicts of all runs, without text that must not be published."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Literal

from r1k.records import Direction, Graded, Question, Record, Sample, read_jsonl
from r1k.report.pages.samples.sources import CompletionParts, completions, count_samples, read_sources
from r1k.report.pages.samples.truncate import MAX_BYTES, ShownText, fair_limit, size, truncate
from r1k.text import format_question

MAX_ANSWERS = 40_000
"""The page shows at most this many answers, but at least one per question and run; see `count_samples`."""
MAX_EXTRACTED_CHARS = 1000
"""The page shows at most this much of an extracted answer, from its end; s1's rule may extract a whole text."""


class PageQuestion(Record):
    """A question of a benchmark; without text and gold answer if the benchmark is not redistributable."""

    benchmark: str
    id: str
    direction: Direction | None = None
    text: str | None = None
    gold: str | None = None


class PageJudgement(Record):
    """A judge's verdict on an answer, with its rationale, and the verdict of the rules."""

    rationale: str
    verdict: bool | None = None
    rules: bool | None = None


class AnswerText(Record):
    """The text of an answer and of a judge's rationale."""

    reasoning: ShownText
    answer: ShownText | None = None
    extracted: str | None = None
    judge: PageJudgement | None = None

    @property
    def truncated(self) -> bool:
        return any(part is not None and part.left_out for part in (self.reasoning, self.answer))


class PageAnswer(Record):
    """A model's answer with its verdict. `run` and `question` are indices into the page's lists."""

    run: int
    question: int
    sample: int
    verdict: Literal["right", "wrong", "unparsed"]
    rule: str
    tokens: int
    truncated: bool = False
    text: AnswerText | None = None
    """None if the benchmark is not redistributable."""


class PageContents(Record):
    """All that the page shows."""

    runs: list[str]
    benchmarks: list[str]
    withheld: list[str]
    """Benchmarks whose text the page leaves out."""
    questions: list[PageQuestion]
    answers: list[PageAnswer]
    left_out: int
    """Number of answers that the page leaves out, because there are too many."""
    cut: int
    """Number of answers that the page shows without their middle."""


def collect(
    questions: Sequence[Path],
    samples: Sequence[Path],
    graded: Sequence[Path],
    redistributable: Collection[str],
    budget: int = MAX_BYTES,
    most: int = MAX_ANSWERS,
) -> PageContents:
    """Join questions, `{benchmark}.jsonl` each, with answers and verdicts, `…/{run}/{seed}/{benchmark}/*.jsonl`.

    The texts of all answers take at most `budget` bytes. Answers are read twice, so that only what the page shows of
    them is in memory. Raises RecordError, with the file and the question, if one file has no counterpart.
    """
    by_benchmark = {path.stem: read_jsonl(path, Question) for path in questions}
    sources = read_sources(samples, graded, by_benchmark)
    kept = count_samples(sources, most)
    readable = [source for source in sources if source.benchmark in redistributable]
    sizes = [size(text) for source in readable for _, parts in completions(source, kept) for text in parts if text]
    limit = fair_limit(sizes, budget)
    listed = [_question(q, name, name in redistributable) for name, own in by_benchmark.items() for q in own]
    place = {(question.benchmark, question.id): index for index, question in enumerate(listed)}
    runs = list(dict.fromkeys(source.run for source in sources))
    answers = []
    for source in sources:
        for sample, parts in completions(source, kept):
            verdict = source.verdicts[sample.id, sample.sample]
            text = _text(verdict, parts, limit) if source.benchmark in redistributable else None
            where = {"run": runs.index(source.run), "question": place[source.benchmark, sample.id]}
            answers.append(_answer(where, sample, verdict, text))
    return PageContents(
        runs=runs,
        benchmarks=list(by_benchmark),
        withheld=[name for name in by_benchmark if name not in redistributable],
        questions=listed,
        answers=sorted(answers, key=lambda answer: (answer.run, answer.question, answer.sample)),
        left_out=sum(len(source.verdicts) for source in sources) - len(answers),
        cut=sum(answer.text is not None and answer.text.truncated for answer in answers),
    )


def _question(question: Question, benchmark: str, readable: bool) -> PageQuestion:
    shown = PageQuestion(benchmark=benchmark, id=question.id, direction=question.direction)
    return shown.model_copy(update={"text": format_question(question), "gold": question.gold}) if readable else shown


def _answer(where: Mapping[str, int], sample: Sample, verdict: Graded, text: AnswerText | None) -> PageAnswer:
    return PageAnswer(
        **where,
        sample=sample.sample,
        verdict="right" if verdict.correct else "unparsed" if verdict.rule == "unparsed" else "wrong",
        rule=verdict.rule,
        tokens=sample.tokens,
        truncated=sample.truncated,
        text=text,
    )


def _text(verdict: Graded, parts: CompletionParts, limit: int | None) -> AnswerText:
    reasoning, answer = parts
    return AnswerText(
        reasoning=truncate(reasoning, limit),
        answer=None if answer is None else truncate(answer, limit),
        extracted=_end(verdict.extracted),
        judge=_judgement(verdict),
    )


def _end(extracted: str | None) -> str | None:
    if extracted is None or len(extracted) <= MAX_EXTRACTED_CHARS:
        return extracted
    return f"…{extracted[-MAX_EXTRACTED_CHARS:]}"


def _judgement(verdict: Graded) -> PageJudgement | None:
    if verdict.judge_rationale is None:
        return None
    return PageJudgement(rationale=verdict.judge_rationale, verdict=verdict.judge, rules=verdict.rules)
