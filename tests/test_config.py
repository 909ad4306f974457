import copy
import re
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from examples import ROOT, read_config
from r1k.config import Experiment, Launch, load, resolved, validate
from r1k.errors import ConfigError
from r1k.train.describe import plan

ADDED = [ROOT / "config" / name for name in ("demo-remedies.yaml", "remedies.yaml", "smollm2-arms.yaml")]
"""Files that are given after another file, not experiments by themselves."""
CONFIGS = sorted({*(ROOT / "config").glob("*.yaml")} - {*ADDED})


@pytest.fixture
def demo() -> dict:
    """The demo with its remedies."""
    return read_config("demo", "demo-remedies")


def changed(config: dict, path: str, value: object) -> dict:
    config = copy.deepcopy(config)
    *above, last = path.split("/")
    part = config
    for key in above:
        part = part[key]
    part[last] = value
    return config


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_experiments_are_valid(path):
    assert load(path).experiment == path.stem


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("runs/tiny-s1k/methd", "sft", r"runs.tiny-s1k.methd: unknown key \(did you mean 'method'\?\)"),
        ("train/sft/learning_rat", 1, r"train.sft.learning_rat: unknown key \(did you mean 'learning_rate'"),
        ("runs/tiny-mix-dpo/parent", "tiny-mx", r"runs.tiny-mix-dpo.parent: no run 'tiny-mx' in runs \(did you mean"),
        ("runs/tiny-s1k/base", "tinny", "runs.tiny-s1k.base: no base 'tinny' in bases"),
        ("runs/tiny-s1k/data", "pairs", "runs.tiny-s1k: method sft takes"),
        ("tables/table1/rows", ["tiny-s1"], r"tables.table1.rows: no run 'tiny-s1' in runs \(did you mean 'tiny-s1k'"),
        ("tables/checks", {"kind": "sft", "rows": ["tiny"]}, "tables.checks: the table of the checks"),
        ("data/checks", {"judge": {"modle": "m"}}, "data.checks.judge.base_url: missing"),
        ("tables/table2/rows", ["tiny-s1k"], "tables.table2.rows: 'tiny-s1k' is not a DPO run"),
        (
            "tables/table1/reference",
            "tiny-mx",
            r"tables.table1.reference: 'tiny-mx' is not one of .* mean 'tiny-mix'\?",
        ),
        ("dynamics/mixed/sft", "tiny-mix", "dynamics.mixed.sft: 'tiny-mix' is not a probed sft run"),
        ("data/probe_held_out", 290, "data.probe_train: with probe_held_out it takes 340 problems of 160"),
        (
            "runs/tiny-s1k/overrides",
            {"train_batch_size": 24},
            "train.launch.per_device_train_batch_size: 16 does not divide the train_batch_size of 24",
        ),
        ("runs/tiny-s1k/overrides", {"lora": {"r": 0}}, r"runs.tiny-s1k.overrides.lora.r: .*greater than 0"),
        ("seeds", [], "seeds: "),
        ("teacher", {"kind": "oracle"}, "teacher"),
        ("evaluate/grader", "judge", "evaluate: grader: judge needs evaluate.judge"),
        ("evaluate/grader", "s2", "evaluate.grader: .*'rules', 's1' or 'judge'"),
        ("evaluate/judge", {"model": "m", "api_key_env": "K"}, "evaluate.judge.base_url: missing"),
        ("evaluate/judge", {"on_truncation": "fail"}, r"evaluate.judge.on_truncation: unknown key"),
        ("tables/disagreements", {"kind": "sft", "rows": ["tiny"]}, "tables.disagreements: .* has this name"),
    ],
)
def test_a_wrong_key_is_named_with_what_to_do(demo, path, value, message):
    with pytest.raises(ConfigError, match=message):
        validate(Experiment, changed(demo, path, value))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        # Keys of version 0.1.
        ("teacher", {"kind": "openai", "asking": {}}, "teacher.asking: unknown key `asking`; it is now `client`"),
        ("train/sft/epochs", 3, "train.sft.epochs: unknown key `epochs`; it is now `num_train_epochs`"),
        ("train/sft/batch_size", 3, "unknown key `batch_size`; it is now `train_batch_size`"),
        ("train/dpo/sft_weight", 1, r"unknown key `sft_weight` here; it is now loss_type: \[sigmoid, sft\]"),
        ("train/dpo/lora", {}, "train.dpo.lora: unknown key `lora` here; set it once, in train.lora"),
        ("train/sft/gradient_checkpointing", True, "here; it is in train.launch"),
        ("runs/tiny-s1k/without_held_out", True, "it is now `exclude_held_out`"),
        ("benchmarks/aime/samples", 4, "benchmarks.aime.samples: unknown key `samples`; it is now `repeats`"),
        ("bases/tiny/steps", 4, "bases.tiny.steps: unknown key `steps`; it is now `max_steps`"),
        ("plan/prompt", {"mean": 3, "spread": 1}, "plan.prompt.spread: unknown key `spread`; it is now `cv`"),
        ("evaluate/dtype", "fp32", "evaluate.dtype: unknown value 'fp32'; it is now 'float32'"),
        ("probe/tracked", ["own", "other"], "probe.tracked.0: unknown value 'own'; it is now 'chosen'"),
        # Keys of TRL, PEFT, vLLM, lm-eval, axolotl and LLaMA-Factory.
        ("runs/tiny-s1k/overrides", {"lr": 1}, "runs.tiny-s1k.overrides.lr: unknown key; here it is learning_rate"),
        ("train/dpo/rpo_alpha", 1, r"here it is loss_type: \[sigmoid, sft\] with loss_weights"),
        ("train/sft/warmup_steps", 10, "train.sft.warmup_steps: .*warmup_ratio"),
        ("train/sft/bf16", True, "train.sft.bf16: unknown key; here it is dtype: bfloat16"),
        ("train/sft/max_seq_length", 10, "train.sft.max_seq_length: .*max_length"),
        ("train/sft/gradient_accumulation_steps", 2, "computed from train_batch_size"),
        ("train/lora/lora_r", 8, "train.lora.lora_r: .*r, in train.lora"),
        ("evaluate/max_tokens", 8, "evaluate.max_tokens: .*max_new_tokens"),
        ("evaluate/max_gen_toks", 8, "evaluate.max_gen_toks: .*max_new_tokens"),
        ("train/dpo/pref_beta", 1, "train.dpo.pref_beta: unknown key; here it is beta"),
        ("train/sft/model_name_or_path", "q", "an entry in bases"),
        ("train/sft/scheduler", "cosine", "here it is lr_scheduler_type"),
    ],
)
def test_a_key_of_another_project_or_version_gets_its_name_here(demo, path, value, message):
    with pytest.raises(ConfigError, match=message):
        validate(Experiment, changed(demo, path, value))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("runs/tiny-mix-dpo/overrides", {"lora": {"r": 8}}, "continues the adapter of 'tiny-mix'; set it there"),
        ("train/dpo/match_by", "epochs", "train.dpo.match_by: unknown key"),
        ("evaluate/temperature", 0.5, "evaluate.temperature: does nothing, because every benchmark is greedy"),
        ("evaluate/min_judged_rate", 0.5, "min_judged_rate: does nothing without evaluate.judge"),
        ("benchmarks/aime/shuffle_seed", 1, "benchmarks.aime.shuffle_seed: does nothing"),
        ("train/launch/launcher", "mpirun", "launcher: does nothing on one node"),
        (
            "train/dpo/label_smoothing",
            0.1,
            "label_smoothing: loss_type robust needs a value above 0; other losses ignore",
        ),
        ("train/dpo/loss_type", ["sft"], "must be one preference loss"),
        ("train/dpo/loss_type", ["sigmoid", "ipo"], "must be one preference loss"),
        ("train/dpo/loss_weights", [1, 2], "loss_weights: 2 for 1 losses"),
        ("train/dpo/loss_weights", [0], "loss_weights: must be above 0"),
        ("probe", {"tracked": ["chosen", "rejected"], "greedy_tokens": 8}, "greedy_tokens: does nothing"),
    ],
)
def test_a_key_that_would_do_nothing_is_an_error(demo, path, value, message):
    with pytest.raises(ConfigError, match=message):
        validate(Experiment, changed(demo, path, value))


def test_dpo_trains_the_adapter_that_its_parent_began(demo):
    wide = validate(Experiment, changed(demo, "runs/tiny-mix/overrides", {"lora": {"r": 8}}))
    assert wide.lora("tiny-mix-dpo").r == wide.lora("tiny-mix").r == 8
    assert wide.digest("tiny-mix-dpo", 0) != validate(Experiment, demo).digest("tiny-mix-dpo", 0)


def test_titles_default_to_names(demo):
    del demo["bases"]["tiny"]["title"], demo["benchmarks"]["aime"]["title"]
    spec = resolved.table_spec(validate(Experiment, demo), "table1")
    assert spec.rows[0].model == "tiny" and spec.benchmarks["aime"] == "aime"


MERGE = {"runs": ["dyn-s1k", "dyn-r1k"], "weights": [1, 1]}
ROUTE = {"forward": "dyn-s1k", "reverse": "dyn-r1k"}


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ({"method": "merge"}, "runs.new: section merge is for method merge and needed there"),
        ({"method": "sft", "base": "tiny", "data": "s1k", "route": ROUTE}, "section route for method route"),
        ({"method": "merge", "merge": MERGE, "data": "s1k"}, "method merge takes no base"),
        ({"method": "route", "route": ROUTE, "exclude_held_out": True, "probe_every_epochs": 2}, "and 1 to be probed"),
        ({"method": "merge", "merge": MERGE | {"weights": [1]}}, "runs.new.merge: weights: as many as runs"),
        (
            {"method": "merge", "merge": MERGE | {"merge_method": "ties"}},
            "runs.new.merge: density: ties and dare need one",
        ),
        (
            {"method": "merge", "merge": MERGE | {"runs": ["dyn-s1k", "dyn-r1"]}},
            r"runs.new.merge: no run 'dyn-r1' .*mean",
        ),
        ({"method": "merge", "merge": MERGE | {"runs": ["dyn-s1k", "tiny"]}}, "'tiny' is not an SFT run or DPO run"),
        (
            {"method": "route", "route": ROUTE | {"forward": "new"}},
            "runs.new.route: 'new' is not an SFT run or DPO run or",
        ),
        ({"method": "merge", "merge": MERGE}, "runs.new.exclude_held_out: False, and True in dyn-s1k, True in dyn-r1k"),
        (
            {"method": "merge", "merge": MERGE | {"runs": ["dyn-s1k", "other"]}, "exclude_held_out": True},
            "runs.new.merge: dyn-s1k, other have different bases",
        ),
        (
            {"method": "merge", "merge": MERGE | {"runs": ["dyn-s1k", "wide"]}, "exclude_held_out": True},
            "runs.new.merge: dyn-s1k, wide have adapters of different rank or target_modules",
        ),
        (
            {
                "method": "route",
                "route": ROUTE | {"reverse": "wide"},
                "exclude_held_out": True,
                "probe_every_epochs": 1,
            },
            r"runs.new.route: the last probed step and epoch of dyn-s1k, wide differ.*\(55, 8.0\), None",
        ),
        ({"method": "dpo", "parent": "fix-linear", "data": "pairs"}, "runs.new.parent: 'fix-linear' is not an SFT run"),
        (
            {"method": "sft", "base": "tiny", "data": "s1k", "protocol": "as_released"},
            "protocol as_released is for DPO",
        ),
        (
            {"method": "dpo", "parent": "dyn-mix", "data": "pairs", "direction_tag": True},
            "runs.new.direction_tag: True, and False in 'dyn-mix'",
        ),
        (
            {"method": "route", "route": ROUTE | {"reverse": "fix-tag"}, "exclude_held_out": True},
            "runs.new.direction_tag: False, and True in 'fix-tag'",
        ),
        (
            {"method": "merge", "merge": MERGE, "exclude_held_out": True, "direction_tag": True},
            "runs.new.direction_tag: True, and False in 'dyn-s1k'",
        ),
        ({"method": "none", "base": "tiny", "direction_tag": True}, "method none takes a base and nothing else"),
        (
            {"method": "dpo", "parent": "fix-tag", "data": "pairs", "direction_tag": True, "protocol": "as_released"},
            "protocol as_released has no direction_tag",
        ),
        (
            {"method": "sft", "base": "tiny", "data": "half", "exclude_held_out": True},
            "data half cannot exclude_held_out",
        ),
    ],
)
def test_runs_that_cannot_be_combined_are_named(demo, run, message):
    demo["bases"]["second"] = demo["bases"]["tiny"]
    sft = {"method": "sft", "data": "s1k", "exclude_held_out": True}
    demo["runs"]["other"] = sft | {"base": "second"}
    demo["runs"]["wide"] = sft | {"base": "tiny", "overrides": {"lora": {"r": 64}}}
    with pytest.raises(ConfigError, match=message):
        validate(Experiment, changed(demo, "runs/new", run))


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


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"kind": "dynamics", "rows": ["tiny-s1k"]}, "'tiny-s1k' is not probed"),
        ({"kind": "dynamics", "rows": ["dyn-mix"], "directions": ["forward"]}, "remove them with kind: dynamics"),
        (
            {"kind": "sft", "rows": ["tiny"], "benchmarks": ["maths"]},
            "no benchmark 'maths' in benchmarks (did you mean 'math'?)",
        ),
    ],
)
def test_a_table_that_cannot_be_made_is_an_error(demo, table, says):
    demo["tables"]["more"] = table
    with pytest.raises(ConfigError, match=re.escape(says)):
        validate(Experiment, demo)


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


def test_parents_in_a_circle_are_an_error(demo):
    demo["runs"]["a"] = {"method": "sft", "parent": "b", "data": "s1k"}
    demo["runs"]["b"] = {"method": "sft", "parent": "a", "data": "r1k"}
    with pytest.raises(ConfigError, match="the parents form a circle: a <- b <- a"):
        validate(Experiment, demo)


def test_a_missing_section_is_named(demo):
    del demo["data"]
    with pytest.raises(ConfigError, match="data: missing; add it"):
        validate(Experiment, demo)


def test_a_file_that_is_absent_or_not_yaml_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: no such file"):
        load(Path("nowhere.yaml"))
    (tmp_path / "bad.yaml").write_text("a: [1")
    with pytest.raises(ConfigError, match=r"bad\.yaml: not YAML"):
        load(tmp_path / "bad.yaml")


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


def test_a_launcher_names_what_there_is():
    assert Launch(nodes=2, launcher="mpirun -np {nodes}").launch_command == "mpirun -np 2"
    for wrong, message in (("srun {hosts}", "may name"), (" ", "needed for 2 nodes")):
        with pytest.raises(ValidationError, match=message):
            Launch(nodes=2, launcher=wrong)


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
