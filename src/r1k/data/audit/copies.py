"""Tell copies of benchmark questions from questions that share a phrase.

s1's rule (`r1k.data.audit.contamination`) flags texts that share eight words, which most often are a phrase of the
field, and misses copies that differ in the white space around a formula. Here a copy is the same text up to case, white
space, commas, and marks that TeX does not print; a reworded copy is the same text with other numbers.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from string import ascii_lowercase

from r1k.records import OverlapKind, Question

MIN_CHARACTERS = 20
"""Characters that the canonical form of a question needs to be found inside of longer texts, and besides its numbers to
be found with others. Shorter questions, such as "What is $3 + 5$?", are alike by chance."""
CHARACTERS = str.maketrans({"−": "-", "–": "-", "—": "-", "’": "'", "‘": "'", "“": '"', "”": '"'})
FRACTION = re.compile(r"\\[dt]frac(?![a-z])")
UNPRINTED = re.compile(r"\\(?:left|right|q?quad|displaystyle)(?![a-z])|\\[()\[\],;:! ]|\{,?\}|\\?[\s$,~]+")
TO_WORDS = bytes(byte if chr(byte) in ascii_lowercase else ord(" ") for byte in range(256))
"""Translates bytes other than lower-case letters to blanks."""
TEENS = {"ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"}
TENS = {"twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety", "hundred", "thousand", "million"}
NUMBER_WORDS = TEENS | TENS | {"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"}
NUMBER_WORD = re.compile(rf"(?<![^\W_])(?:{'|'.join(sorted(NUMBER_WORDS))})(?![^\W_])")
ORDINAL = re.compile(r"(?<=\d)(?:st|nd|rd|th)(?![^\W_])")
NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")
TEX_WORDS = {"left", "right", "quad", "qquad", "displaystyle", "frac", "dfrac", "tfrac"}
VARYING_WORDS = frozenset(word.encode() for word in NUMBER_WORDS | TEX_WORDS | {"st", "nd", "rd", "th"})
"""Letters that a copy or a reworded copy may lack, or have in addition."""


def canonical(text: str) -> str:
    """Return a text without case, white space, commas, its last full stop, and marks that TeX does not print."""
    return UNPRINTED.sub("", FRACTION.sub(r"\\frac", text.lower().translate(CHARACTERS))).rstrip(".?:;")


def template(text: str) -> str:
    """Return the canonical form of a text with `#` in place of each number and its sign, in digits or as a word."""
    plain = text.lower().translate(CHARACTERS)
    return NUMBER.sub("#", canonical(NUMBER_WORD.sub("0", ORDINAL.sub("", plain))))


class CopyFinder:
    """Finds copies and reworded copies of questions in texts."""

    def __init__(self, questions: Sequence[Question]) -> None:
        self._forms = [(canonical(q.question), template(q.question)) for q in questions]
        self._words = [_words(q.question) for q in questions]
        self._by_canonical: dict[str, list[int]] = defaultdict(list)
        self._by_template: dict[str, list[int]] = defaultdict(list)
        self._by_word: dict[bytes, list[int]] = defaultdict(list)
        times = Counter(word for words in self._words for word in words)
        for number, (form, masked) in enumerate(self._forms):
            self._by_canonical[form].append(number)
            if _varies_little(masked):
                self._by_template[masked].append(number)
            if len(form) >= MIN_CHARACTERS:
                rarest = min(self._words[number], key=lambda word: (times[word], word), default=b"")
                self._by_word[rarest].append(number)

    def find_in_question(self, text: str) -> dict[int, OverlapKind]:
        """Return the numbers of the questions that a text is, or contains, as a copy or a reworded copy."""
        found: dict[int, OverlapKind] = dict.fromkeys(self._by_template.get(template(text), ()), "reworded")
        found |= dict.fromkeys(self._by_canonical.get(canonical(text), ()), "copy")
        return self.find_in_text(text) | found

    def find_in_text(self, text: str) -> dict[int, OverlapKind]:
        """Return the numbers of the questions that a text contains as a copy or a reworded copy."""
        words, found = _words(text), dict[int, OverlapKind]()
        candidates = [n for word in self._by_word.keys() & {b"", *words} for n in self._by_word[word]]
        candidates = [number for number in candidates if self._words[number] <= words]
        if not candidates:
            return found
        form, masked = canonical(text), template(text)
        for number in sorted(candidates):
            own_form, own_masked = self._forms[number]
            if _contains(form, own_form):
                found[number] = "copy"
            elif _varies_little(own_masked) and own_masked in masked:
                found[number] = "reworded"
        return found


def _words(text: str) -> frozenset[bytes]:
    """Return the words of a text in ASCII letters, but for those that copies may lack."""
    return frozenset(text.lower().encode(errors="replace").translate(TO_WORDS).split()) - VARYING_WORDS


def _varies_little(masked: str) -> bool:
    """Return whether a template has enough characters besides its numbers."""
    return len(masked) - masked.count("#") >= MIN_CHARACTERS


def _contains(text: str, part: str) -> bool:
    """Return whether a text contains a part whose first and last numbers do not go on beyond it."""
    place = text.find(part)
    while place >= 0:
        before, after = text[:place][-1:], text[place + len(part) :][:2]
        begins = part[0].isdigit() and before.isdigit()
        goes_on = part[-1].isdigit() and (after[:1].isdigit() or (after[:1] == "." and after[1:].isdigit()))
        if not (begins or goes_on):
            return True
        place = text.find(part, place + 1)
    return False
