"""What runs again when a key of the config changes: a table of edits of `wide.yaml`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

# Through JSON, which drops YAML's aliases: an edit of one section leaves its twins as they are.
WIDE = json.loads(json.dumps(yaml.safe_load((Path(__file__).parent / "wide.yaml").read_text())))


class Case(NamedTuple):
    """Keys that change together, and what a dry run then plans."""

    edits: dict[str, Any]
    """New values by path in `wide.yaml`."""
    starts: str
    """The rules of the first jobs that rerun; what is made from their outputs reruns too."""
    costs: str
    """The costly rules among all that rerun, by verb."""


def value_at(config: Any, path: str) -> Any:
    """Return the value at a dotted path."""
    for key in path.split("."):
        config = config[key]
    return config


def numbers_of(*sections: str) -> dict[str, Any]:
    """Return an edit that changes every number in some sections."""
    return {
        path: value * 2 if value > 1 else value * 0.9
        for section in sections
        for path, value in _leaves(value_at(WIDE, section), section)
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        yield path, value
        return
    for key, below in value.items():
        yield from _leaves(below, f"{path}.{key}")


COSTLY = ("invert", "paraphrase", "pretrain", "train", "merge", "probe", "ntk", "generate", "judge")
"""Verbs of the rules that take hours or money."""
FROM_DATA = "invert paraphrase train merge probe ntk generate judge"
FROM_BASE = "pretrain paraphrase train merge probe ntk generate judge"
FROM_PROBE_SET = "paraphrase train merge probe ntk generate judge"
FROM_SFT = "train merge probe ntk generate judge"
RUN = "train generate judge"
ANSWERS = "generate judge"
TABLES = "against_paper make_table make_paired_tests"
EVERY_GENERATE = "generate generate_hub generate_world_file_hub"
CLIENTS = ("teacher.client", "data.checks.judge.client", "evaluate.judge.client")
SIZES = ("bases.hub.architecture", "bases.packaged.architecture")

NOTHING = Case(
    numbers_of("plan", *CLIENTS, *SIZES)
    | {f"{client}.stream": False for client in CLIENTS}
    | {f"{sizes}.tie_word_embeddings": True for sizes in SIZES}
    | {f"{sizes}.attention_bias": False for sizes in SIZES}
    | {
        "plan.device.title": "A CPU",
        "plan.device.kind": "cpu",
        "train.launch.nodes": 3,
        "train.launch.gpus": 4,
        "train.launch.cores": 2,
        "train.launch.processes": 1,
        "train.launch.launcher": "mpirun -np {nodes}",
        "train.launch.per_device_train_batch_size": 2,
        "train.launch.gradient_checkpointing": True,
        "train.launch.checkpoint_seconds": 200,
        "evaluate.batch_size": 4,
        "evaluate.tokens_per_batch": 500,
        "evaluate.gpus": 2,
        "probe.tokens_per_batch": 2048,
    },
    "",
    "",
)
"""Assumptions, clients, launch and memory: they decide no output."""

BATCH = Case(
    {client: {"batch": "openai"} for client in CLIENTS} | {f"{client}.batch": "openai" for client in CLIENTS}, "", ""
)
"""The Batch API in place of the keys that do nothing then."""

REPORT = [
    Case({"description": "Another line"}, "write_report", ""),
    Case({"bases.scratch.title": "Another"}, TABLES, ""),
    Case({"bases.hub.title": "Another"}, TABLES, ""),
    Case({"bases.packaged.title": "Another"}, TABLES, ""),
    Case({"benchmarks.world.title": "Another"}, TABLES, ""),
    Case({"tables.accuracy.rows": ["staged", "half", "packaged", "hub", "scratch"]}, TABLES, ""),
    Case({"tables.accuracy.directions": ["all"]}, TABLES, ""),
    Case({"tables.accuracy.reference": "staged"}, TABLES, ""),
    Case({"tables.changes.published": True}, TABLES, ""),
    Case({"tables.margins.reference": "merged"}, "make_dynamics_table", ""),
    Case({"benchmarks.file.redistributable": True}, "audit list_disagreements write_samples_page", ""),
    Case({"data.license": "apache-2.0"}, "export_r1k", ""),
    # The parents of the rows are no longer shown on all benchmarks.
    Case({"tables.changes.kind": "sft"}, "generate_world_file_hub make_table make_paired_tests", ANSWERS),
    Case(
        {"tables.integers.benchmarks": ["hub", "world"]},
        "generate_world_hub",
        ANSWERS,
    ),
    # One colour of Figure 2 shows another run, whose kernel is new; fewer responses of the old one are tracked.
    Case({"dynamics.mixed.sft": "forward"}, "ntk probe", "ntk probe"),
    Case({"dynamics.mixed.dpo": "forward-dpo"}, "probe draw_ntk", "probe"),
]

DATA = [
    Case({"data.source.seed": 2}, "get_s1k", FROM_DATA),
    Case({"data.source.problems": 41}, "get_s1k", FROM_DATA),
    Case({"data.filter_by_grade": True}, "get_s1k", FROM_DATA),
    Case({"data.seed": 1}, "make_drawn_set", FROM_PROBE_SET),
    Case({"data.probe_train": 3}, "make_drawn_set", FROM_PROBE_SET),
    Case({"data.probe_held_out": 3}, "make_drawn_set", FROM_PROBE_SET),
    Case(
        {
            "data.variants.alike.format": "normalised",
            "data.variants.alike.graded_correct": True,
            "data.variants.alike.require": ["reached"],
            "data.variants.alike.length_ratio": 3,
        },
        "make_variant",
        RUN,
    ),
    # No run is trained on the variant `clean`.
    Case({"data.variants.clean.exclude_contaminated.question": "phrase"}, "make_variant", ""),
    Case({"data.variants.clean.exclude_contaminated.response": "phrase"}, "make_variant", ""),
    # The run `staged` is trained on problems whose inverse passed a check.
    Case({"data.checks.near_duplicate_threshold": 0.6}, "check_inverse", RUN),
    Case(
        {
            "data.checks.judge.base_url": "http://other.example/v1",
            "data.checks.judge.model": "other",
            "data.checks.judge.api_key_env": "OTHER_KEY",
            "data.checks.judge.max_tokens": 2048,
            "data.checks.judge.temperature": 0.5,
        },
        "check_inverse",
        RUN,
    ),
    Case(
        {
            "teacher.base_url": "http://other.example/v1",
            "teacher.model": "other",
            "teacher.api_key_env": "OTHER_KEY",
            "teacher.max_tokens": 2048,
            "teacher.temperature": 0.5,
            # Which problems get a pair:
            "teacher.on_truncation": "skip",
            "teacher.max_tokens_cap": None,
            "teacher.on_refusal": "fail",
            "teacher.on_malformed": "fail",
            "teacher.min_success_rate": 0.8,
        },
        "invert",
        FROM_DATA,
    ),
]

BASES = [
    Case({"bases.scratch.vocab_size": 600}, "make_tokenizer", FROM_BASE),
    Case({"bases.scratch.seed": 1}, "make_tokenizer", FROM_BASE),
    Case({"bases.scratch.tokenizer_reads_data": True}, "make_tokenizer", FROM_BASE),
    Case(
        {
            "bases.scratch.hidden_size": 64,
            "bases.scratch.num_hidden_layers": 3,
            "bases.scratch.num_attention_heads": 4,
            "bases.scratch.intermediate_size": 128,
            "bases.scratch.max_position_embeddings": 2048,
            "bases.scratch.max_steps": 5,
            "bases.scratch.train_batch_size": 5,
            "bases.scratch.learning_rate": 0.02,
        },
        "pretrain",
        FROM_BASE,
    ),
    Case({"bases.hub.repo": "owner/other", "bases.hub.revision": "0" * 40}, "get_base", ANSWERS),
    Case(
        {
            "bases.packaged.package": "other",
            "bases.packaged.requirement": "other==1.0",
            "bases.packaged.file": "other.gguf",
        },
        "get_base",
        ANSWERS,
    ),
]

RUNS = [
    # Every run is trained with one more seed; bases answer once more.
    Case({"seeds": [0, 1]}, "describe_run generate_world_file_hub", FROM_SFT),
    Case({"train.sft.learning_rate": 0.01}, "describe_run", FROM_SFT),
    Case({"train.dpo.learning_rate": 0.01}, "describe_run", "train probe generate judge"),
    Case(
        {"runs.staged.method": "dpo", "runs.staged.data": "pairs", "runs.staged.overrides": {}},
        "make_set",
        RUN,
    ),
    Case({"runs.half.base": "hub"}, "describe_run", RUN),
    Case({"runs.staged.parent": "forward"}, "describe_run", RUN),
    Case({"runs.staged.data": "r1k"}, "describe_run", RUN),
    Case({"runs.staged.variant": None}, "describe_run", RUN),
    Case({"runs.half.exclude_held_out": True, "runs.half.data": "mix"}, "describe_run", RUN),
    Case({"runs.half-dpo.protocol": "as_released"}, "describe_run", RUN),
    Case({"runs.mix.direction_tag": True, "runs.mix-dpo.direction_tag": True}, "describe_run", "train probe ntk"),
    # Checkpoints of other steps are kept, which takes another training.
    Case({"runs.mix-dpo.probe_every_epochs": 0.5}, "describe_run", "train probe"),
    Case({"runs.staged.overrides": {"learning_rate": 0.01, "match_by": "steps"}}, "describe_run", RUN),
    Case({"runs.merged.merge.runs": ["reverse", "forward"]}, "describe_run", "merge probe"),
    Case({"runs.merged.merge.weights": [0.4, 0.6]}, "describe_run", "merge probe"),
    Case({"runs.merged.merge.density": 0.4}, "describe_run", "merge probe"),
    Case({"runs.merged.merge.merge_method": "dare_ties"}, "describe_run", "merge probe"),
    # A routed run generates nothing; those that answer for it do.
    Case({"runs.routed.route.forward": "mix"}, "generate_hub route_probe", ANSWERS),
    Case({"runs.routed.route.reverse": "mix"}, "generate_hub route_probe", ANSWERS),
]

PROBE = [
    Case({"probe.max_tokens": 50}, "paraphrase probe ntk", "paraphrase probe ntk"),
    Case({"probe.tracked": ["chosen", "rejected", "greedy_base"]}, "probe", "probe"),
    Case({"probe.tracked_problems": 3}, "paraphrase probe", "paraphrase probe"),
    Case({"probe.tracked_runs": "all"}, "probe", "probe"),
    Case({"probe.dtype": "bfloat16", "probe.greedy_tokens": 8, "probe.first_tokens": 4}, "probe", "probe"),
    Case({"ntk.examples": 2, "ntk.steps": [0.001], "ntk.draws": 2, "ntk.sketch": 2048}, "ntk", "ntk"),
    Case({"ntk.epoch": 2}, "ntk", "ntk"),
]

EVALUATION = [
    Case(
        {
            "benchmarks.world.source.per_direction": 4,
            "benchmarks.world.source.seed": 3,
            "benchmarks.world.shuffle_seed": 1,
        },
        "get_benchmark",
        ANSWERS,
    ),
    Case(
        {
            "benchmarks.file.source.path": "other.jsonl",
            "benchmarks.file.source.n": 4,
            "benchmarks.file.source.fields.question": "other",
            "benchmarks.file.source.fields.answer": "other",
            "benchmarks.file.source.fields.distractors": ["other"],
            "benchmarks.file.source.fields.subject": "other",
        },
        "get_benchmark",
        ANSWERS,
    ),
    Case(
        {
            "benchmarks.hub.source.repo": "owner/other",
            "benchmarks.hub.source.config": "other",
            "benchmarks.hub.source.revision": "0" * 40,
            "benchmarks.hub.source.split": "train",
            "benchmarks.hub.source.n": 4,
            "benchmarks.hub.source.fields.question": "other",
            "benchmarks.hub.source.fields.answer": "other",
            "benchmarks.hub.source.fields.distractors": ["other"],
            "benchmarks.hub.source.fields.subject": "other",
        },
        "get_benchmark",
        ANSWERS,
    ),
    Case(
        {
            "benchmarks.task.source.task": "other",
            "benchmarks.task.source.folder": "other",
            "benchmarks.task.source.n": 4,
        },
        "get_benchmark",
        ANSWERS,
    ),
    Case({"benchmarks.task.answer_type": "expression"}, "get_benchmark", ANSWERS),
    # The greedy answers of the same runs come from the cache; runs with greedy answers alone do not rerun.
    Case({"benchmarks.file.repeats": 5}, "generate generate_world_file_hub", ANSWERS),
    Case(
        {"evaluate.temperature": 0.7, "evaluate.top_p": 0.9, "evaluate.seed": 1},
        "generate generate_world_file_hub",
        ANSWERS,
    ),
    Case(
        {
            "evaluate.max_new_tokens": 9,
            "evaluate.dtype": "bfloat16",
            "evaluate.engine": "vllm",
            "evaluate.budget_forcing.num_waits": 2,
            "evaluate.budget_forcing.min_thinking_tokens": 3,
            "evaluate.budget_forcing.max_thinking_tokens": 5,
        },
        EVERY_GENERATE,
        ANSWERS,
    ),
    Case({"evaluate.grader": "judge"}, "judge", "judge"),
    Case({"evaluate.min_judged_rate": 0.8}, "judge", "judge"),
    Case(
        {
            "evaluate.judge.base_url": "http://other.example/v1",
            "evaluate.judge.model": "other",
            "evaluate.judge.api_key_env": "OTHER_KEY",
            "evaluate.judge.max_tokens": 2048,
            "evaluate.judge.temperature": 0.5,
        },
        "judge",
        "judge",
    ),
]

CASES = [NOTHING, BATCH, *REPORT, *DATA, *BASES, *RUNS, *PROBE, *EVALUATION]

_SETTINGS: dict[str, Any] = {
    "learning_rate": 0.01,
    "num_train_epochs": 3,
    "train_batch_size": 8,
    "max_length": 512,
    "lr_scheduler_type": "linear",
    "warmup_ratio": 0.2,
    "weight_decay": 0.1,
    "adam_beta1": 0.8,
    "adam_beta2": 0.9,
    "max_grad_norm": 2.0,
    "dtype": "bfloat16",
    "attn_implementation": "flash_attention_2",
}
_LORA: dict[str, Any] = {"r": 5, "lora_alpha": 9, "lora_dropout": 0.1, "target_modules": ["q_proj"]}
_DPO: dict[str, Any] = {"beta": 0.2, "loss_type": ["sigmoid", "sft"], "loss_weights": [1, 2], "label_smoothing": 0.2}

SETTINGS: dict[str, Any] = (
    {f"train.lora.{key}": value for key, value in _LORA.items()}
    | {f"train.sft.{key}": value for key, value in (_SETTINGS | {"match_by": "epochs"}).items()}
    | {f"train.dpo.{key}": value for key, value in (_SETTINGS | _DPO).items()}
)
"""Settings of training, which act through the run's digest, as one edit of each shows in the table."""
TOGETHER = {"train.dpo.loss_type": {"train.dpo.label_smoothing": 0}}
"""What else a setting changes, without which the config is invalid."""

OTHER_KINDS = {"data.source": ("file", "hub"), "teacher": ("embedded", "replay")}
"""Kinds of sections that `wide.yaml` cannot have besides its own."""
EXEMPT = {"experiment": "names the folder of the results, so another name makes everything anew"}
