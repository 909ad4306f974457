"""Dry runs, graphs and config errors of the workflow; no job runs."""

import json
import shutil
import subprocess

import pytest
import yaml
from workflows import MICRO

from examples import ROOT, read_config
from r1k import config, configdoc

pytestmark = pytest.mark.slow

REMEDIES = ["--configfile", "config/demo.yaml", "config/demo-remedies.yaml"]


def test_demo_is_the_default(workflow):
    planned = workflow.run(["-n", "all"]).stdout
    assert "results/demo/tables/table1.md" in planned and "results/paper" not in planned
    assert "fix-" not in planned and "table3" not in planned


def test_the_paper_is_what_the_slurm_profile_submits(workflow):
    planned = workflow.run(["--profile", "slurm", "-n", "all"])
    assert "results/paper/tables/table1.md" in planned.stdout + planned.stderr


def test_every_run_of_the_paper_is_planned(workflow):
    planned = workflow.run(["--configfile", "config/paper.yaml", "-n", "--", "all"]).stdout
    paper = config.load(ROOT / "config" / "paper.yaml")
    for run in paper.trained_runs:
        assert f"results/paper/runs/{run}/0/adapter" in planned
    assert "results/paper/runs/dyn-mix/0/steps/713" in planned


def test_judging_is_planned_only_with_a_configured_judge(workflow, tmp_path):
    paper = workflow.run(["--configfile", "config/paper.yaml", "-n", "--", "all"]).stdout
    assert "results/paper/evaluate/7b-r1k/0/gpqa/verdicts.jsonl" in paper
    assert "results/paper/tables/disagreements.csv" in paper
    demo = workflow.run(["--configfile", "config/demo.yaml", "-n", "--", "all"]).stdout
    assert "verdicts.jsonl" not in demo and "disagreements" not in demo


def test_a_run_on_a_variant_uses_the_variants_data_sets_and_probe_set(workflow, tmp_path):
    demo = read_config("demo", "demo-remedies")
    demo["runs"]["dyn-mix"]["variant"] = "one-form"
    (tmp_path / "variant.yaml").write_text(yaml.safe_dump(demo))
    planned = workflow.run(["--configfile", "variant.yaml", "-n", "--", "results/demo/probe/dyn-mix/0.jsonl"]).stdout
    for made in ("mix", "probe", "s1k", "r1k"):
        assert f"results/demo/data/one-form/{made}.jsonl" in planned
    assert "results/demo/data/mix.jsonl" not in planned


def test_contaminated_problems_are_found_in_the_benchmarks(workflow, tmp_path):
    """A variant that excludes them depends on the questions; the card and the table of sets count both variants."""
    demo = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text())
    demo["data"]["variants"] = {"clean": {"exclude_contaminated": {"question": "copy"}}, "alike": {"length_ratio": 2}}
    (tmp_path / "clean.yaml").write_text(yaml.safe_dump(demo, sort_keys=False))
    targets = ["results/demo/export/r1k", "results/demo/tables/data-sets.md"]
    planned = workflow.run(["--configfile", "clean.yaml", "-n", "-p", "--", *targets]).stdout
    variants = {
        line.split("--forward ")[1].split("/")[3]: line for line in planned.splitlines() if "make-variant" in line
    }
    benchmarks = " ".join(f"results/demo/benchmarks/{name}.jsonl" for name in demo["benchmarks"])
    assert f"--questions {benchmarks} --forward" in variants["clean"]
    assert "--questions  --forward" in variants["alike"]
    for command in ("r1k export", "r1k make-data-sets-table"):
        (line,) = (line for line in planned.splitlines() if command in line)
        assert "--variants results/demo/data/clean/s1k.jsonl results/demo/data/alike/s1k.jsonl" in line


def test_published_tables_are_compared_with_the_paper(workflow):
    paper = workflow.run(["--configfile", "config/paper.yaml", "-n", "--", "all"]).stdout
    assert "results/paper/tables/against-paper.md" in paper and "results/paper/tables/table2-paired-tests.tex" in paper
    demo = workflow.run(["-n", "all"]).stdout
    assert "against-paper" not in demo and "results/demo/tables/table2-paired-tests.tex" in demo


def test_repeated_answers_are_graded_but_not_scored(workflow, tmp_path):
    demo = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text())
    demo["benchmarks"]["aime4"] = demo["benchmarks"]["aime"] | {"title": "AIME, 4 answers", "repeats": 4}
    (tmp_path / "several.yaml").write_text(yaml.safe_dump(demo))
    planned = workflow.run(["--configfile", "several.yaml", "-n", "--", "all"]).stdout
    assert "results/demo/evaluate/tiny-s1k/0/aime4/graded.jsonl" in planned
    assert "results/demo/evaluate/tiny-s1k/0/aime4/score.json" not in planned


def test_other_content_of_a_file_that_the_config_names_starts_its_rule_again(workflow, tmp_path):
    questions = tmp_path / "own.jsonl"
    questions.write_text('{"problem": "1 + 1?", "answer": "2"}\n')
    micro = yaml.safe_load(MICRO.read_text())
    micro["benchmarks"] = {
        "own": {"answer_type": "integer", "source": {"kind": "file", "path": "own.jsonl", "n": 1}},
    }
    micro["tables"] = {"table1": {"kind": "sft", "rows": ["tiny"]}}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(micro))
    target = ["--configfile", "own.yaml", "--", "results/micro/benchmarks/own.jsonl"]
    workflow.run(target)
    questions.touch()
    assert "Nothing to be done" in workflow.run(["-n", *target]).stdout
    questions.write_text('{"problem": "1 + 2?", "answer": "3"}\n')
    assert "Params have changed" in workflow.run(["-n", *target]).stdout


def test_a_merge_and_a_route_are_planned_from_their_runs_outputs(workflow):
    places = ["probe/{}/0.jsonl", "tracked/{}/0.jsonl", "evaluate/{}/0/gpqa/graded.jsonl"]
    targets = [f"results/paper/{place.format(run)}" for place in places for run in ("fix-dare", "fix-route")]
    configs = ["--configfile", "config/paper.yaml", "config/remedies.yaml"]
    planned = workflow.run([*configs, "-n", "--", *targets]).stdout
    counts = dict(line.split() for line in planned.splitlines() if len(line.split()) == 2)
    rules = ("merge_fix_dare", "train_dyn_s1k", "train_dyn_r1k", "generate", "probe", "route_samples", "route_probe")
    assert [counts[rule] for rule in rules] == ["1", "1", "1", "3", "3", "1", "1"]
    assert "results/paper/runs/fix-route" not in planned


def test_data_remedies_are_planned_from_their_own_data_sets(workflow):
    runs = ("fix-lengths", "fix-disjoint", "fix-revthink", "fix-reverse-first", "fix-tag")
    targets = [f"results/paper/probe/{run}/0.jsonl" for run in runs]
    answers = [f"results/paper/evaluate/{run}/0/gpqa/samples.jsonl" for run in ("fix-tag", "dyn-mix")]
    configs = ["--configfile", "config/paper.yaml", "config/remedies.yaml"]
    planned = workflow.run([*configs, "-n", "-p", "--", *targets, *answers]).stdout
    for made in ("equal-lengths/mix", "equal-lengths/probe", "disjoint", "revthink"):
        assert f"results/paper/data/{made}.jsonl" in planned
    assert "results/paper/runs/stage-reverse/0/adapter" in planned
    commands = [line for line in planned.splitlines() if "r1k generate" in line]
    assert sorted("--run results/paper/runs/fix-tag/0/run.json" in line for line in commands) == [False, True]


def test_every_remedy_has_a_row_and_answers_the_benchmarks_of_its_tables(workflow):
    planned = workflow.run([*REMEDIES, "-n", "--", *(f"results/demo/tables/table{n}.md" for n in (3, 4))]).stdout
    counts = dict(line.split() for line in planned.splitlines() if len(line.split()) == 2)
    demo = config.validate(config.Experiment, read_config("demo", "demo-remedies"))
    remedies = [run for run in demo.runs if run.startswith("fix-")]
    assert set(demo.tables["table3"].rows) == set(demo.tables["table4"].rows) == {"dyn-mix", *remedies}
    # The route selects from the answers of two more runs and generates none.
    assert int(counts["generate_math"]) == len(remedies) + 2 and "generate" not in counts
    assert all(f"results/demo/tracked/{run}/0.jsonl" in planned for run in remedies)


def test_generation_depends_on_run_json_only_for_tagged_runs(workflow):
    """Neither inputs nor params of other runs change, so their answers are not generated again."""
    jobs = workflow.run([*REMEDIES, "-n", "--", "results/demo/evaluate/dyn-mix/0/math/samples.jsonl"]).stdout
    (job,) = (part for part in jobs.split("rule ") if part.startswith("generate_math:"))
    assert "run.json" not in job


def test_paraphrases_are_requested_only_for_tracked_runs_and_not_from_a_replay_teacher(workflow, tmp_path):
    targets = [f"results/demo/tracked/{run}/0.jsonl" for run in ("dyn-mix", "fix-ipo")]
    planned = workflow.run([*REMEDIES, "-n", "-p", "--", *targets]).stdout
    commands = {line.split("--run ")[1].split("/")[3]: line for line in planned.splitlines() if "r1k probe" in line}
    assert "--paraphrases results/demo/data/paraphrases.jsonl" in commands["dyn-mix"]
    assert "--paraphrases  --steps" in commands["fix-ipo"]
    demo = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text())
    demo["teacher"] = {"kind": "replay", "path": "pairs.jsonl"}
    (tmp_path / "replayed.yaml").write_text(yaml.safe_dump(demo))
    refused = workflow.run(["--configfile", "replayed.yaml", "-n", "--", "all"], check=False)
    assert "probe.tracked: a replay teacher writes no paraphrases" in refused.stdout + refused.stderr


def test_arms_are_added_to_an_experiment_by_a_second_file(workflow):
    configs = ["--configfile", "config/smollm2.yaml", "config/smollm2-arms.yaml"]
    planned = workflow.run([*configs, "-n", "--", "results/smollm2-arms/tables/claims.md"]).stdout
    counts = dict(line.split() for line in planned.splitlines() if len(line.split()) == 2)
    runs = [f"train_smollm2_{data}{further}" for data in ("s1k", "r1k", "mix") for further in ("", "_dpo")]
    assert [counts[run] for run in runs] == ["1"] * 6 and counts["probe"] == "6" and "generate" not in counts


def test_the_kernel_is_measured_at_the_end_of_sft_or_at_a_probed_epoch(workflow, tmp_path):
    target = "results/demo/ntk/dyn-mix/0.jsonl"
    planned = workflow.run(["-n", "-p", "--", target]).stdout
    assert "--adapter results/demo/runs/dyn-mix/0/adapter" in planned and '"step": 55' in planned
    demo = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text())
    demo["ntk"]["epoch"] = 4
    (tmp_path / "earlier.yaml").write_text(yaml.safe_dump(demo))
    planned = workflow.run(["--configfile", "earlier.yaml", "-n", "-p", "--", target]).stdout
    assert "--adapter results/demo/runs/dyn-mix/0/steps/28" in planned and '"step": 28' in planned
    demo["ntk"]["epoch"] = 3
    (tmp_path / "wrong.yaml").write_text(yaml.safe_dump(demo))
    refused = workflow.run(["--configfile", "wrong.yaml", "-n", "--", target], check=False)
    assert (
        "ntk.epoch: 3 is not a probed epoch of run 'dyn-s1k', which has 2, 4, 6, 8" in refused.stdout + refused.stderr
    )


def test_an_experiment_replaces_the_default_and_is_not_merged_into_it(workflow):
    planned = workflow.run(["--configfile", "config/smollm2.yaml", "-n", "--", "all"]).stdout
    assert "tiny" not in planned


@pytest.mark.parametrize("graph", [["--dag", "dot"], ["--rulegraph", "dot"], ["--dag", "mermaid-js"]])
def test_the_graph_is_drawn(workflow, graph):
    drawn = workflow.run(graph).stdout
    assert ("digraph" if "dot" in graph else "flowchart") in drawn
    assert "train_tiny_mix_dpo" in drawn and "make_table" in drawn


def test_a_rulegraph_is_drawn_as_mermaid(workflow):
    assert "flowchart" in workflow.run(["--rulegraph", "mermaid-js"]).stdout


def test_graphviz_reads_the_dot_graph(workflow, tmp_path):

    if shutil.which("dot") is None:
        pytest.skip("graphviz is not installed")
    drawn = workflow.run(["--rulegraph", "dot"]).stdout
    made = subprocess.run(["dot", "-Tsvg"], input=drawn, capture_output=True, text=True, check=True)
    assert "<svg" in made.stdout


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"runz": {}}, "runz: unknown key (did you mean 'runs'?)"),
        ({"tables": {"table1": {"kind": "sft", "rows": ["tiny-s1"]}}}, "tables.table1.rows: no run 'tiny-s1'"),
    ],
)
def test_an_invalid_config_is_an_error_that_names_the_key(workflow, tmp_path, change, message):
    experiment = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text()) | change
    (tmp_path / "wrong.yaml").write_text(json.dumps(experiment))
    refused = workflow.run(["--configfile", "wrong.yaml", "-n", "--", "all"], check=False)
    assert refused.returncode != 0
    assert message in refused.stdout + refused.stderr and "wrong.yaml" in refused.stdout + refused.stderr


def test_config_docs_and_schema_are_up_to_date():
    assert (ROOT / "config" / "README.md").read_text() == configdoc.page(), "run `make docs`"
    for name, schema in config.schemas().items():
        assert json.loads((ROOT / "workflow" / "schemas" / name).read_text()) == schema, "run `make docs`"
