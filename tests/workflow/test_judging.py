"""Grading with a judge in the workflow, with prepared answers and a judge on loopback."""

import csv
import json

import pytest
import yaml
from faulty_teacher import KEY, KEY_VARIABLE
from loopback_judge import LiteralJudge, judge_at, judge_server
from workflows import MICRO, Workflow

from r1k.config import Experiment, validate
from r1k.records import Graded, Question, Sample, read_jsonl, write_jsonl
from r1k.teacher.server import running

ANSWERS = {"integer": ("12", "\\boxed{12}"), "expression": ("\\frac{1}{2}", "\\boxed{0.5}"), "choice": ("A", "A or B?")}
"""The gold answer and the answer of every model."""
RULES = ["judge", "grade", "score", "list_disagreements"]


@pytest.fixture
def experiment(workflow: Workflow) -> Experiment:
    """Return the micro experiment with prepared questions and answers."""
    found = validate(Experiment, yaml.safe_load(MICRO.read_text()))
    results = workflow.directory / "results" / "micro"
    for name, benchmark in found.benchmarks.items():
        gold, answer = ANSWERS[benchmark.answer_type]
        options = ["one", "two"] if benchmark.answer_type == "choice" else None
        question = Question(id="q", benchmark=name, question="Which?", options=options, gold=gold, kind="k")
        write_jsonl(results / "benchmarks" / f"{name}.jsonl", [question])
        sample = Sample(id="q", benchmark=name, prompt="p", completion=answer, tokens=1, truncated=False)
        for run in dict.fromkeys(run for table in found.tables for run in found.table_runs(table)):
            write_jsonl(results / "evaluate" / run / "0" / name / "samples.jsonl", [sample])
    return found


@pytest.mark.slow
def test_the_judge_runs_between_generation_and_grading(workflow: Workflow, experiment: Experiment):
    with running(judge_server(LiteralJudge())) as server:
        settings = yaml.safe_load(MICRO.read_text())
        judge = judge_at(server)
        settings["evaluate"] |= {"grader": "s1", "judge": judge.model_dump() | {"client": judge.client.model_dump()}}
        (workflow.directory / "judged.yaml").write_text(yaml.safe_dump(settings))
        targets = ["results/micro/tables/disagreements.md", "results/micro/evaluate/tiny/0/math/score.json"]
        workflow.run(
            ["--configfile", "judged.yaml", "--cores", "2", "--allowed-rules", *RULES, "--", *targets],
            more={KEY_VARIABLE: KEY, "NO_PROXY": "127.0.0.1"},
        )
        assert server.total == 2, "equal answers of all runs are asked about once; digits never"
    place = workflow.directory / "results" / "micro"
    (math,) = read_jsonl(place / "evaluate" / "tiny" / "0" / "math" / "graded.jsonl", Graded)
    assert (math.rules, math.judge, math.correct, math.rule) == (True, False, False, "judge")
    score = json.loads((place / "evaluate" / "tiny" / "0" / "math" / "score.json").read_text())
    assert (score["all"]["n"], score["all"]["correct"]) == (1, 0)
    (gpqa,) = read_jsonl(place / "evaluate" / "tiny" / "0" / "gpqa" / "graded.jsonl", Graded)
    assert (gpqa.rule, gpqa.extracted, gpqa.judge) == ("unparsed", None, False)
    assert gpqa.judge_rationale.endswith("Letter: none")
    listed = csv.DictReader((place / "tables" / "disagreements.csv").read_text().splitlines(keepends=True))
    assert len(list(listed)) == len({run for table in experiment.tables for run in experiment.table_runs(table)})
    written = [path for path in workflow.directory.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not any(KEY.encode() in path.read_bytes() for path in written)
