import base64
import re

import pytest
from matplotlib.image import imread

from r1k.data.audit.formats import summarize_format
from r1k.data.audit.records import Audit, ExampleFacts, Overlap, OverlapSummary, Separability, Share
from r1k.errors import RecordError
from r1k.files import write_json
from r1k.intervals import Interval
from r1k.records import DIRECTIONS, write_jsonl
from r1k.report.pages.audit import write_audit_page

TEXT = "<script>alert(1)</script> & |x| < 3"


def fact(k: int, direction: str) -> ExampleFacts:
    return ExampleFacts(
        id=f"{k}-{direction}",
        problem=f"p{k}",
        direction=direction,
        kind="k",
        grade=None if direction == "reverse" else k % 2 == 0,
        prompt=40 + k,
        response=900 + 50 * k,
        answer=60 + k,
        boxed=k % 3 == 0,
        says_answer=False,
        starts_with_answer=False,
        trained_with_answer=True,
        stray_marks=[],
        ascii=0.9,
        scripts={"LATIN": 100, "CJK": k},
    )


def overlap(question: str, text: str | None, longest: int) -> Overlap:
    return Overlap(
        problem="p1",
        direction="reverse",
        where="response",
        benchmark=question.split("-")[0],
        question=question,
        ngrams=3,
        question_ngrams=20,
        longest=longest,
        words=30,
        exact=False,
        text=text,
    )


@pytest.fixture
def make(tmp_path):
    """Write and return the page for the given overlaps."""

    def call(overlaps: list[Overlap]) -> str:
        facts = [fact(k, direction) for direction in DIRECTIONS for k in range(6)]
        none = Share(count=0, n=6, interval=Interval(0.0, 0.0, 0.4))
        half = Interval(0.5, 0.4, 0.6)
        audit = Audit(
            base="tiny",
            problems=6,
            contamination=[
                OverlapSummary(
                    benchmark=name,
                    direction=direction,
                    where=where,
                    examples=none,
                    questions=none,
                    ngrams=0,
                    longest=0,
                    exact=0,
                    too_short=2,
                )
                for name in ("open", "closed")
                for where in ("question", "response")
                for direction in DIRECTIONS
            ],
            formats=[summarize_format(d, [f for f in facts if f.direction == d], [1000]) for d in DIRECTIONS],
            separability=[
                Separability(prompts="all", end="first", tokens=50, n=24, problems=6, accuracy=half, auc=half)
            ],
        )
        write_json(tmp_path / "audit.json", audit.model_dump(mode="json"))
        write_jsonl(tmp_path / "contamination.jsonl", overlaps)
        write_jsonl(tmp_path / "examples.jsonl", facts)
        write_audit_page(
            title="<b>x",
            summary=tmp_path / "audit.json",
            contamination=tmp_path / "contamination.jsonl",
            examples=tmp_path / "examples.jsonl",
            output=tmp_path / "audit.html",
        )
        return (tmp_path / "audit.html").read_text()

    return call


@pytest.mark.parametrize("overlaps", [[], [overlap("open-3", "some text", 9)]])
def test_the_page_stands_alone_with_four_plots(make, tmp_path, overlaps):
    page = make(overlaps)
    assert not re.search(r"https?:|<script|<link|href=|url\(", page)
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert len(pictures) == page.count("<img") == 4
    for picture in pictures:
        (tmp_path / "picture.png").write_bytes(base64.b64decode(picture))
        drawn = imread(tmp_path / "picture.png")
        assert drawn.shape[1] > 1000 and drawn.std() > 0.05


def test_text_of_the_data_is_text(make):
    page = make([overlap("open-3", TEXT, 9)])
    assert TEXT not in page and "&lt;script&gt;alert(1)&lt;/script&gt; &amp; |x| &lt; 3" in page
    assert "<b>x" not in page


def test_the_longest_overlaps_come_first_and_what_may_not_be_quoted_has_its_id_alone(make):
    page = make([overlap("open-3", "some text", 9), overlap("closed-7", None, 12)])
    assert page.index("closed-7") < page.index("open-3")
    assert "not redistributable" in page


def test_counts_are_on_the_page(make):
    page = make([])
    assert "2 of open, 2 of closed" in page
    assert re.search(r"<td>answer contains \\boxed\{…\}</td><td>2 of 6, 33 % \[10, 70\]</td>", page)
    assert "<td>graded correct</td><td>3 of 6, 50 % [19, 81]</td><td>0 of 0</td>" in page
    assert re.search(r"<td>1,000</td><td>forward</td><td>4 of 6", page)


def test_a_broken_record_is_named(make, tmp_path):
    make([])
    (tmp_path / "contamination.jsonl").write_text('{"problem": "p"}\n')
    with pytest.raises(RecordError, match=r"contamination\.jsonl:1: field 'direction' is missing"):
        write_audit_page(
            title="x",
            summary=tmp_path / "audit.json",
            contamination=tmp_path / "contamination.jsonl",
            examples=tmp_path / "examples.jsonl",
            output=tmp_path / "again.html",
        )
    assert not (tmp_path / "again.html").exists()
