import random

import pytest

from r1k.data.audit.contamination import NGRAM, find_overlaps, make_index, ngrams, overlaps, words
from r1k.records import Example, Question

QUESTION = "What is the least number that is the sum of two cubes in two different ways?"


def question(text: str, name: str = "q", benchmark: str = "b") -> Question:
    return Question(id=name, benchmark=benchmark, question=text, gold="1729", kind="k")


def example(question: str = "Other words.", reasoning: str = "Some reasoning.", answer: str = "It is 1.") -> Example:
    return Example(
        id="p-forward",
        problem="p",
        direction="forward",
        question=question,
        reasoning=reasoning,
        answer=answer,
        kind="k",
    )


def found(one: Example, *questions: Question, redistributable: tuple[str, ...] = ("b",)) -> list:
    return list(overlaps([one], make_index(questions), redistributable))


def test_eight_consecutive_words_are_an_overlap_and_seven_are_not():
    (overlap,) = found(example(question=f"Say: {' '.join(QUESTION.split()[2:10])} more"), question(QUESTION))
    assert (overlap.where, overlap.question, overlap.ngrams, overlap.question_ngrams) == ("question", "q", 1, 9)
    assert (overlap.longest, overlap.words, overlap.exact) == (8, 16, False)
    assert overlap.text == "the least number that is the sum of"
    assert not found(example(question=f"Say: {' '.join(QUESTION.split()[2:9])} more"), question(QUESTION))


def test_words_are_lower_cased_and_split_at_white_space_as_in_s1():
    assert words("Find  $X$,\n\tthen y.") == ["find", "$x$,", "then", "y."]
    assert found(example(question=QUESTION.upper().replace(" ", "\n  ")), question(QUESTION))[0].exact
    assert not any(one.by_s1 for one in found(example(question=QUESTION.replace(" ", ", ")), question(QUESTION)))


def test_responses_are_counted_separately_and_no_overlap_spans_reasoning_and_answer():
    first, rest = QUESTION.split()[:7], QUESTION.split()[7:14]
    assert not found(example(reasoning=" ".join(first), answer=" ".join(rest)), question(QUESTION))
    where = [(o.where, o.exact) for o in found(example(QUESTION, f"So: {QUESTION}"), question(QUESTION))]
    assert where == [("question", True), ("response", False)]


def test_a_short_exact_copy_is_found():
    (overlap,) = found(
        example(question="Solve  x + 1 = 2"), question("solve x + 1 = 2"), question("Solve x + 1 = 3", "r")
    )
    assert (overlap.question, overlap.exact, overlap.ngrams, overlap.question_ngrams) == ("q", True, 0, 0)
    assert (overlap.longest, overlap.words, overlap.text) == (6, 6, "solve x + 1 = 2")


def test_repeated_8_grams_count_once_and_each_question_has_its_overlap():
    several = found(example(reasoning=f"{QUESTION} {QUESTION}"), question(QUESTION), question(f"Hard: {QUESTION}", "r"))
    assert [(o.question, o.ngrams, o.question_ngrams, o.longest) for o in several] == [
        ("q", 9, 9, 16),
        ("r", 9, 10, 16),
    ]


def test_only_redistributable_benchmarks_are_quoted():
    both = found(example(QUESTION), question(QUESTION), question(QUESTION, "g", "gated"))
    assert [(o.question, o.text is None) for o in both] == [("q", False), ("g", True)]
    assert "cubes" not in both[1].model_dump_json()


@pytest.mark.parametrize("seed", range(5))
def test_overlaps_equal_a_brute_force_search(seed):
    rng = random.Random(seed)
    text, target = ([rng.choice("ab") for _ in range(n)] for n in (300, 40))
    index = make_index([question(" ".join(target))])
    pieces = [text[i : i + length] for length in range(NGRAM, 41) for i in range(len(text) - length + 1)]
    common = [p for p in pieces if any(target[j : j + len(p)] == p for j in range(len(target)))]
    overlap = find_overlaps([text], index)
    assert common and overlap[0].longest == max(map(len, common))
    assert overlap[0].grams == {tuple(p) for p in common if len(p) == NGRAM}
    assert target[overlap[0].end - overlap[0].longest : overlap[0].end] in common


def test_a_short_text_has_no_ngrams():
    assert list(ngrams(["a"] * 7)) == [] and len(list(ngrams(["a"] * 10))) == 3
