"""Copies, reworded copies and phrases: each told from the others."""

import json
import re

import pytest
from test_contamination import example, question

from r1k.data.audit.audit import summarize_contamination
from r1k.data.audit.contamination import make_index, overlaps
from r1k.data.audit.copies import CopyFinder, canonical, template

PROBLEM = "Let $a$ and $b$ be real numbers with $a + b = 7,$ and suppose that $a^2 + b^2 = 29.$ Find the product $ab$."
LARGE = r"A tank holds $10,\!000$ litres, and $\dfrac{3}{4}$ of it is used up in five days. How much is left after 2?"


def kind(text: str, of: str = PROBLEM, where: str = "question") -> str | None:
    texts = {"question": text} if where == "question" else {"reasoning": text}
    found = [o for o in overlaps([example(**texts)], make_index([question(of)]), ["b"]) if o.where == where]
    assert len(found) <= 1
    return found[0].kind if found else None


COPIES = [
    (PROBLEM, PROBLEM),
    (PROBLEM.upper(), PROBLEM),
    (PROBLEM.replace(" ", "\n  "), PROBLEM),
    # What s1's rule misses: white space around `$`, a comma on the other side of it, spaces in a formula.
    (PROBLEM.replace(" $", "$").replace("7,$", "7$,").replace(" + ", "+"), PROBLEM),
    (PROBLEM.replace("7,$", "7$"), PROBLEM),
    (PROBLEM.replace("$a$", r"\(a\)").replace("29.$", "29$."), PROBLEM),
    (LARGE.replace(r"10,\!000", "10,000").replace(r"\dfrac", r"\frac"), LARGE),
    (LARGE.replace(r"$10,\!000$", "10000"), LARGE),
    (LARGE.replace(r"10,\!000", "10{,}000"), LARGE),
    # The whole question inside of a longer text.
    (f"Solve step by step. {PROBLEM} Put the answer in a box.", PROBLEM),
    (PROBLEM.removesuffix("."), PROBLEM),
    (f"{PROBLEM[:-1]}, please.", PROBLEM),
    # Short questions only as a whole.
    ("Solve $x+1 = 2$", "solve  $x + 1=2$"),
    ("What is −3 + 5?", "What is -3+5?"),
]
REWORDED = [
    (PROBLEM.replace("29", "25").replace("7", "-1"), PROBLEM),
    (PROBLEM.replace("a + b = 7", "a + b = 8.5"), PROBLEM),
    (LARGE.replace("five days", "twelve days").replace("10,\\!000", "400"), LARGE),
    (LARGE.replace("five", "6"), LARGE),
    (f"Here is another. {PROBLEM.replace('29', '41')} Thank you.", PROBLEM),
    ("What is the greatest common factor of 32 and 48?", "What is the greatest common factor of $27$ and $90$?"),
    (
        "On the 3rd day of each month it rains. When on the 41st?",
        "On the 2nd day of each month it rains. When on the 5th?",
    ),
]
PHRASES = [
    # Eight common words, and another problem.
    (
        "Suppose that real numbers are given. Let $a$ and $b$ be real numbers with $a = 2b$. Is $a$ even?",
        PROBLEM,
    ),
    (PROBLEM.replace("product", "quotient"), PROBLEM),
    (PROBLEM.replace("a^2 + b^2", "a^2 - b^2"), PROBLEM),
    (PROBLEM.replace("$ab$", "$a/b$"), PROBLEM),
    (PROBLEM.rpartition(" Find")[0], PROBLEM),
]
OTHERS = [
    ("Say how many litres are left.", LARGE),
    # Too short to be more than a phrase, or alike by chance.
    ("What is $3 + 5$?", "What is $2 + 9$?"),
    ("So what is $3 + 5$? Eight.", "What is $3 + 5$?"),
    (r"Compute $\dbinom{8}{4}$.", r"Compute $\dbinom{5}{2}$."),
]


@pytest.mark.parametrize(("text", "of"), COPIES)
def test_copies(text, of):
    assert kind(text, of) == "copy"


@pytest.mark.parametrize(("text", "of"), REWORDED)
def test_reworded_copies(text, of):
    assert kind(text, of) == "reworded"


@pytest.mark.parametrize(("text", "of"), PHRASES)
def test_phrases(text, of):
    assert kind(text, of) == "phrase"


@pytest.mark.parametrize(("text", "of"), OTHERS)
def test_no_overlaps(text, of):
    assert kind(text, of) is None


def test_responses_hold_copies_too():
    spaced = PROBLEM.replace(" $", "$")
    assert kind(f"The problem says: {spaced} So $ab = 10$.", where="response") == "copy"
    assert kind(f"If instead: {spaced.replace('29', '31')} then 9.", where="response") == "reworded"
    assert kind("Seven words: $a$ and $b$ be real numbers.", where="response") is None
    assert kind(f"It says: {PROBLEM[:60]}, so it is.", where="response") == "phrase"
    (one,) = overlaps([example(reasoning=PROBLEM[:40], answer=PROBLEM[40:])], make_index([question(PROBLEM)]), [])
    assert one.kind == "phrase"


@pytest.mark.parametrize(
    ("end", "found"), [("1 and 2", True), ("1 and 2.", True), ("1 and 25", False), ("1 and 2.5", False)]
)
def test_numbers_are_whole_in_a_copy(end, found):
    finder = CopyFinder([question("Think of the greatest sum of the numbers 1 and 2")])
    kinds = finder.find_in_text(f"Well. Think of the greatest sum of the numbers {end}")
    assert kinds == {0: "copy" if found else "reworded"}


def test_a_copy_that_s1s_rule_misses_is_an_overlap_without_8_grams():
    spaced = PROBLEM.replace(" $", "$").replace("7,$", "7$,").replace("be real", "be  real").replace("with", "with\n")
    short = "".join(word + (" " if k % 5 else "\u2009$ ") for k, word in enumerate(PROBLEM.split()))
    (one,) = overlaps([example(short)], make_index([question(PROBLEM)]), ["b"])
    assert (one.kind, one.by_s1, one.ngrams, one.longest, one.exact) == ("copy", False, 0, 0, False)
    assert one.text == PROBLEM.lower()
    assert kind(spaced) == "copy"


def test_examples_count_once_by_their_strongest_overlap():
    texts = [PROBLEM, PROBLEM.replace("29", "25"), PROBLEM.replace("product", "sum"), "Something else."]
    examples = [
        example(text).model_copy(update={"id": f"p{k}-forward", "problem": f"p{k}"}) for k, text in enumerate(texts)
    ]
    questions = [question(PROBLEM), question(PROBLEM.replace("29", "37"), "r")]
    found = list(overlaps(examples, make_index(questions), []))
    (line,) = [
        line
        for line in summarize_contamination(found, {"b": questions}, 4)
        if (line.direction, line.where) == ("forward", "question")
    ]
    assert (line.examples.count, line.questions.count) == (3, 2)
    assert (line.exact, line.copies, line.reworded, line.phrases) == (1, 1, 1, 1)


def test_forms():
    assert canonical("Let  $x = 1,$ Then \\( y \\)") == "letx=1theny"
    assert canonical("What is $5!$?") == "whatis5!"
    assert template("The 2nd of twenty-one, or $-3.5x + 4$ stones") == "the#of##or#x#stones"
    assert canonical(r"\left( a, b \right)") == "(ab)"
    assert canonical(r"\leftarrow") == r"\leftarrow"


def test_real_problems_are_copies_of_themselves_alone(shared_data):
    texts = [
        json.loads(line)["problem"]
        for name in ("math500_50", "aime24_30")
        for line in (shared_data / f"{name}.jsonl").read_text().splitlines()
    ]
    finder = CopyFinder([question(text, str(k)) for k, text in enumerate(texts)])
    rewritings = (
        str.upper,
        lambda text: re.sub(r"\s*\$\s*", "$", text),
        lambda text: text.replace("$", " $ "),
        lambda text: text.replace(", ", " "),
        lambda text: text.replace("\n", " "),
    )
    for k, text in enumerate(texts):
        for rewritten in (text, *(rewriting(text) for rewriting in rewritings)):
            assert finder.find_in_question(rewritten) == {k: "copy"}
    rows = [json.loads(line) for line in (shared_data / "s1k_r1k_20.jsonl").read_text().splitlines()]
    assert not any(finder.find_in_question(row[name]) for row in rows for name in ("question", "reverse_question"))
