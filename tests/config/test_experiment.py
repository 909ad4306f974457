"""What follows from a config: settings, steps, identities, specifications."""

from typing import get_args

import pytest
import yaml
from configs import CONFIGS, changed

from examples import ROOT, read_config
from r1k.config import DataName, Experiment, load, resolved, validate
from r1k.errors import ConfigError
from r1k.report.tables.accuracy.page import DATA_SYMBOLS
from r1k.train.describe import plan


def test_dpo_trains_the_adapter_that_its_parent_began(demo):
    wide = validate(Experiment, changed(demo, "runs/tiny-mix/overrides", {"lora": {"r": 8}}))
    assert wide.lora("tiny-mix-dpo").r == wide.lora("tiny-mix").r == 8
    assert wide.digest("tiny-mix-dpo", 0) != validate(Experiment, demo).digest("tiny-mix-dpo", 0)


def test_titles_default_to_names(demo):
    del demo["bases"]["tiny"]["title"], demo["benchmarks"]["aime"]["title"]
    spec = resolved.table_spec(validate(Experiment, demo), "table1")
    assert spec.rows[0].model == "tiny" and spec.benchmarks["aime"] == "aime"


def test_a_merge_depends_on_its_runs_and_a_route_on_both(demo):
    before = validate(Experiment, demo)
    after = validate(Experiment, changed(demo, "runs/dyn-r1k/overrides", {"learning_rate": 1e-3}))
    for run in ("fix-linear", "fix-ties", "fix-route"):
        assert before.digest(run, 0) != after.digest(run, 0)
    assert before.digest("fix-ties", 0) != before.digest("fix-dare", 0) != before.digest("fix-dare", 1)
    assert (before.lora("fix-linear").r, before.lora("fix-route"), before.lora("tiny")) == (64, None, None)
    assert before.probed_steps("fix-linear") == {1: 1.0}
    assert before.probed_steps("fix-route") == {55: 8.0}


def test_losses_and_protocol_are_part_of_a_run(demo):
    for change in (
        {"overrides": {"loss_type": ["sigmoid", "sft"]}},
        {"overrides": {"loss_type": "ipo"}},
        {"protocol": "as_released"},
    ):
        demo["runs"]["new"] = demo["runs"]["tiny-mix-dpo"] | change
        changed_one = validate(Experiment, demo)
        assert changed_one.digest("new", 0) != changed_one.digest("tiny-mix-dpo", 0)


def test_a_tag_is_part_of_a_run_and_of_its_plan(demo):
    plain, tagged = (
        validate(Experiment, changed(demo, "runs/dyn-mix", demo["runs"]["dyn-mix"] | more))
        for more in ({}, {"direction_tag": False})
    )
    assert plain.digest("dyn-mix", 0) == tagged.digest("dyn-mix", 0) != plain.digest("fix-tag", 0)
    assert plan(plain, "fix-tag", 0).direction_tag and not plan(plain, "dyn-mix", 0).direction_tag
    assert plan(plain, "dyn-mix", 0).reasoned and not plan(plain, "fix-revthink", 0).reasoned


def test_the_remedies_complete_the_paper():
    more = yaml.safe_load((ROOT / "config" / "remedies.yaml").read_text())
    assert more.keys() == {"runs", "data", "tables"} and more["data"].keys() == {"variants"}
    whole = validate(Experiment, read_config("paper", "remedies"))
    assert resolved.audit_spec(whole).limits == [20480]
    for run in more["runs"]:
        assert whole.runs[run].exclude_held_out
        if run.startswith("fix") and whole.runs[run].trained:
            assert list(whole.probed_steps(run)) == [whole.steps(run)]


def test_the_released_protocol_takes_its_fifty_steps():
    assert validate(Experiment, read_config("paper", "remedies")).steps("fix-as-released") == 50


def test_remedies_leave_the_runs_of_the_demo_as_they_are(demo):
    """Finished runs are used again when the remedies are added."""
    alone, both = load(ROOT / "config" / "demo.yaml"), validate(Experiment, demo)
    assert both.experiment == alone.experiment == "demo"
    assert {run: both.digest(run, 0) for run in alone.runs} == {run: alone.digest(run, 0) for run in alone.runs}
    assert not any(run.startswith(("fix-", "stage-")) for run in alone.runs)
    for table in alone.tables:
        assert resolved.table_spec(both, table) == resolved.table_spec(alone, table)


def test_remedies_that_are_data_take_as_many_steps_as_the_mix(demo):
    """Whatever their own examples are; a curriculum's stages take half each, rounded up."""
    more = yaml.safe_load((ROOT / "config" / "remedies.yaml").read_text())["runs"]
    experiment = validate(Experiment, demo)
    assert more.keys() - demo["runs"].keys() == {"fix-graded"}
    for run in (run for run in more if run in demo["runs"] and more[run]["method"] == "sft"):
        staged = run.startswith("stage") or experiment.runs[run].parent is not None
        assert experiment.steps(run) == (28 if staged else experiment.steps("dyn-mix"))
    by_epochs = validate(Experiment, changed(demo, "train/sft/match_by", "epochs"))
    found = {run: by_epochs.steps_per_epoch(run) * 16 for run in ("fix-disjoint", "fix-revthink", "fix-tag")}
    assert found == {"fix-disjoint": 110, "fix-revthink": 330, "fix-tag": 220}


def test_a_run_answers_what_tables_show_of_it_and_a_route_to_it_and_else_all(demo):
    experiment = validate(Experiment, demo)
    answered = experiment.answered
    assert answered["tiny-s1k"] == ["aime", "math", "gpqa"] and answered["fix-ipo"] == ["math"]
    assert answered["dyn-s1k"] == ["math"]  # by fix-route
    assert answered["stage-forward"] == ["aime", "math", "gpqa"]
    assert "fix-route" not in answered
    assert resolved.table_spec(experiment, "table3").benchmarks == {"math": "Math"}


def test_runs_that_only_tables_show_track_chosen_and_rejected_alone(demo):
    experiment = validate(Experiment, demo)
    assert experiment.probe_of("dyn-mix-dpo") == experiment.probe and len(experiment.probe.tracked) == 10
    assert experiment.probe_of("fix-ipo").tracked == ["chosen", "rejected"]
    everywhere = validate(Experiment, changed(demo, "probe/tracked_runs", "all"))
    assert everywhere.probe_of("fix-ipo") == everywhere.probe
    assert "tracked_runs" not in experiment.probe.model_dump()


def test_a_table_of_dynamics_says_how_its_runs_are_made(demo):
    spec = resolved.dynamics_table_spec(validate(Experiment, demo), "table4")
    recipes = {row.run: row.recipe for row in spec.rows}
    assert spec.reference == "dyn-mix"
    assert recipes["fix-ipo"] == "DPO of dyn-mix, num_train_epochs 0.5, loss_type ipo, beta 5"
    assert recipes["fix-route"] == "dyn-s1k or dyn-r1k, by the prompt's direction"
    assert recipes["fix-linear"] == "linear merge of dyn-s1k and dyn-r1k"
    assert recipes["fix-tag"] == "SFT on mix, direction tag"
    assert recipes["fix-forward-first"] == "SFT on r1k from stage-forward, num_train_epochs 4"


def test_arms_that_match_in_steps_take_the_same_steps():
    paper = load(ROOT / "config" / "paper.yaml")
    assert {paper.steps(run) for run in ("7b-s1k", "7b-r1k", "7b-half", "7b-mix")} == {313}
    assert {paper.steps(run) for run in ("dyn-s1k", "dyn-r1k", "dyn-mix")} == {713}
    assert list(paper.probed_steps("dyn-mix").values()) == [2, 4, 6, 8, 10, 12]
    assert list(paper.probed_steps("dyn-mix-dpo").values()) == [1, 2, 3, 4, 5, 6, 7]
    assert max(paper.probed_steps("dyn-mix-dpo")) == paper.steps("dyn-mix-dpo")


def test_arms_that_match_in_epochs_take_the_steps_of_their_data(demo):
    experiment = validate(Experiment, changed(demo, "train/sft/match_by", "epochs"))
    assert experiment.steps("tiny-mix") == 160
    assert experiment.steps("tiny-s1k") == experiment.steps("tiny-half") == 80


def test_the_paper_is_reproduced_to_the_letter_where_it_states_a_number():
    paper = load(ROOT / "config" / "paper.yaml")
    for run in paper.trained_runs:
        lora = paper.lora(run)
        assert (lora.r, lora.lora_alpha) == (256, 512)
        if paper.runs[run].method == "dpo":
            assert paper.settings(run).beta == 0.6
    assert [paper.benchmarks[name].source.n for name in paper.benchmarks] == [30, 500, 198]
    assert (paper.evaluate.max_new_tokens, paper.probe.max_tokens) == (32768, 1000)


def test_the_identity_of_a_run_holds_its_ancestry_and_nothing_else(demo):
    before = validate(Experiment, demo)
    parent = validate(Experiment, changed(demo, "runs/tiny-mix/overrides", {"learning_rate": 1e-3}))
    assert before.digest("tiny-mix-dpo", 0) != parent.digest("tiny-mix-dpo", 0)
    assert before.digest("tiny-s1k-dpo", 0) == parent.digest("tiny-s1k-dpo", 0)
    assert before.digest("tiny-mix", 0) != before.digest("tiny-mix", 1)
    for irrelevant in (
        changed(demo, "bases/tiny/title", "another name"),
        changed(demo, "train/launch/per_device_train_batch_size", 4),
        changed(demo, "benchmarks/aime/title", "another name"),
    ):
        assert validate(Experiment, irrelevant).digest("tiny-mix-dpo", 0) == before.digest("tiny-mix-dpo", 0)


def test_rows_are_tested_against_their_bases_first_training_or_their_parent_or_whom_the_table_names(demo):
    paper = load(ROOT / "config" / "paper.yaml")
    first = {"7b-r1k": "7b-s1k", "7b-half": "7b-s1k", "7b-mix": "7b-s1k", "14b-r1k": "14b-s1k", "14b-mix": "14b-s1k"}
    assert resolved.table_spec(paper, "table1").references == first
    assert resolved.table_spec(paper, "table2").references["14b-mix-dpo"] == "14b-mix"
    assert resolved.table_spec(validate(Experiment, demo), "table1").references["tiny"] == "tiny-s1k"
    named = resolved.table_spec(
        validate(Experiment, changed(demo, "tables/table1/reference", "tiny")), "table1"
    ).references
    assert named == dict.fromkeys(["tiny-s1k", "tiny-r1k", "tiny-half", "tiny-mix"], "tiny")


def test_gated_questions_are_not_quoted_and_cuts_are_those_of_the_trainings(demo):
    paper = load(ROOT / "config" / "paper.yaml")
    assert resolved.audit_spec(paper).redistributable == ["aime24", "math500"]
    assert paper.audited_base == "qwen2.5-7b"
    demo["runs"]["tiny-s1k-dpo"]["overrides"] = {"max_length": 300}
    demo["runs"]["tiny-s1k"]["overrides"] = {"max_length": 200}
    spec = resolved.audit_spec(validate(Experiment, demo))
    assert (spec.redistributable, spec.limits, spec.pair_limit) == (["aime", "math", "gpqa"], [200, 300, 512], 300)


def test_what_may_be_quoted_is_no_part_of_a_benchmark():
    aime = load(ROOT / "config" / "paper.yaml").benchmarks["aime24"]
    assert aime.redistributable and "redistributable" not in aime.model_dump()


def test_the_checks_are_no_part_of_the_section_that_data_rules_are_given():
    demo = load(ROOT / "config" / "demo.yaml")
    assert "checks" not in demo.data.model_dump()
    assert demo.data.checks.judge is None


def test_a_benchmark_without_directions_in_a_table_of_directions_is_named(demo):
    own = {"answer_type": "integer", "source": {"kind": "file", "path": "own.jsonl", "n": 5}}
    added = changed(demo, "benchmarks/own", own)
    with pytest.raises(ConfigError, match=r"tables\.table1\.directions: the questions of benchmark 'own' have no"):
        validate(Experiment, added)
    for table in added["tables"].values():
        if table["kind"] != "dynamics":
            table["directions"] = ["all", "forward", "reverse"]
    assert list(resolved.table_spec(validate(Experiment, added), "table1").benchmarks)[-1] == "own"


@pytest.mark.parametrize("name", get_args(DataName))
def test_every_data_set_has_a_size_and_a_symbol(demo, name):
    method = {"method": "dpo", "parent": "tiny-mix"} if name == "pairs" else {"method": "sft", "base": "tiny"}
    overrides = {} if name == "pairs" else {"overrides": {"match_by": "epochs"}}
    run = {**method, "data": name, **overrides}
    assert validate(Experiment, changed(demo, "runs/own", run)).steps_per_epoch("own") > 0
    assert name in DATA_SYMBOLS


def test_tables_count_questions_and_paired_tests_use_all_answers(demo):
    several = validate(Experiment, changed(demo, "benchmarks/aime/repeats", 4))
    assert list(resolved.table_spec(several, "table1").benchmarks) == ["math", "gpqa"]
    assert list(resolved.table_spec(several, "table1", drawn=True).benchmarks) == ["aime", "math", "gpqa"]
    with pytest.raises(ConfigError, match=r"tables\.table3\.benchmarks: none has repeats: 1"):
        validate(Experiment, changed(demo, "benchmarks/math/repeats", 2))


def test_how_many_answers_is_no_part_of_a_benchmark(demo):
    """What `get-benchmark` is told stays the same, and so do the questions."""
    one, four = (validate(Experiment, changed(demo, "benchmarks/aime/repeats", n)) for n in (1, 4))
    assert one.benchmarks["aime"].model_dump() == four.benchmarks["aime"].model_dump()


def test_a_grader_changes_no_generation(demo):
    judge = {"base_url": "https://x/v1", "model": "m", "api_key_env": "K"}
    graded = changed(changed(demo, "evaluate/judge", judge), "evaluate/grader", "s1")
    before, after = validate(Experiment, demo), validate(Experiment, graded)
    assert after.evaluate.judge.temperature == 0
    assert before.evaluate.model_dump() == after.evaluate.model_dump()


def test_the_paper_is_graded_in_s1s_order_and_everything_else_by_rules():
    graders = {path.stem: load(path).evaluate.grader for path in CONFIGS}
    assert graders.pop("paper") == "s1"
    assert set(graders.values()) == {"rules"}
