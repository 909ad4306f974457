import json

import pytest

from examples import make_both
from r1k.config import AuditSpec
from r1k.data.audit.audit import audit
from r1k.data.audit.contamination import read_benchmarks
from r1k.data.audit.records import ExampleFacts, read_audit, read_overlaps
from r1k.data.sets import make_set
from r1k.errors import RecordError
from r1k.records import Example, Question, read_jsonl, write_jsonl

SPEC = AuditSpec(redistributable=["open"], limits=[120, 4096], pair_limit=100_000)


def write_questions(path, name, texts):
    write_jsonl(path, [Question(id=f"{name}-{k}", benchmark=name, question=t, gold="1", kind="k") for k, t in texts])
    return path


@pytest.fixture
def run(tmp_path, both_files, tiny_base):
    """Return a function that audits eight problems against benchmark files."""

    def call(questions):
        s1k, r1k = both_files
        make_set("pairs", s1k=s1k, r1k=r1k, output=tmp_path / "pairs.jsonl")
        places = {"output": "audit.json", "contamination": "contamination.jsonl", "examples": "examples.jsonl"}
        outputs = {key: tmp_path / "audit" / name for key, name in places.items()}
        audit(
            audit=SPEC,
            s1k=s1k,
            r1k=r1k,
            pairs=tmp_path / "pairs.jsonl",
            base=tiny_base,
            questions=questions,
            **outputs,
        )
        return outputs

    return call


def test_two_benchmarks_and_both_directions_are_audited(run, tmp_path):
    forward, reverse = make_both(8)
    copy, near = forward[3].question, f"{reverse[5].question} Say why."
    outputs = run(
        [
            write_questions(tmp_path / "open.jsonl", "open", [(0, copy), (1, "Short.")]),
            write_questions(tmp_path / "closed.jsonl", "closed", [(0, near)]),
        ]
    )
    summary = read_audit(outputs["output"])
    lines = {(line.benchmark, line.direction, line.where): line for line in summary.contamination}
    assert len(lines) == 2 * 2 * 2
    hit = lines["open", "forward", "question"]
    assert (hit.examples.count, hit.examples.n, hit.questions.count, hit.questions.n) == (1, 8, 1, 2)
    assert (hit.exact, hit.longest, hit.too_short) == (1, len(copy.split()), 1)
    assert lines["closed", "reverse", "question"].exact == 0
    assert lines["closed", "reverse", "question"].longest == len(reverse[5].question.split())
    assert lines["open", "forward", "response"].examples.count == 0
    texts = {overlap.benchmark: overlap.text for overlap in read_overlaps(outputs["contamination"])}
    assert texts["open"] == copy.lower() and texts["closed"] is None
    assert "Say why" not in "".join(path.read_text() for path in outputs.values())


def test_every_example_has_facts_and_the_manifest_lists_all_files(run, tmp_path):
    outputs = run([write_questions(tmp_path / "open.jsonl", "open", [(0, "A question of other words.")])])
    details = read_jsonl(outputs["examples"], ExampleFacts)
    assert len(details) == 16 and all(fact.boxed for fact in details)
    summary = read_audit(outputs["output"])
    assert [form.direction for form in summary.formats] == ["forward", "reverse"]
    assert [cut.examples.count for cut in summary.formats[1].truncations] == [8, 0]
    assert len(summary.separability) == 6 and summary.problems == 8
    manifest = json.loads((tmp_path / "audit" / "audit.manifest.json").read_text())
    assert set(manifest["facts"]["files"]) == {"audit.json", "contamination.jsonl", "examples.jsonl"}
    assert manifest["facts"]["overlaps"] == 0 and read_overlaps(outputs["contamination"]) == []


def test_each_file_must_hold_one_benchmark(tmp_path):
    one = write_questions(tmp_path / "one.jsonl", "a", [(0, "What?")])
    with pytest.raises(RecordError, match=r"two\.jsonl: field 'benchmark': a; a file must hold one benchmark"):
        read_benchmarks([one, write_questions(tmp_path / "two.jsonl", "a", [(0, "What?")])])
    mixed = [Question(id=n, benchmark=n, question="What?", gold="1", kind="k") for n in "ab"]
    write_jsonl(tmp_path / "mixed.jsonl", mixed)
    with pytest.raises(RecordError, match="field 'benchmark': a, b"):
        read_benchmarks([tmp_path / "mixed.jsonl"])


def test_an_invalid_audit_is_named(tmp_path):
    with pytest.raises(RecordError, match=r"none\.json: no such file"):
        read_audit(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text('{"base": "b"}')
    with pytest.raises(RecordError, match=r"bad\.json: not an audit"):
        read_audit(tmp_path / "bad.json")


def test_formats_of_real_rows_equal_a_manual_count(run, tmp_path, both_files, shared_data):
    rows = [json.loads(line) for line in (shared_data / "s1k_r1k_20.jsonl").read_text().splitlines()]
    for path, direction in zip(both_files, ("forward", "reverse"), strict=True):
        columns = {
            "forward": ("question", "deepseek_thinking_trajectory", "deepseek_attempt"),
            "reverse": ("reverse_question", "reverse_thinking", "reverse_attempt"),
        }[direction]
        texts = [dict(zip(("question", "reasoning", "answer"), map(row.get, columns), strict=True)) for row in rows]
        write_jsonl(
            path,
            [
                Example(id=f"{k}-{direction}", problem=f"{k}", direction=direction, kind="k", **text)
                for k, text in enumerate(texts)
            ],
        )
    benchmarks = [
        write_questions(tmp_path / f"{name}.jsonl", name, enumerate(_problems(shared_data / f"{name}.jsonl")))
        for name in ("aime24_30", "math500_50")
    ]
    summary = read_audit(run(benchmarks)["output"])
    forward, reverse = summary.formats
    assert [form.boxed.count for form in (forward, reverse)] == [16, 19]
    assert [form.starts_with_answer.count for form in (forward, reverse)] == [0, 20]
    assert [form.trained_with_answer.count for form in (forward, reverse)] == [20, 20]
    assert all(line.examples.count == 0 for line in summary.contamination)
    assert {line.accuracy.value for line in summary.separability if line.prompts == "all"} == {0.5}


def _problems(path):
    return [json.loads(line)["problem"] for line in path.read_text().splitlines()]
