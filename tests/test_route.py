"""Routing between two runs: selection by direction, under the routed run's name."""

import json

import pytest

from r1k.cli import main
from r1k.errors import RecordError
from r1k.records import METRICS, LogProb, Question, Sample, Tracked, read_jsonl, write_jsonl
from r1k.route import route_probe, route_samples

RUNS = {"forward": "f", "reverse": "r"}


def sample(identity: str, run: str, number: int = 0) -> Sample:
    words = {"benchmark": "b", "prompt": "?", "completion": f"by {run}, {number}", "tokens": 1, "truncated": False}
    return Sample(id=identity, sample=number, **words)


def question(identity: str, direction: str | None) -> Question:
    return Question(id=identity, benchmark="b", direction=direction, question="?", gold="1", kind="k")


@pytest.fixture
def answered(tmp_path):
    write_jsonl(tmp_path / "b.jsonl", [question("q1", "reverse"), question("q2", "forward"), question("q3", None)])
    for run in RUNS.values():
        samples = [sample(f"q{q}", run, number) for q in (1, 2, 3) for number in (0, 1)]
        write_jsonl(tmp_path / f"{run}.jsonl", samples)
    return tmp_path


def test_answers_come_from_the_run_of_the_questions_direction(answered):
    out = answered / "samples.jsonl"
    route_samples(
        questions=answered / "b.jsonl",
        forward_run=answered / "f.jsonl",
        reverse_run=answered / "r.jsonl",
        output=out,
    )
    found = [(s.id, s.sample, s.completion) for s in read_jsonl(out, Sample)]
    assert found == [(f"q{q}", n, f"by {run}, {n}") for q, run in ((1, "r"), (2, "f"), (3, "f")) for n in (0, 1)]
    facts = json.loads((answered / "samples.manifest.json").read_text())["facts"]
    assert facts == {"n": 6, "questions": {"forward": 2, "reverse": 1}}


def test_a_question_without_an_answer_is_named(answered):
    write_jsonl(answered / "r.jsonl", [sample("q2", "r")])
    with pytest.raises(RecordError, match=r"r\.jsonl: field 'id': no answer to 'q1'"):
        route_samples(
            questions=answered / "b.jsonl",
            forward_run=answered / "f.jsonl",
            reverse_run=answered / "r.jsonl",
            output=answered / "samples.jsonl",
        )


def measure(folder, run: str, steps: tuple[int, ...]) -> None:
    where = [(step, problem, direction) for step in steps for problem in ("p", "q") for direction in RUNS]
    common = [
        {"run": run, "seed": 0, "step": step, "epoch": step / 4, "split": "train", "problem": problem}
        | {"direction": direction, "tokens": 2, "truncated": False}
        for step, problem, direction in where
    ]
    write_jsonl(folder / f"{run}.jsonl", [LogProb(response="chosen", sum=-1, mean=-0.5, **line) for line in common])
    values = dict.fromkeys(METRICS, 0.0) | {"rank": 1.0}
    tracked = [
        Tracked(response="chosen", source_problem=line["problem"], span="all", **values, **line) for line in common
    ]
    write_jsonl(folder / f"{run}-tracked.jsonl", tracked)


def route(folder) -> None:
    route_probe(
        run="both",
        **{f"{direction}_run": folder / f"{run}.jsonl" for direction, run in RUNS.items()},
        **{f"{direction}_tracked": folder / f"{run}-tracked.jsonl" for direction, run in RUNS.items()},
        output=folder / "probe.jsonl",
        tracked=folder / "tracked.jsonl",
    )


def test_measurements_come_from_the_run_of_the_prompts_direction(tmp_path):
    measure(tmp_path, "f", (0, 4, 8))
    measure(tmp_path, "r", (0, 8))
    route(tmp_path)
    for path, kind in ((tmp_path / "probe.jsonl", LogProb), (tmp_path / "tracked.jsonl", Tracked)):
        found = read_jsonl(path, kind)
        assert {record.run for record in found} == {"both"}
        keys = [(record.step, record.direction, record.problem) for record in found]
        assert keys == [(step, direction, problem) for step in (0, 8) for direction in RUNS for problem in ("p", "q")]


def test_runs_with_different_last_steps_are_rejected(tmp_path, capsys):
    measure(tmp_path, "f", (0, 4, 8))
    measure(tmp_path, "r", (0, 4))
    with pytest.raises(RecordError, match=r"r\.jsonl: its last step is 4, but 8 in .*f\.jsonl"):
        route(tmp_path)
    files = [f"--{name}={tmp_path / file}" for name, file in (("forward-run", "f.jsonl"), ("reverse-run", "r.jsonl"))]
    files += [f"--{d}-tracked={tmp_path / RUNS[d]}-tracked.jsonl" for d in RUNS]
    assert main(["route-probe", "--run=both", *files, f"--output={tmp_path / 'o'}", f"--tracked={tmp_path / 't'}"]) == 2
    assert "route between runs that are probed at the same last step" in capsys.readouterr().err
