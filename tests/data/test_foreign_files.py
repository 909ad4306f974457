"""Files of other people: read as they are meant, or refused by file, line and what to do."""

import gzip
import json
import os

import pandas
import pytest

from r1k.config import Benchmark, Data, FileQuestions, FileSource
from r1k.data.benchmarks import get_benchmark
from r1k.data.columns import number_text
from r1k.data.s1k import get_s1k
from r1k.errors import RecordError
from r1k.records import Example, Question, iterate_objects, read_jsonl

ROWS = [{"problem": "Größe von π?", "answer": "3"}, {"problem": "2 + 2?", "answer": "4"}]
LINES = [json.dumps(row, ensure_ascii=False) for row in ROWS]
BOM = "\ufeff"


def questions(path, n=2, answer_type="integer"):
    benchmark = Benchmark(answer_type=answer_type, source=FileQuestions(kind="file", path=path, n=n))
    get_benchmark(name="aime", benchmark=benchmark, output=path.with_name("out.jsonl"))
    return [(question.question, question.gold) for question in read_jsonl(path.with_name("out.jsonl"), Question)]


@pytest.mark.parametrize(
    "text",
    [
        "{}\n{}\n",
        "{}\n{}",
        BOM + "{}\n{}\n",
        BOM + "{}\n" + BOM + "{}\n",
        "{}\r\n{}\r\n",
        BOM + "{}\r\n\r\n{}\r\n\r\n",
        "{}\r{}\r",
        "{}\n{}\n\n\n",
        "\n{}\n \t\n{}\n",
        BOM + "\n{}\n{}\n" + BOM,
    ],
)
def test_line_ends_marks_and_blank_lines_do_not_matter(tmp_path, text):
    path = tmp_path / "b.jsonl"
    path.write_bytes(text.format(*LINES).encode())
    assert questions(path) == [("Größe von π?", "3"), ("2 + 2?", "4")]


def test_only_cr_and_lf_end_a_line(tmp_path):
    path = tmp_path / "b.jsonl"
    path.write_text(
        json.dumps({"problem": "a\u2028b\u0085c\u000bd", "answer": "1"}, ensure_ascii=False) + "\n", "utf-8"
    )
    assert questions(path, 1) == [("a\u2028b\u0085c\u000bd", "1")]


def test_lines_are_counted_with_the_blank_ones(tmp_path):
    path = tmp_path / "b.jsonl"
    path.write_text(f"{LINES[0]}\n\n\r\n{{half\n")
    with pytest.raises(RecordError, match=r"b\.jsonl:4: not a line of JSON"):
        questions(path)


def test_records_are_read_with_marks_and_blank_lines(tmp_path):
    path = tmp_path / "q.jsonl"
    record = Question(id="a", benchmark="b", question="q", gold="1", kind="k").model_dump_json()
    path.write_bytes(f"{BOM}{record}\r\n\r\n".encode())
    assert [question.id for question in read_jsonl(path, Question)] == ["a"]
    path.write_bytes(f"{BOM}\n\n".encode())
    with pytest.raises(RecordError, match=r"q\.jsonl: holds no records"):
        read_jsonl(path, Question)


def parquet(path):
    pandas.DataFrame(ROWS).to_parquet(path)


def feather(path):
    pandas.DataFrame(ROWS).to_feather(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda path: path.write_bytes(gzip.compress("\n".join(LINES).encode())), "compressed with gzip; .*gunzip"),
        (parquet, "a Parquet file; convert it with `python -c .*read_parquet"),
        (feather, "an Arrow file; convert it with"),
        (lambda path: path.write_text("\n".join(LINES), "utf-16"), r"encoded as UTF-16; .*iconv -f UTF-16 -t UTF-8"),
        (lambda path: path.write_text("\n".join(LINES), "utf-16-be"), "NUL bytes"),
        (lambda path: path.write_text("\n".join(LINES), "utf-16-le"), "NUL bytes; .*iconv -f UTF-16LE"),
        (lambda path: path.write_text("\n".join(LINES), "utf-32"), "encoded as UTF-32"),
        (lambda path: path.write_bytes(b"\0" * 100), "NUL bytes; restore the file"),
        (lambda path: path.write_text(json.dumps(ROWS)), r"a JSON array, not JSON lines; .*jq -c '\.\[\]'"),
        (lambda path: path.write_text(json.dumps(ROWS, indent=2)), "a JSON array, not JSON lines"),
        (lambda path: path.write_text(json.dumps({"data": ROWS}, indent=2)), r":1: .*on one line: .*`jq -c \."),
        (lambda path: path.write_text("problem,answer\n2 + 2?,4\n"), r":1: not a line of JSON"),
        (lambda path: path.write_text(repr(ROWS[1])), r":1: not a line of JSON .*double quotes"),
        (lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid x\n"), "git lfs pull"),
        (lambda path: path.write_text("\n<!DOCTYPE html>\n<html></html>\n"), "an HTML or XML page"),
        (lambda path: path.mkdir(), "cannot be read .*; name a JSONL file"),
        (lambda path: path.touch(), "0 questions, but .* is 2"),
    ],
)
def test_a_file_of_another_format_is_named_with_its_remedy(tmp_path, content, message):
    path = tmp_path / "b.jsonl"
    content(path)
    with pytest.raises(RecordError, match=rf"b\.jsonl.*{message}"):
        questions(path)


def test_an_unreadable_file_is_named(tmp_path):
    path = tmp_path / "b.jsonl"
    path.symlink_to(path)
    with pytest.raises(RecordError, match=r"b\.jsonl: no such file"):
        questions(path)
    if os.getuid():
        other = tmp_path / "c.jsonl"
        other.touch(mode=0)
        with pytest.raises(RecordError, match=r"c\.jsonl: cannot be read \(Permission denied\)"):
            questions(other)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"problem": "caf\xe9", "answer": "1"}'.encode("latin-1"), "byte 0xe9 at position 17 is not UTF-8; .*iconv"),
        (b'{"problem": "\xed\xa0\x80", "answer": "1"}', "byte 0xed at position 14 is not UTF-8"),
        (b'{"problem": "\\ud800", "answer": "1"}', "field 'problem' holds half of a surrogate pair"),
        (b'{"problem": "p", "answer": NaN}', "NaN is not a number in JSON"),
        (b'{"problem": "p", "answer": 1, "x": [-Infinity]}', "-Infinity is not a number in JSON"),
        (b'{"problem": "p", "answer": 1e400}', "field 'answer' is not a finite number"),
        (b'{"problem": "p", "answer": "1", "answer": "2"}', "key 'answer' occurs twice"),
        (b'{"problem": "p", "answer": ' + b"9" * 5000 + b"}", "not a line of JSON"),
        (b"[" * 100_000, "not a line of JSON .nested too deeply"),
        (b'{"problem": "p", "answer": "1"}{"problem": "q", "answer": "2"}', "not a line of JSON .Extra data"),
        (b'{"problem": "p\tq", "answer": "1"}', "not a line of JSON .Invalid control character"),
        (b'"problem"', "not a JSON object"),
        (b"null", "not a JSON object"),
    ],
)
def test_a_bad_line_is_named_with_its_reason(tmp_path, line, message):
    path = tmp_path / "b.jsonl"
    path.write_bytes(LINES[0].encode() + b"\n" + line + b"\n")
    with pytest.raises(RecordError, match=rf"b\.jsonl:2: .*{message}"):
        questions(path)
    assert not path.with_name("out.jsonl").exists()


def test_a_whole_surrogate_pair_is_text(tmp_path):
    path = tmp_path / "b.jsonl"
    path.write_text('{"problem": "\\ud835\\udc65?", "answer": "1"}\n')
    assert questions(path, 1) == [("𝑥?", "1")]


@pytest.mark.parametrize(
    ("written", "answer_type", "gold"),
    [
        ("204", "integer", "204"),
        ("204.0", "integer", "204"),
        ("-7.0", "integer", "-7"),
        ("2.5", "expression", "2.5"),
        ("204.0", "expression", "204.0"),
        ("1e-05", "expression", "0.00001"),
        ("0", "integer", "0"),
        ('" 070 "', "integer", "070"),
    ],
)
def test_numbers_are_answers(tmp_path, written, answer_type, gold):
    path = tmp_path / "b.jsonl"
    path.write_text(f'{{"problem": "p", "answer": {written}}}\n')
    assert questions(path, 1, answer_type) == [("p", gold)]


def test_numbers_have_no_exponent():
    assert [number_text(value) for value in (3, 1e22, -2.5e-7, 10**30)] == [
        "3",
        "1" + "0" * 22,
        "-0.00000025",
        "1" + "0" * 30,
    ]


def test_a_forward_set_is_read_in_the_same_way(tmp_path):
    row = {
        "question": "What is 2 + 2?",
        "deepseek_thinking_trajectory": "two and two",
        "deepseek_attempt": 4,
        "solution": 4,
        "source_type": "k",
    }
    path = tmp_path / "s.jsonl"
    path.write_bytes(f"{BOM}{json.dumps(row)}\r\n\r\n{json.dumps(row | {'deepseek_grade': None})}".encode())
    get_s1k(data=Data(source=FileSource(kind="file", path=path, problems=2)), output=tmp_path / "s1k.jsonl")
    examples = read_jsonl(tmp_path / "s1k.jsonl", Example)
    assert [(e.problem, e.answer, e.gold, e.grade) for e in examples] == [
        ("s1k-0000", "4", "4", None),
        ("s1k-0001", "4", "4", None),
    ]
    path.write_text(json.dumps(row | {"deepseek_attempt": "\ud83d"}) + "\n")
    with pytest.raises(RecordError, match=r"s\.jsonl:1: field 'deepseek_attempt' holds half of a surrogate pair"):
        get_s1k(data=Data(source=FileSource(kind="file", path=path, problems=2)), output=tmp_path / "s1k.jsonl")


def test_the_place_of_an_object_is_its_line(tmp_path):
    path = tmp_path / "b.jsonl"
    path.write_text("\n\n{}\n\n{}")
    assert [where for where, _ in iterate_objects(path)] == [f"{path}:3", f"{path}:5"]
