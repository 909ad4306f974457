"""Compare answers that are words: `\\text{Tuesday}`, `no solution`, `20 June`."""

import re

TEXT_COMMAND = re.compile(
    r"\\(?:text|textbf|textit|textrm|textnormal|textsf|mathrm|mathbf|mathit|mathsf|boldsymbol|mbox|operatorname)\s*\{([^{}]*)\}"
)
SHORT_WORDS = frozenset(
    "no on up it is if in or at us we he me my by to do go so as am an be of".split()  # noqa: SIM905
)
"""Words of two letters; other pairs of letters are products."""
FILLERS = re.compile(
    r"\A(?:(?:it|this|that|he|she|they|there) (?:is|are|was|were) |(?:is|are|on|in|at|by|a|an|the|only|just|exactly) )+"
)
SYNONYMS = {
    "true": "yes",
    "false": "no",
    "no solution": "∅",
    "no solutions": "∅",
    "no real solution": "∅",
    "no real solutions": "∅",
    "no such solution": "∅",
    "empty set": "∅",
    "none": "∅",
    "null set": "∅",
    "does not exist": "undefined",
    "dne": "undefined",
    "not defined": "undefined",
}
MONTHS = frozenset(
    "january february march april may june july august september october november december jan feb mar "  # noqa: SIM905
    "apr jun jul aug sep sept oct nov dec".split()
)
FUNCTION_WORDS = re.compile(
    r"\\|\b(?:arc(?:sin|cos|tan)|sinh|cosh|tanh|sin|cos|tan|cot|sec|csc|ln|log|exp|sqrt|pi|infinity|inf|theta|alpha|beta|gamma|lambda|sigma|phi|omega)\b",
    re.IGNORECASE,
)
EMPTY = re.compile(r"\\emptyset(?![a-zA-Z])|\\\{\s*\\\}|\\phi")


def unwrapped(text: str, around: str = "") -> str:
    r"""Return a text without its text commands: `\text{June 20}` is `June 20`. `around` is put around their content."""
    while (plain := TEXT_COMMAND.sub(rf"{around}\1{around}", text)) != text:
        text = plain
    return re.sub(r"\s+", " ", text).strip()


def is_words(text: str) -> bool:
    """Return whether a text is words and not mathematics, whose letters are factors in any order."""
    plain = unwrapped(text)
    letters = re.sub(r"[\W\d_]+", " ", plain).split()
    if not letters or FUNCTION_WORDS.search(unwrapped(text, " ")) or re.search(r"[=<>^_+*/\\{}|]", plain):
        return False
    if text.lstrip().startswith(("\\text", "\\mbox")):
        return len(max(letters, key=len)) > 1 or bool(re.fullmatch(r"\(?[a-zA-Z]\)?", plain))
    if re.match(r"[-(\d.]*\d\s*[a-zA-Z]", plain) or not re.search(r"[a-zA-Z]{2}|[^\W\d_\x00-\x7f]", plain):
        return bool(set(plain.casefold().split()) & MONTHS)
    return all(_is_word(word) for word in letters)


def _is_word(word: str) -> bool:
    """Return whether letters are a word: `abc` and `xyz` are products, `no` and `even` are words."""
    folded = word.casefold()
    if len(folded) <= 2:
        return folded in SHORT_WORDS | {"a", "i"} or not folded.isascii()
    is_run = sorted(folded) == [chr(ord(min(folded)) + step) for step in range(len(folded))]
    return not folded.isascii() or (bool(re.search("[aeiou]", folded)) and not is_run) or word == folded == "dry"


def same_words(gold: str, answer: str) -> bool:
    """Return whether two texts are the same words, apart from case, articles and the order of a date."""
    folded = [_folded(text) for text in (gold, answer)]
    if folded[0] == folded[1]:
        return True
    tokens = [re.sub(r"(?<=\d)(?:st|nd|rd|th)\b", "", text).replace(",", " ").split() for text in folded]
    is_date = all(set(each) & MONTHS and any(token.isdigit() for token in each) for each in tokens)
    return is_date and sorted(set(tokens[0]) - {"of", "the"}) == sorted(set(tokens[1]) - {"of", "the"})


def _folded(text: str) -> str:
    plain = EMPTY.sub("∅", text)
    plain = unwrapped(plain).casefold().strip("()[].!'\"` ")
    plain = FILLERS.sub("", plain)
    return SYNONYMS.get(plain, plain)
