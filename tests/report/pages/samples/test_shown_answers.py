import pytest
from made_answers import Made, completion, plain

from r1k.errors import RecordError
from r1k.records import Graded, Sample, read_jsonl, write_jsonl
from r1k.report.pages.samples.answers import _judgement, collect
from r1k.report.pages.samples.sources import split_completion
from r1k.text import ANSWER, THINK


@pytest.fixture
def made(tmp_path):
    return Made(tmp_path)


def test_answers_are_joined_with_their_questions_and_verdicts(made):
    asked = made.ask("math", "How many?", "How few?")
    made.answer("b", asked, lambda question, k: {"correct": question.id == "math-1", "tokens": 9})
    made.answer("a", asked, lambda question, k: {"correct": False, "extracted": None, "rule": "unparsed"})
    page = collect(**made.paths, redistributable=["math"])
    assert (page.runs, page.benchmarks, page.withheld, page.cut, page.left_out) == (["b", "a"], ["math"], [], 0, 0)
    assert [question.text for question in page.questions] == ["How many?", "How few?"]
    found = [(page.runs[a.run], page.questions[a.question].id, a.verdict, a.tokens) for a in page.answers]
    assert found == [
        ("b", "math-0", "wrong", 9),
        ("b", "math-1", "right", 9),
        ("a", "math-0", "unparsed", 7),
        ("a", "math-1", "unparsed", 7),
    ]
    text = page.answers[1].text
    assert (text.reasoning.head, text.answer.head, text.extracted) == ("b thinks of math-1", "b says", "b says")


def test_an_extracted_text_is_shown_from_its_end(made):
    made.answer("a", made.ask("math", "How many?"), lambda question, k: {"extracted": "so " * 1000 + "it is 12"})
    (answer,) = collect(**made.paths, redistributable=["math"]).answers
    assert answer.text.extracted == "…" + ("so " * 1000 + "it is 12")[-1000:]


def test_options_are_shown_as_the_model_saw_them(made):
    asked = made.ask("gpqa", "Which?")
    with_options = [asked[0].model_copy(update={"options": ["one", "two"], "gold": "B"})]
    write_jsonl(made.questions[0], with_options)
    made.answer("a", asked, plain)
    assert collect(**made.paths, redistributable=["gpqa"]).questions[0].text == "Which?\nA) one B) two"


def test_of_a_benchmark_that_is_not_redistributable_there_is_no_text(made):
    for benchmark in ("open", "closed"):
        made.answer("a", made.ask(benchmark, f"{benchmark} secret"), plain)
    page = collect(**made.paths, redistributable=["open"])
    assert page.withheld == ["closed"]
    written = page.model_dump_json()
    assert "open secret" in written and "thinks of open" in written and "gold-open" in written
    assert "closed secret" not in written and "thinks of closed" not in written and "gold-closed" not in written
    assert [(answer.verdict, answer.text is None) for answer in page.answers] == [("right", False), ("right", True)]


def test_several_seeds_are_several_names(made):
    asked = made.ask("math", "How many?")
    for seed in (0, 1):
        made.answer("a", asked, plain, seed=seed)
    assert collect(**made.paths, redistributable=[]).runs == ["a/0", "a/1"]


def test_of_too_many_samples_the_first_are_shown_and_the_others_counted(made):
    made.answer("a", made.ask("math", "1?", "2?", "3?"), plain, samples=4)
    page = collect(**made.paths, redistributable=["math"], most=7)
    assert [(answer.question, answer.sample) for answer in page.answers] == [(q, k) for q in range(3) for k in range(2)]
    assert page.left_out == 6
    assert len(collect(**made.paths, redistributable=["math"], most=1).answers) == 3


def test_long_texts_lose_their_middle_and_are_counted(made):
    def facts(question, k):
        return {"completion": completion("x" * (10_000 if question.id == "math-1" else 100), "short")}

    made.answer("a", made.ask("math", "1?", "2?"), facts)
    page = collect(**made.paths, redistributable=["math"], budget=5_000)
    assert page.cut == 1
    short, long = (answer.text for answer in page.answers)
    assert short.reasoning.left_out == 0 and 5_000 < long.reasoning.left_out < 6_000
    assert long.answer.head == "short"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (f"{THINK}so\n{ANSWER}Answer: 4", ("so", "Answer: 4")),
        (f"{THINK}so", ("so", None)),
        ("4", ("4", None)),
        ("", ("", None)),
        (f"a{ANSWER}b{ANSWER}c", (f"a{ANSWER}b", "c")),
        (f"{THINK}so\n{ANSWER}", ("so", "")),
    ],
)
def test_a_completion_is_split_where_the_grader_parts_it(text, parts):
    assert split_completion(text) == parts


def test_a_judges_words_are_shown_where_verdicts_have_them(made):
    made.answer("a", made.ask("math", "1?"), plain)
    assert collect(**made.paths, redistributable=["math"]).answers[0].text.judge is None

    verdict = read_jsonl(made.graded[0], Graded)[0].model_dump() | {
        "rules": False,
        "judge": None,
        "judge_rationale": "Hm.",
    }
    assert _judgement(Graded(**verdict)).model_dump() == {"rules": False, "verdict": None, "rationale": "Hm."}
    assert _judgement(Graded(**verdict | {"judge_rationale": None})) is None


def test_files_that_do_not_belong_together_are_named(made):
    asked = made.ask("math", "1?", "2?")
    made.answer("a", asked, plain)
    paths = made.paths
    with pytest.raises(
        RecordError, match=r"graded.jsonl: the answers of the same run, seed and benchmark are not given"
    ):
        collect(**paths | {"samples": []}, redistributable=[])
    with pytest.raises(RecordError, match=r"samples.jsonl: the verdicts of the same run"):
        collect(**paths | {"graded": []}, redistributable=[])
    with pytest.raises(RecordError, match=r"graded.jsonl: field 'id': 'math-0' is not among the questions of 'math'"):
        collect(**paths | {"questions": []}, redistributable=[])
    samples, verdicts = read_jsonl(made.samples[0], Sample), read_jsonl(made.graded[0], Graded)
    write_jsonl(made.graded[0], verdicts[:1])
    with pytest.raises(RecordError, match=r"samples.jsonl:2: field 'id': 'math-1' \(sample 0\) has no verdict"):
        collect(**paths, redistributable=[])
    write_jsonl(made.graded[0], verdicts)
    write_jsonl(made.samples[0], samples[:1])
    with pytest.raises(RecordError, match=r"graded.jsonl: 2 verdicts on the 1 answers"):
        collect(**paths, redistributable=[])
