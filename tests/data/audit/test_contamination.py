import random

import pytest

from r1k.data.audit.contamination import NGRAM, find_overlaps, make_index, ngrams, overlaps, words
from r1k.records import Example, Question

ASKED = "What is the least number that is the sum of two cubes in two different ways?"


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


def test_eight_words_in_a_row_are_an_overlap_and_seven_are_none():
    (overlap,) = found(example(question=f"Say: {' '.join(ASKED.split()[2:10])} more"), question(ASKED))
    assert (overlap.where, overlap.question, overlap.ngrams, overlap.question_ngrams) == ("question", "q", 1, 9)
    assert (overlap.longest, overlap.words, overlap.exact) == (8, 16, False)
    assert overlap.text == "the least number that is the sum of"
    assert not found(example(question=f"Say: {' '.join(ASKED.split()[2:9])} more"), question(ASKED))


def test_words_are_s1s_lower_case_and_parted_by_white_space():
    assert words("Find  $X$,\n\tthen y.") == ["find", "$x$,", "then", "y."]
    assert found(example(question=ASKED.upper().replace(" ", "\n  ")), question(ASKED))[0].exact
    assert not found(example(question=ASKED.replace(" ", ", ")), question(ASKED))


def test_responses_are_apart_from_questions_and_no_run_goes_from_reasoning_into_answer():
    first, rest = ASKED.split()[:7], ASKED.split()[7:14]
    assert not found(example(reasoning=" ".join(first), answer=" ".join(rest)), question(ASKED))
    where = [(o.where, o.exact) for o in found(example(ASKED, f"So: {ASKED}"), question(ASKED))]
    assert where == [("question", True), ("response", False)]


def test_a_copy_is_exact_though_it_has_fewer_than_eight_words():
    (overlap,) = found(
        example(question="Solve  x + 1 = 2"), question("solve x + 1 = 2"), question("Solve x + 1 = 3", "r")
    )
    assert (overlap.question, overlap.exact, overlap.ngrams, overlap.question_ngrams) == ("q", True, 0, 0)
    assert (overlap.longest, overlap.words, overlap.text) == (6, 6, "solve x + 1 = 2")


def test_a_repeated_8_gram_counts_once_and_every_question_has_its_own_overlap():
    several = found(example(reasoning=f"{ASKED} {ASKED}"), question(ASKED), question(f"Hard: {ASKED}", "r"))
    assert [(o.question, o.ngrams, o.question_ngrams, o.longest) for o in several] == [
        ("q", 9, 9, 16),
        ("r", 9, 10, 16),
    ]


def test_no_text_is_kept_of_a_benchmark_that_may_not_be_quoted():
    both = found(example(ASKED), question(ASKED), question(ASKED, "g", "gated"))
    assert [(o.question, o.text is None) for o in both] == [("q", False), ("g", True)]
    assert "cubes" not in both[1].model_dump_json()


@pytest.mark.parametrize("seed", range(5))
def test_counts_and_longest_runs_are_those_of_a_search_of_all_places(seed):
    dice = random.Random(seed)
    text, asked = ([dice.choice("ab") for _ in range(n)] for n in (300, 40))
    index = make_index([question(" ".join(asked))])
    pieces = [text[i : i + length] for length in range(NGRAM, 41) for i in range(len(text) - length + 1)]
    common = [p for p in pieces if any(asked[j : j + len(p)] == p for j in range(len(asked)))]
    what = find_overlaps([text], index)
    assert common and what[0].longest == max(map(len, common))
    assert what[0].grams == {tuple(p) for p in common if len(p) == NGRAM}
    assert asked[what[0].end - what[0].longest : what[0].end] in common


def test_ngrams_of_a_short_text_are_none():
    assert list(ngrams(["a"] * 7)) == [] and len(list(ngrams(["a"] * 10))) == 3
