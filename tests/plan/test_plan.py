"""The plan: sums, verdict, counts, comparison with measurements; and the resources that jobs request."""

import itertools
import json
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest
import yaml

from examples import ROOT, make_both, read_config
from r1k.cli import main
from r1k.config import Experiment, load, validate
from r1k.errors import ConfigError, TextError
from r1k.evaluate.engines.vllm_engine import GPU_MEMORY_UTILIZATION
from r1k.plan.estimate import GIB, JobEstimate, estimator, expected_workload
from r1k.plan.resources import JobResources
from r1k.plan.summary import summarise
from r1k.plan.table import render
from r1k.plan.workload import count_workload
from r1k.records import write_jsonl
from r1k.train.describe import RunFile
from r1k.train.describe import plan as run_plan

CONFIG = ROOT / "config"


@pytest.fixture
def paper() -> dict:
    return yaml.safe_load((CONFIG / "paper.yaml").read_text())


def experiment(config: dict) -> Experiment:
    return validate(Experiment, config)


def test_the_paper_is_planned_by_rule_and_in_total(tmp_path):
    summary = summarise(load(CONFIG / "paper.yaml"), tmp_path)
    jobs = {row.name: row.jobs for row in summary.rows}
    assert jobs == {
        "get_base": 2,
        "invert": 1,
        "train (sft, 7B)": 7,
        "train (dpo, 7B)": 6,
        "train (sft, 14B)": 3,
        "train (dpo, 14B)": 1,
        "probe (7B)": 6,
        "ntk (7B)": 3,
        "generate (7B)": 7,
        "generate (14B)": 4,
    }
    assert all(row.gpu_seconds == pytest.approx(row.gpus * row.seconds) for row in summary.rows)
    assert all(row.peak > 0 for row in summary.rows if row.gpus)
    page = render(summary)
    for name in (
        *jobs,
        "activations",
        "logits",
        "optimizer",
        "KV cache",
        "7,615,616,512",
        "Critical path",
        "US dollars",
    ):
        assert name in page


def test_seeds_multiply_all_jobs_but_bases_and_the_teacher(paper, tmp_path):
    one, five = (summarise(experiment(paper | {"seeds": seeds}), tmp_path) for seeds in ([0], [0, 1, 2, 3, 4]))
    for before, after in zip(one.rows, five.rows, strict=True):
        assert after.jobs == before.jobs * (1 if before.name in ("get_base", "invert") else 5)
    assert one.path == five.path


def test_the_verdict_follows_the_device(paper, tmp_path):
    verdicts = {}
    for memory in (24, 79, 141):
        paper["plan"]["device"]["memory"] = memory
        verdicts[memory] = summarise(experiment(paper), tmp_path).verdict
    assert verdicts[141].fits and not verdicts[24].fits
    at_24, at_79 = ({name for name, _ in verdicts[memory].too_large} for memory in (24, 79))
    assert "train 14b-mix-dpo" in at_24 and at_79 < at_24
    assert not any(name.startswith("train") for name in at_79)


def test_the_verdict_follows_the_batch(paper, tmp_path):
    found = {}
    paper["evaluate"]["engine"] = "transformers"  # vLLM's memory does not depend on the batch
    for batch in (1, 4, 8):
        paper["evaluate"]["batch_size"] = batch
        found[batch] = summarise(experiment(paper), tmp_path).verdict
    assert found[4].fits and found[1].peak < found[4].peak < found[8].peak
    paper["evaluate"]["batch_size"] = found[8].fitting_batch
    assert summarise(experiment(paper), tmp_path).verdict.fits
    paper["evaluate"]["batch_size"] += 1
    assert not summarise(experiment(paper), tmp_path).verdict.fits


def test_vllms_memory_is_its_share_of_the_gpu_at_any_batch_size(paper):
    def needs(**changes):
        return estimator(experiment(paper | {"evaluate": paper["evaluate"] | changes})).generate("14b-s1k")

    many, few = needs(), needs(batch_size=4)
    assert many.peak == few.peak == pytest.approx(GPU_MEMORY_UTILIZATION * 79 * GIB)
    assert many.seconds < few.seconds
    by_transformers = needs(batch_size=4, engine="transformers")
    assert few.seconds < by_transformers.seconds  # continuous batching does not wait for the longest answer
    shared = needs(gpus=8)
    assert shared.gpus == 8 and many.seconds / 8 < shared.seconds < many.seconds
    paper["plan"]["device"]["memory"] = 30  # the weights alone take 28
    assert needs().peak > 0.95 * 30 * GIB


def test_generation_scales_with_repeats_and_a_batch_with_tokens_per_batch(paper):
    def need(repeats=1, **changes):
        benchmarks = paper["benchmarks"] | {"more": paper["benchmarks"]["math500"] | {"repeats": repeats}}
        evaluate = paper["evaluate"] | {"engine": "transformers", "batch_size": 6} | changes
        return estimator(experiment(paper | {"benchmarks": benchmarks, "evaluate": evaluate})).generate("7b-s1k")

    one, two, four = map(need, (1, 2, 4))
    assert (
        four.seconds - one.seconds == pytest.approx(3 * (two.seconds - one.seconds), rel=0.05)
        and two.seconds > one.seconds
    )
    assert four.disk - one.disk == pytest.approx(3 * (two.disk - one.disk)) and two.disk > one.disk
    assert need(tokens_per_batch=70_000).peak == need(batch_size=2).peak < one.peak


def test_the_critical_path_is_a_chain_of_dependencies(tmp_path):
    path = summarise(load(CONFIG / "paper.yaml"), tmp_path).path
    assert path[0].depends_on == () and all(a.name in b.depends_on for a, b in itertools.pairwise(path))


def test_merges_do_not_train_and_routes_generate_with_their_runs(paper, tmp_path):
    more = yaml.safe_load((CONFIG / "remedies.yaml").read_text())
    paper["runs"] |= more["runs"]
    paper["data"] |= more["data"]
    paper["tables"]["fixed"] = {"kind": "sft", "rows": ["fix-linear", "fix-ties", "fix-route"]}
    rows = {row.name: row for row in summarise(experiment(paper), tmp_path).rows}
    alone = {row.name: row for row in summarise(load(CONFIG / "paper.yaml"), tmp_path).rows}
    for name, row in alone.items():
        added = {"probe (7B)": 2, "generate (7B)": 4}.get(name, 0)
        assert rows[name].jobs == row.jobs + added
    assert rows.keys() - alone.keys() == {"merge (7B)"}
    merges = rows["merge (7B)"]
    assert (merges.jobs, merges.gpus, merges.gpu_seconds) == (2, 0, 0)
    needs = estimator(experiment(paper))
    assert needs.merge("fix-linear").seconds < 100 < needs.merge("fix-ties").seconds < 4 * 3600
    assert needs.merge("fix-ties").host < 30 * GIB
    assert needs.generate("fix-linear").peak == needs.generate("fix-ties").peak
    assert " 512 | " in render(summarise(experiment(paper), tmp_path))


def test_a_merge_of_another_config_is_not_compared(tmp_path):
    config = read_config("demo", "demo-remedies")
    config["tables"]["fixed"] = {"kind": "sft", "rows": ["fix-ties"]}
    finish(tmp_path / "demo", experiment(config), "fix-ties", seconds=4, peak=GIB)
    assert [row.name for row in summarise(experiment(config), tmp_path).rows if row.measured] == ["merge (tiny)"]
    config["runs"]["fix-ties"]["merge"]["density"] = 0.25
    assert not any(row.measured for row in summarise(experiment(config), tmp_path).rows)


def test_a_base_without_sizes_is_an_error(paper, tmp_path, capsys):
    del paper["bases"]["qwen2.5-14b"]["architecture"]
    file = tmp_path / "paper.yaml"
    file.write_text(yaml.safe_dump(paper))
    assert main(["plan", "--configfile", str(file)]) == 2
    assert "bases.qwen2.5-14b.architecture: missing" in capsys.readouterr().err


def test_an_unknown_benchmark_is_an_error(paper):
    paper["plan"]["answers"]["aime42"] = {"mean": 1}
    with pytest.raises(ConfigError, match=r"plan.answers.aime42: no benchmark .* \(did you mean 'aime24'\?\)"):
        experiment(paper)


def test_sizes_prices_and_assumptions_do_not_change_a_runs_digest(paper):
    before = experiment(paper)
    paper["plan"]["device"]["memory"] = 24
    paper["teacher"]["client"] = {"input_price": 7, "concurrency": 2}
    paper["bases"]["qwen2.5-7b"]["architecture"]["num_hidden_layers"] = 99
    after = experiment(paper)
    assert [before.digest(run, 0) for run in before.runs] == [after.digest(run, 0) for run in after.runs]
    # The params of rules decide which jobs rerun.
    assert before.teacher.model_dump() == after.teacher.model_dump()
    assert before.bases["qwen2.5-7b"].model_dump() == after.bases["qwen2.5-7b"].model_dump()


def test_the_plan_imports_no_tensor_library():
    code = "import sys; from r1k.cli import main; main(sys.argv[1:]); print(sorted(sys.modules), file=sys.stderr)"
    command = [sys.executable, "-c", code, "plan", "--configfile", str(CONFIG / "paper.yaml")]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stderr
    assert "'r1k.plan.table'" in loaded
    for heavy in ("'torch'", "'transformers'", "'pandas'", "'deepspeed'", "'tokenizers'", "'numpy'"):
        assert heavy not in loaded


def test_existing_data_are_counted(tmp_path, tiny_base):
    demo = load(CONFIG / "demo.yaml")
    forward, reverse = make_both(8)
    write_jsonl(tmp_path / "demo" / "data" / "s1k.jsonl", forward)
    by_characters = count_workload(demo, tmp_path)
    assert by_characters.counted_files == ("data/s1k.jsonl",)
    assert by_characters.responses["reverse"] == expected_workload(demo).responses["reverse"]
    assert by_characters.responses["forward"].mean != expected_workload(demo).responses["forward"].mean
    write_jsonl(tmp_path / "demo" / "data" / "r1k.jsonl", reverse)
    (tmp_path / "demo" / "bases").mkdir()
    (tmp_path / "demo" / "bases" / "tiny").symlink_to(tiny_base)
    by_tokens = count_workload(demo, tmp_path)
    assert by_tokens.architectures["tiny"].hidden_size == 32  # instead of the config's 128
    assert by_tokens.responses["forward"] == _encoded(tiny_base, forward)
    assert "counted in bases/tiny, data/s1k.jsonl, data/r1k.jsonl" in render(summarise(demo, tmp_path))


def test_a_base_of_the_hub_has_its_template_in_the_tokenizers_config(tmp_path, tiny_base):
    demo = load(CONFIG / "demo.yaml")
    write_jsonl(tmp_path / "demo" / "data" / "s1k.jsonl", make_both(8)[0])
    base = tmp_path / "demo" / "bases" / "tiny"
    shutil.copytree(tiny_base, base)
    counted = count_workload(demo, tmp_path)
    config = json.loads((base / "tokenizer_config.json").read_text())
    template = (base / "chat_template.jinja").read_text()
    (base / "chat_template.jinja").unlink()
    (base / "tokenizer_config.json").write_text(json.dumps(config | {"chat_template": template}))
    assert count_workload(demo, tmp_path).prompt == counted.prompt
    (base / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(TextError, match="has no chat template"):
        count_workload(demo, tmp_path)


def _encoded(base, examples):
    from r1k.plan.lengths import from_counts
    from r1k.text import encode, load_tokenizer

    tokenizer = load_tokenizer(base)
    return from_counts([len(encode(tokenizer, e.question, e.response, e.id).response) for e in examples])


def finish(folder, demo: Experiment, run: str, seconds: float, peak: float) -> None:
    """Write the files of a finished training run."""
    run_file = folder / "runs" / run / "0" / "run.json"
    (run_file.parent / "adapter").mkdir(parents=True)
    plan = run_plan(demo, run, 0).model_dump()
    run_file.write_text(RunFile(**plan, contents={}, digest="d" * 16).model_dump_json())
    facts = {"seconds_of_last_attempt": seconds, "resumed_at": 0, "peak_memory": {"host": peak}}
    manifest = {"stage": "train", "seconds": 0.1, "facts": facts}
    (run_file.parent / "adapter" / "manifest.json").write_text(json.dumps(manifest))
    (run_file.parent / "adapter" / "adapter_model.safetensors").write_bytes(b"0" * 1000)


def test_measurements_are_compared_with_estimates(tmp_path):
    demo = load(CONFIG / "demo.yaml")
    finish(tmp_path / "demo", demo, "tiny-s1k", seconds=40, peak=GIB)
    finish(tmp_path / "demo", demo, "tiny-r1k", seconds=60, peak=2 * GIB)
    (row,) = (row for row in summarise(demo, tmp_path).rows if row.measured)
    assert row.name == "train (sft, tiny)" and row.measured == 2
    (_, seconds), (_, peak), (_, disk) = row.compared
    assert (seconds, peak) == (100, 2 * GIB) and disk > 2000


def test_a_training_run_of_another_config_is_not_compared(tmp_path):
    config = yaml.safe_load((CONFIG / "demo.yaml").read_text())
    finish(tmp_path / "demo", experiment(config), "tiny-s1k", seconds=40, peak=GIB)
    config["train"]["sft"]["num_train_epochs"] = 3
    assert not any(row.measured for row in summarise(experiment(config), tmp_path).rows)


def test_jobs_request_more_on_each_retry():
    demo = load(CONFIG / "demo.yaml")
    resources = JobResources(demo.plan, lambda run: JobEstimate(seconds=3600, host=2e9, disk=3e9), "run")
    job = SimpleNamespace(run="x")
    assert [resources.mem(job, attempt) for attempt in (1, 2, 3)] == ["3000MB", "4500MB", "6750MB"]
    assert [resources.disk(job, attempt) for attempt in (1, 2)] == ["4500MB", "6750MB"]
    assert [resources.runtime(job, attempt) for attempt in (1, 2)] == [120, 240]


def test_a_job_requests_the_resources_of_its_run():
    demo = load(CONFIG / "demo.yaml")
    resources = JobResources(demo.plan, estimator(demo).train, "run")
    sft, dpo = (int(resources.mem(SimpleNamespace(run=run), 1)[:-2]) for run in ("tiny-s1k", "tiny-s1k-dpo"))
    assert sft < dpo


def test_the_estimator_checks_all_bases(paper):
    del paper["bases"]["qwen2.5-14b"]["architecture"]
    with pytest.raises(ConfigError, match=r"bases.qwen2.5-14b.architecture: missing"):
        estimator(experiment(paper))


def test_batches_may_take_a_day_each(paper, tmp_path):
    paper["teacher"]["client"] = {"batch": "openai"}
    plan = summarise(experiment(paper), tmp_path)
    assert plan.teacher.seconds == 2 * 24 * 3600


def test_paraphrases_are_teacher_calls(paper, tmp_path):
    plain = paper | {"probe": {key: value for key, value in paper["probe"].items() if key != "tracked"}}
    with_them, without = (summarise(experiment(each), tmp_path).teacher for each in (paper, plain))
    # Both responses of 50 training and 50 held-out problems, truncated to the probe's limit.
    assert (with_them.calls, without.calls) == (2200, 2000)
    written = with_them.completion_tokens - without.completion_tokens
    reasoning = 200 * experiment(paper).plan.inversion.mean
    assert 0 < written - reasoning <= 200 * paper["probe"]["max_tokens"]
    assert with_them.dollars > without.dollars
