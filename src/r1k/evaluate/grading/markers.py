"""Find where a completion states its final answer: in boxes, after a marker such as `Answer:`, or in a sentence."""

import re
from dataclasses import dataclass, replace

from r1k.boxed import BRACE

_ADJECTIVE = r"(?:(?:final|correct|right|best|required|exact|numerical|complete)\s+)*"
_MARKUP = r"[*_`\s]*"
COLON_MARKER = re.compile(
    rf"(?<![A-Za-z]){_ADJECTIVE}answers?{_MARKUP}(?:\([^()\n]*\){_MARKUP})?[:：]{_MARKUP}", re.IGNORECASE
)
SENTENCE_MARKER = re.compile(
    rf"(?<![A-Za-z])(?:the|my|our|this|so|thus|hence|therefore,?)\s+{_ADJECTIVE}(?:answers?|option|choice)\b"
    rf"(?P<of>(?:(?![.!?]\s)[^\n:=]){{0,160}}?)\s+(?:is|are|would be|must be){_MARKUP}:?{_MARKUP}",
    re.IGNORECASE,
)
CHINESE_MARKER = re.compile(r"(?:最终|正确)?答案\s*(?:(?:是|为)\s*[:：]?|[:：])\s*")
BOLD_SENTENCE = re.compile(
    r"(?:\A|[\n.]\s*)(?:[A-Z][a-z]+,\s+)?[Tt]he\s[^.\n*]{1,160}?\s(?:is|are)\s+\*\*(?P<bold>[^*\n]+)\*\*"
)
HEADING = re.compile(
    r"(?:\A|\n)[ \t]*(?:#+[ \t]*|\*\*[ \t]*)+(?:final[ \t]+)?answer[ \t]*[:：]?[ \t]*(?:\*\*)?[ \t]*[:：]?[ \t]*\n",
    re.IGNORECASE,
)
BARE_BOX = re.compile(
    r"\\boxed(?![a-zA-Z{])[ \t]*(?P<bare>"
    r"(?:[+-]?\d[\d,.]*(?<![.,])|\\(?:[dt]?frac|sqrt|pi|infty)[^$\n]{0,200}?|[A-Za-z](?![A-Za-z]))(?:\s*[-+*/^=][^$\n]{0,200}?)?)"
    r"(?=[.,;:]?\s*(?:\$|\\\)|\\\]|\n|\Z)|[.,;:]?\s+[A-Za-z])"
)
BARE_COMMAND_BOX = re.compile(
    r"\\boxed(?P<bare>\\(?:[dt]?frac|sqrt|pi)[^$\n]{0,200}?)(?=[.,;:]?\s*(?:\$|\\\)|\\\]|\n|\Z))"
)
OPENED = re.compile(r"\\(?:boxed|fbox)\s*\{")
_IT = (
    r"(?:that|this|it|which|(?:my|the|this|that)\s+(?:final\s+|last\s+|above\s+)?(?:answer|result|box|value|solution))"
)
WITHDRAWN = re.compile(
    rf"\b{_IT}(?:\s+above)?(?:'s|\s+(?:is|was|seems|must be|looks))\s+(?:wrong|incorrect|mistaken|a mistake|an error|"
    rf"not\s+(?:right|correct))\b|\b{_IT}\s+(?:isn't|can't be|cannot be)\s+(?:right|correct)\b|"
    r"\b(?:scratch|strike|scrap|forget) that\b|\bnever ?mind\b|\bon second thought|"
    r"\bi (?:take (?:that|it) back|retract|withdraw)\b|"
    r"\bi(?:'ve| have)? made an? (?:\w+ )?(?:mistake|error)\b|"
    r"\b(?:ignore|disregard) (?:that|this|the above)\b|\bno, (?:wait|that)\b",
    re.IGNORECASE,
)
UNFINISHED = re.compile(r"\b(?:wait|hold on|hang on|hmm|let me (?:re-?\w+|check|verify|double))\b", re.IGNORECASE)
SETTING = re.compile(r"\\(?:text|mathrm|textrm|mbox)\s*\{([^{}]*)\}|\\(?:qquad|quad|[,;:! ]|[()\[\]])|[$~{}*]|\s")
PART_LABEL = re.compile(
    r"\b(?:for\s+)?(?:part|case|question|problem)\s+\(?\w{1,3}\)?|\(\s*(?:[a-h]|[ivx]+|\d)\s*\)|\b[A-Za-z]+(?:_\{?\w+\}?)?'*\s*="
    r"|\b(?!Final|Answer|So|Thus|Hence|Therefore|Then|Wait|Check|Actually|Or|Instead)[A-Z][a-z]+\s*:"
)
CONNECTIVE = re.compile(r"\b(?:and|or)\b|[,;&]", re.IGNORECASE)
TURN_END = re.compile(
    r"(?<=\S)\s*(?:<\|(?:im_end|endoftext|eot_id|end_of_text)\|>|<｜end▁of▁sentence｜>|</s>|<\|im_start\|>(?:user|system)\b)"
)
"""Special tokens behind which a model has begun another turn."""
CLOSING_WORDS = re.compile(r"\s*I hope (?:it|this) is correct[\s\S]*\Z", re.IGNORECASE)
DISPLAY = re.compile(r"\s*(?:\$\$(?P<dollars>.+?)\$\$|\\\[(?P<bracket>.+?)\\\])", re.DOTALL)
MATH = re.compile(r"\$\$(.+?)\$\$|\$(.+?)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
SENTENCE_END = re.compile(r"[.!?](?:\*\*)?\s+(?=[A-Z(])")
VERB = re.compile(
    r"(?<=\S)\s(?:is|are|equals?|was|be)\s+(?:(?:equal to|therefore|thus|exactly|approximately|about)\s+)*"
    r"|(?<=[a-z]{3})\s=\s"
)
REASON = re.compile(r",?\s+(?:because|since|as\s|which|where|so that)\b|,\s+(?=[a-z]{2,})", re.IGNORECASE)
QUOTE = re.compile(r"\\\\?[\"“”]")
BOLD = re.compile(r"\*\*(.+?)\*\*")
NUMBER = re.compile(r"(?<![\w.\\])[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:/\d+)?%?(?![\w])")
WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")
LINE = re.compile(r"\s*([^\n]{0,2000})")
MAX_JOINT_CHARS = 120
MAX_LINE_CHARS = 2_000
MAX_MARKERS = 40
"""Number of markers that are read, from the end; a model that repeats itself writes thousands."""
MAX_PLAIN_WORDS = 4
"""Number of words up to which a line is an answer and not a sentence about it."""


@dataclass(frozen=True)
class Statement:
    """A place that states an answer: where it starts and ends, and the answer's text."""

    start: int
    end: int
    text: str
    is_vague: bool = False
    """Whether the text is a sentence, and no part of it alone is the answer."""
    is_remark: bool = False
    """Whether only a sentence such as `the answer is …` marks it."""


def statements(text: str, is_choice: bool) -> list[Statement]:
    """Return all statements of an answer in a text, in order; side by side boxes are one.

    Where there is none, it is the only bold value of a sentence such as `The total is **5**.` For multiple choice, the
    text after a marker is its whole line, with the reason.
    """
    found = joined_boxes(text)
    for pattern in (COLON_MARKER, CHINESE_MARKER, HEADING):
        found += [
            _after_marker(text, marker, is_choice)
            for marker in list(pattern.finditer(text))[-MAX_MARKERS:]
            if not _in_remark(text, marker.start())
        ]
    remarks = []
    for marker in list(SENTENCE_MARKER.finditer(text))[-MAX_MARKERS:]:
        stated = _after_marker(text, marker, is_choice)
        counts = is_choice or not found or "final" in marker[0].casefold()
        if counts and stated.text and not stated.is_vague and not _in_remark(text, marker.start()):
            remarks.append(replace(stated, is_remark=True))
    found += remarks
    if not found:
        bold = [Statement(each.start(), each.end(), each["bold"]) for each in BOLD_SENTENCE.finditer(text)]
        found = bold if len({each.text for each in bold}) == 1 else []
    return sorted(found, key=lambda each: each.start)


def has_open_box(text: str, after: int) -> bool:
    """Return whether a box opens after a position and never closes."""
    closed = {box.start for box in _boxes(text)}
    return any(opened.start() not in closed for opened in OPENED.finditer(text, after))


def is_withdrawn(text: str, truncated: bool) -> bool:
    """Return whether the text after an answer takes it back, or is cut while it examines the answer again."""
    return WITHDRAWN.search(text) is not None or (truncated and UNFINISHED.search(text) is not None)


def joined_boxes(text: str) -> list[Statement]:
    """Return the boxes of a text; boxes that a comma, `and`, `or y =` or `(b)` joins are one list."""
    groups: list[list[Statement]] = []
    for box in _boxes(text):
        if groups and box.start < groups[-1][-1].end:
            groups[-1][-1:] = [box]
        elif groups and _is_joint(text[groups[-1][-1].end : box.start]):
            groups[-1].append(box)
        else:
            groups.append([box])
    return [
        Statement(group[0].start, group[-1].end, ", ".join(dict.fromkeys(box.text.strip() for box in group)))
        for group in groups
    ]


def _boxes(text: str) -> list[Statement]:
    r"""Return the complete boxes of a text by their start, including `\boxed 42` without braces."""
    found: list[Statement] = []
    starts: list[tuple[int, int] | None] = []
    for brace in BRACE.finditer(text):
        if brace["box"] or brace["open"]:
            starts.append((brace.start(), brace.end()) if brace["box"] else None)
        elif brace["close"] and starts:
            start = starts.pop()
            if start is not None:
                found.append(Statement(start[0], brace.end(), text[start[1] : brace.start()]))
    for pattern in (BARE_BOX, BARE_COMMAND_BOX):
        found += [Statement(bare.start(), bare.end(), bare["bare"]) for bare in pattern.finditer(text)]
    return sorted(found, key=lambda box: box.start)


def _is_joint(between: str) -> bool:
    if len(between) > MAX_JOINT_CHARS:
        return False
    plain = between
    for _ in range(2):
        plain = SETTING.sub(lambda each: f" {each[1] or ''} ", plain)
    if not (CONNECTIVE.search(plain) or PART_LABEL.search(plain)):
        return False
    ends = r"[\s:.-]+" if re.search(r"\(\s*\w{1,3}\s*\)", plain) else r"[\s:-]+"
    return not re.sub(ends, "", CONNECTIVE.sub(" ", PART_LABEL.sub(" ", plain)))


def _in_remark(text: str, position: int) -> bool:
    """Return whether a position is inside parentheses that open on its line."""
    line = text[max(text.rfind("\n", 0, position) + 1, position - MAX_LINE_CHARS) : position]
    return line.count("(") > line.count(")")


def _after_marker(text: str, marker: re.Match[str], is_choice: bool) -> Statement:
    """Return the answer after a marker: the display that follows, or its line, or the next if the line is a lead-in."""
    start = marker.end()
    display = DISPLAY.match(text, start)
    if display:
        return Statement(marker.start(), display.end(), (display["dollars"] or display["bracket"]).strip())
    line = LINE.match(text, start)
    assert line is not None
    if re.search(r"(?::|\bis|\bare|=)[\s*]*\Z", line[1]):
        display = DISPLAY.match(text, line.end())
        if display:
            return Statement(marker.start(), display.end(), (display["dollars"] or display["bracket"]).strip())
        below = LINE.match(text, line.end())
        if below and below[1].strip():
            return Statement(marker.start(), below.end(), _value(below[1].strip()) or below[1].strip())
    content = CLOSING_WORDS.sub("", line[1]).strip()
    value = content if is_choice else _value(content)
    return Statement(marker.start(), line.end(), content if value is None else value, is_vague=value is None)


def _value(line: str) -> str | None:
    """Return the answer that a line states, or None if it is a sentence of which no part alone is the answer."""
    sentence = SENTENCE_END.split(QUOTE.sub("", line).strip())[0].strip()
    masked = MATH.sub(lambda span: "#" * len(span[0]), sentence)
    verbs = list(VERB.finditer(masked))
    if verbs and _is_short(tail := sentence[verbs[-1].end() :]):
        return tail
    if not verbs and _is_short(sentence):
        return sentence
    reason = REASON.search(masked)
    if reason and _is_short(sentence[: reason.start()]) and not VERB.search(masked[: reason.start()]):
        return sentence[: reason.start()]
    for found in (BOLD.findall(sentence), ["".join(span) for span in MATH.findall(sentence)]):
        if len(found) == 1:
            return str(found[0])
    numbers = NUMBER.findall(MATH.sub(" # ", sentence))
    return numbers[0] if len(numbers) == 1 and not MATH.search(sentence) else None


def _is_short(text: str) -> bool:
    bare = MATH.sub(" ", re.sub(r"\\(?:text|mathrm|textbf|mbox)\s*\{[^{}]*\}|\\[a-zA-Z]+", " ", text))
    return bool(text.strip()) and len(WORD.findall(bare)) <= MAX_PLAIN_WORDS
