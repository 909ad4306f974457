"""What the page shows: questions, answers and verdicts of all runs. Text that must not be published stays out of it."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Literal

from r1k.records import Direction, Graded, Question, Record, Sample, read_jsonl
from r1k.report.pages.samples.fitting import BUDGET, Part, fair_limit, fitted, size
from r1k.report.pages.samples.sources import Texts, completions, read_sources, samples_kept
from r1k.text import format_question

MOST = 40_000
"""Answers on the page, if there are no more first ones: of several to a question the first are shown."""


class Asked(Record):
    """A question of a benchmark; without text and gold answer where they must not be published."""

    benchmark: str
    id: str
    direction: Direction | None = None
    text: str | None = None
    gold: str | None = None


class Judge(Record):
    """What a judge model said of an answer, and the verdict of the rules."""

    said: str
    verdict: bool | None = None
    rules: bool | None = None


class Words(Record):
    """What was written of an answer, by the model and by a judge."""

    reasoning: Part
    answer: Part | None = None
    extracted: str | None = None
    judge: Judge | None = None

    @property
    def cut(self) -> bool:
        return any(part is not None and part.left_out for part in (self.reasoning, self.answer))


class Shown(Record):
    """A model's answer with the verdict on it. `run` and `question` are places in the page's lists."""

    run: int
    question: int
    sample: int
    verdict: Literal["right", "wrong", "unparsed"]
    rule: str
    tokens: int
    truncated: bool = False
    words: Words | None = None
    """None where they must not be published."""


class Browsed(Record):
    """All that the page shows."""

    runs: list[str]
    benchmarks: list[str]
    withheld: list[str]
    """Benchmarks of which there is no text."""
    questions: list[Asked]
    answers: list[Shown]
    left_out: int
    """Answers that are not on the page, since there are too many."""
    cut: int
    """Answers that are on it without their middle."""


def browse(
    questions: Sequence[Path],
    samples: Sequence[Path],
    graded: Sequence[Path],
    quotable: Collection[str],
    budget: int = BUDGET,
    most: int = MOST,
) -> Browsed:
    """Join questions, `{benchmark}.jsonl` each, with answers and verdicts, `…/{run}/{seed}/{benchmark}/*.jsonl`.

    Texts take `budget` bytes of the page. Answers are read twice, so that memory holds what is shown of them alone.
    RecordError names the file, and the question, that has no counterpart among the others.
    """
    asked = {path.stem: read_jsonl(path, Question) for path in questions}
    sources = read_sources(samples, graded, asked)
    kept = samples_kept(sources, most)
    readable = [source for source in sources if source.benchmark in quotable]
    sizes = [size(text) for source in readable for _, texts in completions(source, kept) for text in texts if text]
    limit = fair_limit(sizes, budget)
    listed = [_asked(question, name, name in quotable) for name, own in asked.items() for question in own]
    place = {(question.benchmark, question.id): index for index, question in enumerate(listed)}
    runs = list(dict.fromkeys(source.run for source in sources))
    answers = []
    for source in sources:
        for sample, texts in completions(source, kept):
            verdict = source.verdicts[sample.id, sample.sample]
            words = _words(verdict, texts, limit) if source.benchmark in quotable else None
            where = {"run": runs.index(source.run), "question": place[source.benchmark, sample.id]}
            answers.append(_shown(where, sample, verdict, words))
    return Browsed(
        runs=runs,
        benchmarks=list(asked),
        withheld=[name for name in asked if name not in quotable],
        questions=listed,
        answers=sorted(answers, key=lambda answer: (answer.run, answer.question, answer.sample)),
        left_out=sum(len(source.verdicts) for source in sources) - len(answers),
        cut=sum(answer.words is not None and answer.words.cut for answer in answers),
    )


def _asked(question: Question, benchmark: str, quotable: bool) -> Asked:
    asked = Asked(benchmark=benchmark, id=question.id, direction=question.direction)
    return asked.model_copy(update={"text": format_question(question), "gold": question.gold}) if quotable else asked


def _shown(where: Mapping[str, int], sample: Sample, verdict: Graded, words: Words | None) -> Shown:
    return Shown(
        **where,
        sample=sample.sample,
        verdict="right" if verdict.correct else "unparsed" if verdict.rule == "unparsed" else "wrong",
        rule=verdict.rule,
        tokens=sample.tokens,
        truncated=sample.truncated,
        words=words,
    )


def _words(verdict: Graded, texts: Texts, limit: int | None) -> Words:
    reasoning, answer = texts
    return Words(
        reasoning=fitted(reasoning, limit),
        answer=None if answer is None else fitted(answer, limit),
        extracted=verdict.extracted,
        judge=_judge(verdict),
    )


def _judge(verdict: Graded) -> Judge | None:
    if verdict.judge_said is None:
        return None
    return Judge(said=verdict.judge_said, verdict=verdict.judge, rules=verdict.rules)
