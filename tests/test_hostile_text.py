"""Text of models and data sets is data: every stage accepts it, shows it unchanged, and executes nothing in it."""

import csv
import io
import json
import re
import warnings
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from faulty_teacher import FaultyServer, Place, Riddles, forward
from markdown_it import MarkdownIt

from examples import lines
from hostile import HOSTILE
from r1k.config import Benchmark, Data, Evaluate, FileQuestions, FileSource, Row, TableSpec, WorldSource
from r1k.data.benchmarks import get_benchmark
from r1k.data.s1k import get_s1k
from r1k.data.sets import make_set, pairs, read_example_pairs
from r1k.errors import RecordError, TeacherError
from r1k.intervals import wilson
from r1k.markup import one_line
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import Example, Pair, Question, Response, Sample, Score, Tally, read_jsonl, write_jsonl
from r1k.report.figures.figure1 import TEXT, draw, draw_figure1
from r1k.report.figures.style import style
from r1k.report.figures.text_fit import fit
from r1k.report.pages.report import write_report
from r1k.report.tables.accuracy.make import make_table
from r1k.teacher.inversion import invert
from r1k.teacher.server import running
from r1k.teacher.templates import REVERSE_QUESTION, SOLVE
from r1k.text import encode, load_tokenizer

DATA = Data(source=WorldSource(kind="world", problems=len(HOSTILE)), probe_train=2, probe_held_out=2)


def answer_text(text: str) -> str:
    """Return a text as the teacher writes it: special tokens are text only within code."""
    return f"```\n{text.strip()}\n```" if "<|" in text else text.strip()


class HostileTeacher(Riddles):
    """Returns the hostile text that a question holds as the reverse question, and reasons and answers in hostile
    text."""

    def reverse_question(self, question: str, answer: str) -> str:
        return answer_text(HOSTILE[question.partition(": ")[0]])

    def solve(self, question: str) -> Response:
        return Response(reasoning=f"Let me see:\n{question}", answer=question)


def problem(name: str, text: str) -> Example:
    """Return a forward example with hostile text in every field, including ids and kinds."""
    hostile = {"id": f"{text}-forward", "problem": text, "kind": text, "reasoning": text, "gold": text}
    return forward("x").model_copy(update=hostile | {"question": f"{name}: {text}", "answer": f"So {text}"})


@pytest.fixture(scope="module")
def inverted(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """s1k and r1k, both hostile, from a real inversion."""
    place = Place(tmp_path_factory.mktemp("hostile") / "data")
    place.write(*(problem(name, text) for name, text in HOSTILE.items()))
    source = {"source": {"kind": "file", "path": "/home/$(id)/<b>.jsonl"}, "hub_commit": None}
    write_manifest(place.s1k, "data.s1k", {}, Stopwatch(), n=len(HOSTILE), excluded_by_grade=0, **source)
    server = FaultyServer()
    server.answerer = HostileTeacher()
    with pytest.MonkeyPatch.context() as patch, running(server):
        patch.setenv("R1K_TEST_KEY", "sk-any-0123456789")
        patch.setenv("NO_PROXY", "127.0.0.1")
        invert(teacher=server.teacher(max_tokens=1_000_000), **place.paths)
    return place


@pytest.fixture(autouse=True)
def _nothing_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Assert that no test writes a file into its working directory or above it."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not [path for place in (tmp_path, *tmp_path.parents[:3]) for path in place.glob("*HACKED*")]
    assert not Path("/tmp/HACKED").exists()


def test_a_teachers_text_is_recorded_unchanged(inverted: Place):
    records = {record.problem: record for record in read_jsonl(inverted.output, Example)}
    for text in HOSTILE.values():
        record = records[text]
        assert (record.question, record.answer) == (answer_text(text), answer_text(text))
        assert (record.kind, record.id) == (text, f"{text}-reverse")


@pytest.mark.parametrize("name", HOSTILE)
def test_prompts_contain_a_text_unchanged(name):
    text = HOSTILE[name]
    for slots in ({"question": text, "answer": "4"}, {"question": "q", "answer": f"So {text}"}):
        rendered = REVERSE_QUESTION.render(**slots)
        assert REVERSE_QUESTION.parse(rendered) == {key: value.strip() for key, value in slots.items()}
        assert rendered.count("Reply with the reverse problem alone") == 1
    assert SOLVE.render(question=text) == text.strip()


@pytest.mark.parametrize("slots", [{"question": "q\n{}", "answer": "a"}, {"question": "q", "answer": "{}"}])
def test_a_text_with_the_prompts_delimiters_is_rejected(slots):
    filled = {name: text.format(HOSTILE["prompt"]) for name, text in slots.items()}
    with pytest.raises(TeacherError, match="contains the prompt's own delimiter"):
        REVERSE_QUESTION.render(**filled)


def test_sets_keep_texts_and_write_no_other_file(inverted: Place, tmp_path: Path):
    both = {"s1k": inverted.s1k, "r1k": inverted.output}
    make_set("mix", **both, output=tmp_path / "mix.jsonl")
    make_set("pairs", **both, output=tmp_path / "pairs.jsonl")
    make_set("half", **both, output=tmp_path / "half.jsonl", data=DATA)
    make_set("revthink", **both, output=tmp_path / "revthink.jsonl")
    make_set("probe", **both, output=tmp_path / "probe.jsonl", data=DATA)
    names = {
        f"{name}.{end}" for name in ("mix", "pairs", "half", "revthink", "probe") for end in ("jsonl", "manifest.json")
    }
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")} == names
    made = {pair.question for pair in read_jsonl(tmp_path / "pairs.jsonl", Pair) if pair.direction == "reverse"}
    assert made == {answer_text(text) for text in HOSTILE.values()}


def test_no_text_adds_or_removes_a_control_token(inverted: Place, tiny_base: Path):
    tokenizer = load_tokenizer(tiny_base)
    special = {id for id, token in tokenizer.added_tokens_decoder.items() if token.special}
    plain = encode(tokenizer, "q", Response(reasoning="r", answer="a"), "x")
    expected = [id for id in plain.prompt + plain.response if id in special]
    for pair in pairs(read_example_pairs(inverted.s1k, inverted.output)):
        for response, tag in ((pair.chosen, None), (pair.rejected, None), (pair.chosen, pair.direction)):
            encoded = encode(tokenizer, pair.question, response, pair.id, tag=tag)
            assert [id for id in encoded.prompt + encoded.response if id in special] == expected


def test_hostile_questions_and_answers_are_generated_and_graded(tiny_base: Path, tmp_path: Path):
    from r1k.evaluate.generate import generate
    from r1k.evaluate.grade import grade_sample

    texts = {name: text for name, text in HOSTILE.items() if len(text) < 1000}
    questions = [
        Question(id=f"{k}-{text}", benchmark="b", question=text, options=[text, "1"], gold="A", kind=text)
        for k, text in enumerate(texts.values())
    ]
    write_jsonl(tmp_path / "b.jsonl", questions)
    output = tmp_path / "out" / "b.jsonl"
    settings = Evaluate(max_new_tokens=2, batch_size=8, dtype="float32")
    generate(
        base=tiny_base,
        questions=[tmp_path / "b.jsonl"],
        outputs=[output],
        repeats=[1],
        evaluate=settings,
        batch_size=settings.batch_size,
        state=tmp_path / "state",
    )
    samples = read_jsonl(output, Sample)
    assert [sample.id for sample in samples] == [question.id for question in questions]
    for question, sample in zip(questions, samples, strict=True):
        assert question.question.strip() in sample.prompt
    for text in HOSTILE.values():
        sample = samples[0].model_copy(update={"completion": f"<|im_start|>think\nx\n<|im_start|>answer\n{text}"})
        for answer_type, options in (("integer", None), ("expression", None), ("choice", ["1", "2"])):
            gold = "A" if answer_type == "choice" else "1234"
            question = questions[0].model_copy(update={"options": options, "gold": gold})
            assert not grade_sample(question, sample, answer_type).correct
    assert {path.name for path in output.parent.iterdir()} == {"b.jsonl", "b.manifest.json"}


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_figure_1_draws_a_text_and_no_mathematics_of_it(name):
    one, other = problem(name, HOSTILE[name]), problem(name, HOSTILE[name])
    with style(), warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = draw(one, other)
        for kind in ("png", "pdf"):
            figure.savefig(io.BytesIO(), format=kind)
    (axes,) = figure.axes
    drawn = [text for text in axes.texts if not text.get_parse_math()]
    shown, _ = fit(HOSTILE[name], TEXT, 72 * 2.71, 6)
    assert set(shown) & {text.get_text() for text in drawn}
    assert not re.search(
        "[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]", "".join(text.get_text() for text in drawn)
    )


def test_figure_1_of_hostile_data_is_made(inverted: Place, tmp_path: Path):
    draw_figure1(s1k=inverted.s1k, r1k=inverted.output, png=tmp_path / "f.png", pdf=tmp_path / "f.pdf")
    assert {path.name for path in tmp_path.iterdir()} == {"f.png", "f.pdf", "f.manifest.json"}


def test_the_exported_card_and_data_hold_texts_as_they_are(inverted: Place, tmp_path: Path):
    import datasets

    from r1k.publish.export import export

    export(s1k=inverted.s1k, r1k=inverted.output, title="made", license="mit", output=tmp_path / "out")
    found = datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    assert found["reverse_question"] == [answer_text(text) for text in HOSTILE.values()]
    assert found["kind"] == found["problem"] == list(HOSTILE.values())
    page = (tmp_path / "out" / "README.md").read_text().partition("\n---\n")[2]
    tags = opened(MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(page))
    assert set(tags) == {"h1", "h2", "p", "em", "pre", "code", "table", "thead", "tbody", "tr", "th", "td", "ul", "li"}
    assert tags["tr"] == 14 + 4 + 1 + len(HOSTILE) + 8
    files = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert files == {"README.md", "manifest.json", "data/train-00000-of-00001.parquet"}


class Tags(HTMLParser):
    """Counts the opened tags, and rejects what a browser would execute or fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: Counter[str] = Counter()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.opened[tag] += 1
        for name, value in attrs:
            assert not name.startswith("on")
            assert name not in ("src", "href") or str(value).startswith("data:image/png;base64,")

    def handle_data(self, data: str) -> None:
        self.text += data


def opened(page: str) -> Counter[str]:
    parser = Tags()
    parser.feed(page)
    return parser.opened


@pytest.mark.parametrize("name", HOSTILE)
def test_tables_and_the_report_show_a_name_as_it_is(name, tmp_path: Path):
    text = HOSTILE[name] if len(HOSTILE[name]) < 1000 else HOSTILE[name][:1000]
    share = wilson(3, 9)
    tally = Tally(
        n=9,
        correct=3,
        unparsed=0,
        truncated=0,
        last_number_correct=None,
        accuracy=share.value,
        low=share.low,
        high=share.high,
    )
    score = tmp_path / "score.json"
    score.write_text(Score(run="r", seed=0, benchmark="b", all=tally).model_dump_json())
    row = Row(run="r", data="s1k", method="sft", base="b", model=text, parent=None, start_data=None)
    spec = TableSpec(
        name="table1", kind="sft", rows=[row],
        benchmarks={"b": text}, seeds=[0], directions=["all"], published=False, notes=[text],
    )  # fmt: skip
    made = {kind: tmp_path / f"table1.{kind}" for kind in ("md", "csv", "tex")}
    make_table(table=spec, scores=[score], markdown=made["md"], csv=made["csv"], latex=made["tex"])
    with made["csv"].open(newline="") as handle:
        assert {(row["model"], row["title"]) for row in csv.DictReader(handle)} == {(text, text), (text, "Average")}
    latex = made["tex"].read_text()
    assert not re.search(r"\\(write|input|immediate|openout|frac|undefined)|(?<!\\)\$\\(?!mathcal|uparrow)", latex)
    assert latex.count(r"\end{") == latex.count(r"\begin{")
    write_report(title=text, description=text, tables=[made["md"]], figures=[], output=tmp_path / "report.html")
    page = Tags()
    page.feed((tmp_path / "report.html").read_text())
    assert not {"script", "img", "a", "b", "i"} & set(page.opened)
    assert page.opened["table"] == 2
    assert page.text.count(one_line(text)) >= 8


@pytest.mark.parametrize("escaped", [r"\ud800", r"a\udc00b", r"\ud83d x"])
def test_a_lone_surrogate_in_a_file_is_named(escaped, tmp_path: Path):
    """JSON can encode it, but no UTF-8 text can hold it."""
    row = json.dumps({"problem": "MARK", "question": "MARK", "answer": "1", "deepseek_thinking_trajectory": "r"})
    source = tmp_path / "in.jsonl"
    source.write_text(row.replace("MARK", escaped)[:-1] + ', "deepseek_attempt": "a", "source_type": "t"}\n')
    with pytest.raises(RecordError, match=r"in\.jsonl:1: field 'question'"):
        get_s1k(data=Data(source=FileSource(kind="file", path=source, problems=2)), output=tmp_path / "s1k.jsonl")
    benchmark = Benchmark(title="T", answer_type="integer", source=FileQuestions(kind="file", path=source, n=1))
    with pytest.raises(RecordError, match=r"in\.jsonl:1: field 'problem'"):
        get_benchmark(name="aime", benchmark=benchmark, output=tmp_path / "q.jsonl")
    place = Place(tmp_path)
    place.write(forward("p"))
    place.s1k.write_text(place.s1k.read_text().replace("question of p", escaped))
    with pytest.raises(RecordError, match=r"s1k\.jsonl:1: not a line of JSON"):
        read_jsonl(place.s1k, Example)
    assert len(lines(source)) == 1
