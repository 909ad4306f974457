"""A merge and a route beside the micro experiment's runs, for real: nothing is trained or generated for them twice."""

import json

import pytest
import yaml
from workflows import MICRO

from examples import lines
from r1k.records import LogProb, Question, Sample, Score, read_jsonl

pytestmark = pytest.mark.slow

RUNS = {
    "both": {
        "method": "merge",
        "merge": {"runs": ["dyn-mix", "dyn-mix-dpo"], "weights": [0.5, 0.5], "merge_method": "ties", "density": 0.5},
        "exclude_held_out": True,
        "probe_every_epochs": 1,
    },
    "turns": {
        "method": "route",
        "route": {"forward": "dyn-mix", "reverse": "both"},
        "exclude_held_out": True,
    },
    "ends": {
        "method": "route",
        "route": {"forward": "dyn-mix-dpo", "reverse": "dyn-mix-dpo"},
        "exclude_held_out": True,
        "probe_every_epochs": 1,
    },
}


@pytest.fixture(scope="module")
def results(finished):
    config = yaml.safe_load(MICRO.read_text())
    config["runs"] |= RUNS
    (finished.directory / "joined.yaml").write_text(yaml.safe_dump(config))
    targets = [
        "results/micro/evaluate/turns/0/aime/score.json",
        *(f"results/micro/{kind}/{run}/0.jsonl" for kind in ("probe", "tracked") for run in ("both", "ends")),
    ]
    done = finished.run(["--configfile", "joined.yaml", "--", *targets])
    counts = dict(line.rsplit(maxsplit=1) for line in done.stderr.splitlines() if line.endswith(("1", "2")))
    assert not any(name.startswith(("train", "pretrain")) for name in counts)
    assert (counts["generate"], counts["merge_both"], counts["route_samples"]) == ("2", "1", "1")
    return finished.directory / "results" / "micro"


def test_a_merge_is_measured_from_the_base_to_what_it_is(results):
    records = read_jsonl(results / "probe" / "both" / "0.jsonl", LogProb)
    assert {(record.run, record.step, record.epoch) for record in records} == {("both", 0, 0.0), ("both", 1, 1.0)}
    base = [line["sum"] for line in lines(results / "probe" / "dyn-mix" / "0.jsonl") if line["step"] == 0]
    assert [record.sum for record in records if record.step == 0] == base
    assert json.loads((results / "runs" / "both" / "0" / "adapter" / "facts.json").read_text())["rank"] == 8


def test_a_routes_answers_and_measurements_are_those_of_its_runs(results):
    questions = read_jsonl(results / "benchmarks" / "aime.jsonl", Question)
    folder = results / "evaluate"
    own = {
        run: read_jsonl(folder / run / "0" / "aime" / "samples.jsonl", Sample) for run in ("turns", "dyn-mix", "both")
    }
    for question, routed, forward, reverse in zip(questions, *own.values(), strict=True):
        assert routed == (forward if question.direction == "forward" else reverse)
    assert Score.model_validate_json((folder / "turns" / "0" / "aime" / "score.json").read_text()).run == "turns"
    ends, whole = (lines(results / "tracked" / run / "0.jsonl") for run in ("ends", "dyn-mix-dpo"))
    assert {line.pop("run") for line in ends} == {"ends"}
    picked = [{key: value for key, value in line.items() if key != "run"} for line in whole]
    assert sorted(map(json.dumps, ends)) == sorted(map(json.dumps, picked))
