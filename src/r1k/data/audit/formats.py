"""Summarize the format of examples: answer formats, scripts, grades and lengths."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from r1k.boxed import last_boxed
from r1k.data.audit.records import ExampleFacts, FormatSummary, Quantiles, Share, Truncation
from r1k.data.audit.tokens import TokenCache, kept_tokens
from r1k.intervals import wilson
from r1k.records import Direction, Example
from r1k.teacher.protocol.reasoning_tags import stray_marks
from r1k.text import ANSWER, ANSWER_PREFIX, format_response

LABEL = ANSWER_PREFIX.strip()
MIN_SCRIPT_SHARE = 0.01
"""Share of its letters from which on an example counts as containing a script."""


def example_facts(example: Example, tokens: TokenCache) -> ExampleFacts:
    """Return an example's facts; raise TextError if it contains a chat marker."""
    response = tokens.response_ids(example.question, example.response, example.id)
    texts = (example.question, example.reasoning, example.answer)
    characters = Counter("".join(texts))
    return ExampleFacts(
        id=example.id,
        problem=example.problem,
        direction=example.direction,
        kind=example.kind,
        grade=example.grade,
        prompt=tokens.prompt_length(example.question, example.id),
        response=len(response),
        answer=tokens.answer_length(response),
        boxed=last_boxed(example.answer) is not None,
        says_answer=LABEL in example.answer,
        starts_with_answer=example.answer.strip().startswith(LABEL),
        trained_with_answer=format_response(example.response).rpartition(ANSWER)[2].startswith(LABEL),
        stray_marks=sorted({mark for text in texts for mark in stray_marks(text)}),
        ascii=sum(count for character, count in characters.items() if character.isascii()) / characters.total(),
        scripts=dict(scripts(characters).most_common()),
    )


def scripts(characters: Counter[str]) -> Counter[str]:
    """Return the number of letters by script; digits, signs and marks are excluded."""
    found: Counter[str] = Counter()
    for character, count in characters.items():
        if character.isalpha():
            found[_script(character)] += count
    return found


@cache
def _script(letter: str) -> str:
    """Return the first word of a letter's Unicode name, such as LATIN, GREEK, CJK, CYRILLIC or MATHEMATICAL."""
    return unicodedata.name(letter, "UNNAMED").partition(" ")[0]


def summarize_format(direction: Direction, examples: Sequence[ExampleFacts], limits: Sequence[int]) -> FormatSummary:
    """Return the summary of one direction's examples, at least one; `limits` are the runs' `max_length`, in tokens."""
    graded = [example for example in examples if example.grade is not None]
    letters = sum((Counter(example.scripts) for example in examples), Counter[str]())
    return FormatSummary(
        direction=direction,
        boxed=_share(examples, lambda example: example.boxed),
        says_answer=_share(examples, lambda example: example.says_answer),
        starts_with_answer=_share(examples, lambda example: example.starts_with_answer),
        trained_with_answer=_share(examples, lambda example: example.trained_with_answer),
        stray_marks=_share(examples, lambda example: bool(example.stray_marks)),
        correct=_share(graded, lambda example: bool(example.grade)),
        ungraded=len(examples) - len(graded),
        ascii=float(np.mean([example.ascii for example in examples])),
        scripts={script: count / letters.total() for script, count in letters.most_common()},
        examples_by_script=_examples_by_script(examples),
        prompt=quantiles([example.prompt for example in examples]),
        response=quantiles([example.response for example in examples]),
        answer=quantiles([example.answer for example in examples]),
        truncations=[_truncation(examples, limit) for limit in limits],
    )


def share(count: int, n: int) -> Share:
    """Return `count` of `n`, without an interval if `n` is 0."""
    return Share(count=count, n=n, interval=wilson(count, n) if n else None)


def quantiles(values: Sequence[int]) -> Quantiles:
    """Return the distribution of at least one value, with linear interpolation."""
    minimum, p25, median, p75, p95, maximum = np.quantile(values, [0, 0.25, 0.5, 0.75, 0.95, 1]).tolist()
    return Quantiles(
        n=len(values),
        mean=float(np.mean(values)),
        minimum=int(minimum),
        p25=p25,
        median=median,
        p75=p75,
        p95=p95,
        maximum=int(maximum),
    )


def _share(examples: Sequence[ExampleFacts], has: Callable[[ExampleFacts], bool]) -> Share:
    return share(sum(map(has, examples)), len(examples))


def _examples_by_script(examples: Sequence[ExampleFacts]) -> dict[str, int]:
    found = Counter(
        script
        for example in examples
        for script, count in example.scripts.items()
        if count >= MIN_SCRIPT_SHARE * sum(example.scripts.values())
    )
    return dict(found.most_common())


def _truncation(examples: Sequence[ExampleFacts], limit: int) -> Truncation:
    cuts = [example.response - kept_tokens(example.prompt, example.response, limit) for example in examples]
    return Truncation(limit=limit, examples=share(sum(map(bool, cuts)), len(cuts)), tokens=sum(cuts))
