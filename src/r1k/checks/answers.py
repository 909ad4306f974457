"""Parse the final answers of a response: their text, and whether they are quantities, words or expressions."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from r1k.boxed import all_boxed
from r1k.checks.expressions import constant, sides
from r1k.checks.quantities import Quantity, all_quantities, read_quantity
from r1k.evaluate.extract import ANSWER_LINE, clean, final_answer, plain, read_letter
from r1k.records import Example

MAX_GOLD_CHARACTERS = 60
"""A longer gold answer is a solution, of which the last equation counts."""

OPTION = re.compile(r"(?:^|\s)\(?([A-J])[).]\s+(.+?)(?=\s\(?[B-J][).]\s|\s*\Z)", re.DOTALL)
FUNCTIONS = {
    "sin",
    "cos",
    "tan",
    "log",
    "exp",
    "max",
    "min",
    "lim",
    "mod",
    "arcsin",
    "arccos",
    "arctan",
    "sinh",
    "cosh",
}
COMMAND = re.compile(r"\\[A-Za-z]+")
WORD = re.compile(r"(?<![^\W_])(?=[^\W\d_]*[aeiouyäöüéáó])[^\W\d_]{3,}")
"""Three letters or more, one of them a vowel; `kTR` and `mgh` are products."""

STOP_WORDS = {
    "the",
    "and",
    "for",
    "with",
    "that",
    "from",
    "are",
    "was",
    "its",
    "this",
    "which",
    "what",
    "has",
    "not",
    "any",
}
"""Words without meaning for an answer."""

BOOLEANS = frozenset({"yes", "no", "true", "false"})


@dataclass(frozen=True)
class FinalAnswer:
    """A final answer: a quantity, words, or an expression."""

    text: str
    quantity: Quantity | None = None

    @property
    def tokens(self) -> list[str]:
        """Words and numbers of the answer, in order."""
        return tokens(self.text)

    @property
    def content(self) -> set[str]:
        """Words of the answer that carry meaning; empty for an expression."""
        bare = COMMAND.sub(" ", plain(self.text)).casefold()
        return {word for word in WORD.findall(bare) if word not in FUNCTIONS | STOP_WORDS}

    @cached_property
    def constant(self) -> float | None:
        """Value of a number that is not a fraction; None for other answers."""
        return None if self.quantity is not None or self.is_words else constant(self.text)

    @property
    def is_words(self) -> bool:
        """Whether the answer consists of words."""
        return self.quantity is None and bool(self.content)

    @property
    def is_boolean(self) -> bool:
        """Whether the answer is yes, no, true or false."""
        return self.text.casefold() in BOOLEANS

    def __str__(self) -> str:
        return str(self.quantity) if self.quantity else self.text


def tokens(text: str) -> list[str]:
    """Return the words and numbers of a text, in order, without its markup."""
    return re.findall(r"\w+", COMMAND.sub(" ", plain(text)).casefold())


def final_answers(example: Example) -> list[FinalAnswer]:
    """Return the final answers of a response: its boxes, or a last line `Answer: …` if it has none.

    Returns an empty list if there is neither. A text that begins with `Answer:` and continues for several lines has no
    parsable answer.
    """
    text = example.answer.replace("**", "").rstrip()
    boxes = [clean(box) for box in all_boxed(text) if "\\boxed" not in box]
    found = list(dict.fromkeys(box for box in boxes if box))
    if not found:
        last = list(ANSWER_LINE.finditer(text))[-1:]
        found = [answer for line in last if line.end() == len(text) and (answer := clean(line[1]))]
    return [resolve_option(answer, example) for answer in found]


def forward_answers(forward: Example) -> list[FinalAnswer]:
    """Return the answers of a forward problem: the response's final answer, and the gold answer if one is known."""
    found = dict.fromkeys(_forward_answer_texts(forward))
    return [resolve_option(text, forward) for text in found]


def resolve_option(text: str, example: Example) -> FinalAnswer:
    """Return an answer; if it is the letter of an option, return the option's content.

    If the option is in words, the number that the reasoning gives beside it counts: `so the current is 5, the
    quotient`.
    """
    options = dict(OPTION.findall(example.question))
    letter = read_letter(text, len(options)) if options else None
    if letter is None or letter not in options:
        return FinalAnswer(plain(text), read_quantity(text))
    option = options[letter].strip()
    if (quantity := read_quantity(option)) is not None:
        return FinalAnswer(option, quantity)
    for sentence in reversed(re.split(r"(?<=[.?!])\s", example.reasoning)):
        if option in sentence and (numbers := all_quantities(sentence)):
            return FinalAnswer(option, numbers[-1])
    return FinalAnswer(option)


def _forward_answer_texts(forward: Example) -> Iterator[str]:
    reached = final_answer(forward.answer.replace("**", ""))
    if reached is not None:
        yield reached
    if forward.gold is None:
        return
    gold = final_answer(forward.gold)
    if gold is None and len(forward.gold) <= MAX_GOLD_CHARACTERS:
        gold = clean(forward.gold)
    if gold is None:
        gold = next(reversed(sides(forward.gold)), None)
    if gold:
        yield gold
