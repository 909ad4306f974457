"""What is wrong in a config is named by its key, with what to do."""

import re
from pathlib import Path

import pytest
from configs import CONFIGS, changed
from pydantic import ValidationError

from examples import ROOT
from r1k.config import Experiment, Launch, load, validate
from r1k.errors import ConfigError

SERVER = {"base_url": "https://host/v1", "model": "m", "api_key_env": "KEY"}


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


def test_a_client_of_batches_keeps_what_acts_and_its_dump_is_valid(demo):
    client = {"batch": "openai", "timeout": 60, "input_price": 1, "output_price": 2, "max_dollars": 3}
    found = validate(Experiment, changed(demo, "teacher", SERVER | {"kind": "openai", "client": client})).teacher
    assert found.client.batch == "openai"
    assert type(found.client)(**found.client.model_dump()) == found.client


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
        (
            "teacher",
            SERVER | {"kind": "openai", "client": {"batch": "openai", "concurrency": 16, "stream": True}},
            "teacher.client.concurrency: does nothing, because client.batch is set; remove it\n"
            "teacher.client.stream: does nothing",
        ),
        (
            "data/checks",
            {"judge": SERVER | {"client": {"batch": "openai", "requests_per_minute": 3}}},
            "data.checks.judge.client.requests_per_minute: does nothing",
        ),
        (
            "evaluate/judge",
            SERVER | {"client": {"batch": "openai", "tokens_per_minute": 3}},
            "evaluate.judge.client.tokens_per_minute: does nothing",
        ),
        ("evaluate/judge", SERVER | {"client": {"batch": "azure"}}, "evaluate.judge.client.batch: .*'openai'"),
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
    (tmp_path / "bad.yaml").write_text("a: é", encoding="latin-1")
    with pytest.raises(ConfigError, match=r"bad\.yaml: not YAML in UTF-8"):
        load(tmp_path / "bad.yaml")


def test_a_config_may_begin_with_a_byte_order_mark(tmp_path):
    (tmp_path / "demo.yaml").write_text((ROOT / "config" / "demo.yaml").read_text(), encoding="utf-8-sig")
    assert load(tmp_path / "demo.yaml") == load(ROOT / "config" / "demo.yaml")


def test_a_launcher_names_what_there_is():
    assert Launch(nodes=2, launcher="mpirun -np {nodes}").launch_command == "mpirun -np 2"
    for wrong, message in (("srun {hosts}", "may name"), (" ", "needed for 2 nodes")):
        with pytest.raises(ValidationError, match=message):
            Launch(nodes=2, launcher=wrong)
