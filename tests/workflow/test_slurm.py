"""The workflow on real Slurm daemons with four simulated nodes of eight GPUs."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import pytest
import yaml
from faulty_teacher import KEY, FaultyServer, Riddles
from loopback_hub import loopback_hub
from workflows import MICRO, MICRO_ON_SLURM, QUICK, TABLES, Workflow, jobs_of, r1k_processes, trainings_of

from examples import ROOT, lines
from r1k.train.checkpoints import is_complete
from r1k.usage import read_attempts
from throwaway_slurm import GPUS, ThrowawaySlurm, missing

pytestmark = pytest.mark.slow

SFT = (
    "lora: {r: 4, lora_alpha: 8}, sft: {num_train_epochs: 10, train_batch_size: 4, max_length: 1024, dtype: float32, "
    "attn_implementation: sdpa}"
)
LAUNCH = "per_device_train_batch_size: 4, gradient_checkpointing: false"
ONE_PROCESS = ["--config", f"train={{launch: {{{LAUNCH}}}, {SFT}}}"]
TWO_NODES = [
    "--config",
    "train={launch: {nodes: 2, gpus: 8, processes: 1, per_device_train_batch_size: 1, checkpoint_seconds: 1, "
    f"gradient_checkpointing: false}}, {SFT}}}",
]


def test_the_whole_study_on_slurm_makes_the_same_tables(finished, workflow, cluster):
    done = workflow.run([*MICRO_ON_SLURM, "--", "all"], more=cluster.environment)
    for table in TABLES:
        assert (workflow.directory / table).read_text() == (finished.directory / table).read_text(), table
    adapters = list((workflow.directory / "results" / "micro" / "runs").glob("*/0/adapter"))
    assert len(adapters) == 4
    for adapter in adapters:
        facts = json.loads((adapter / "facts.json").read_text())
        assert facts["visible_devices"].split(",") == [str(device) for device in range(GPUS)]
    said = done.stdout + done.stderr
    assert "GPU-hours" in said and "train" in said  # the summary


def test_independent_training_runs_run_at_the_same_time(workflow, cluster):
    """Slurm's records show four seeds of a run at the same time on four nodes, each with eight GPUs."""
    before = set(jobs_of(cluster))
    targets = [f"results/micro/runs/tiny-half/{seed}/adapter" for seed in range(4)]
    # The training run is long enough to overlap with the others.
    train = f"train={{launch: {{gpus: 8, cores: 1}}, {SFT.replace('epochs: 10', 'epochs: 25')}}}"
    change = ["--config", "seeds=[0,1,2,3]", train]
    done = workflow.run([*MICRO_ON_SLURM, *change, "--", *targets], more=cluster.environment)
    trainings = [job for name, job in trainings_of(cluster).items() if name not in before]
    assert [job["JobState"] for job in trainings] == 4 * ["COMPLETED"], done.stdout + done.stderr
    assert len({job["NodeList"] for job in trainings}) == 4
    last_start = max(datetime.fromisoformat(job["StartTime"]) for job in trainings)
    first_end = min(datetime.fromisoformat(job["EndTime"]) for job in trainings)
    assert last_start < first_end


def test_training_on_two_nodes_survives_a_killed_process_and_equals_training_in_one_process(
    workflow, cluster, tmp_path_factory
):
    """The rule trains with ZeRO-3 over gloo; after one process is killed, the job ends and the next attempt resumes."""
    before = set(jobs_of(cluster))
    target, state = "results/micro/runs/tiny-half/0/adapter", workflow.directory / "results/micro/state/train"
    log = workflow.directory / "driver.log"
    driver = workflow.start_with([*MICRO_ON_SLURM, *TWO_NODES, "--", target], log, cluster.environment)
    while not any(map(is_complete, state.glob("*/checkpoint-*"))):
        assert driver.poll() is None, log.read_text()
        time.sleep(0.02)
    here = r1k_processes(workflow.directory)
    workers = [
        process for process, line in here.items() if b"r1k.train.worker" in line and b"torch.distributed" not in line
    ]
    os.kill(workers[-1], signal.SIGKILL)
    assert driver.wait(900) == 0, log.read_text()

    adapter = workflow.directory / target
    facts = json.loads((adapter / "facts.json").read_text())
    assert (facts["nodes"], facts["processes"], facts["zero_stage"]) == (2, 2, 3)
    assert facts["resumed_at"] > 0
    quiet = Workflow(tmp_path_factory.mktemp("quiet"))
    quiet.run(["--configfile", str(MICRO), *ONE_PROCESS, "--", target])
    assert losses(adapter) == pytest.approx(losses(quiet.directory / target), abs=1e-3)  # logged with four digits
    jobs = {name: job for name, job in jobs_of(cluster).items() if name not in before and job["NumNodes"] == "2"}
    assert [job["TresPerJob"] for job in jobs.values()] == 2 * ["gres:gpu:16"], log.read_text()
    for job in jobs.values():  # the launcher's job step ran on both nodes
        for node in expanded(cluster, job["NodeList"]):
            assert f"launch task StepId={job['JobId']}.0 " in cluster.log(f"slurmd-{node}")
    (trained,) = {a.gpus for a in read_attempts(workflow.directory / "results/micro/usage") if a.command == "train"}
    assert trained == 2 * GPUS


def losses(adapter: Path) -> list[float]:
    return [float(entry["loss"]) for entry in lines(adapter / "history.jsonl") if "loss" in entry]


def expanded(cluster: ThrowawaySlurm, nodes: str) -> list[str]:
    return cluster.run("scontrol", "show", "hostnames", nodes).split()


def test_an_unknown_partition_is_an_error_before_any_job_is_submitted(workflow, cluster):
    before = set(jobs_of(cluster))
    command = [*MICRO_ON_SLURM, "--default-resources", "slurm_partition=nowhere", "--", "all"]
    refused = workflow.run(command, check=False, more=cluster.environment)
    message = (
        "slurm_partition: 'nowhere' does not exist on this cluster. You may use: gpu, urgent; set it in profiles/slurm"
    )
    assert refused.returncode != 0 and message in refused.stdout + refused.stderr
    assert set(jobs_of(cluster)) == before
    assert not (workflow.directory / "results").exists()


def test_with_accounting_jobs_are_tracked_by_sacct_and_accounts_are_checked(workflow):
    lacking = missing(accounting=True)
    if lacking:
        pytest.skip(f"Slurm's accounting is not installed ({', '.join(lacking)})")
    target = "results/micro/runs/tiny-half/0/adapter"
    command = [*MICRO_ON_SLURM, "--slurm-status-command", "sacct"]
    with (
        tempfile.TemporaryDirectory(prefix="slurm-") as directory,
        ThrowawaySlurm(Path(directory), nodes=1, accounting=True) as cluster,
    ):
        wrong = ["--default-resources", "slurm_account=others"]
        refused = workflow.run([*command, *wrong, "--", target], check=False, more=cluster.environment)
        assert (
            "slurm_account: 'others' does not exist on this cluster. You may use: research"
            in refused.stdout + refused.stderr
        )
        right = ["--default-resources", "slurm_account=research"]
        workflow.run([*command, *right, "--", target], more=cluster.environment)
        record = cluster.run("sacct", "--noheader", "--parsable2", "--allocations", "--format=state,account,alloctres")
    assert "COMPLETED|research|" in record and f"gres/gpu={GPUS}" in record


GPQA_CARD = b"""---
configs:
- config_name: gpqa_diamond
  data_files: diamond.jsonl
---
"""


def _jsonl(rows: Iterable[dict[str, str]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def _problem(number: int) -> dict[str, str]:
    return {
        "question": f"What is {number} + {number}?",
        "solution": str(2 * number),
        "source_type": "made/up",
        "metadata": "{}",
        "deepseek_thinking_trajectory": f"Twice {number}.",
        "deepseek_attempt": f"It is {2 * number}.",
        "deepseek_grade": "Yes",
    }


def _question(number: int) -> dict[str, str]:
    return {"problem": f"What is {number} + 1?", "answer": str(number + 1)}


def _choice(number: int) -> dict[str, str]:
    wrong = {f"Incorrect Answer {k}": str(number + 1 + k) for k in (1, 2, 3)}
    return {"Question": f"What is {number} + 1?", "Correct Answer": str(number + 1)} | wrong


@pytest.fixture
def paper(workflow, tmp_path_factory, tiny_base):
    """Return the paper's experiment unchanged except for the teacher's address, with hub and teacher on loopback."""
    weights = {path.name: path.read_bytes() for path in tiny_base.iterdir() if path.is_file()}
    server = FaultyServer()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    whole = yaml.safe_load((ROOT / "config" / "paper.yaml").read_text())
    whole["teacher"] |= {"base_url": server.url, "model": Riddles.model}
    sources = {name: benchmark["source"] for name, benchmark in whole["benchmarks"].items()}
    files = {
        whole["data"]["source"]["repo"]: {"train.jsonl": _jsonl(map(_problem, range(1000)))},
        **{base["repo"]: weights for base in whole["bases"].values()},
        sources["aime24"]["repo"]: {"train.jsonl": _jsonl(map(_question, range(30)))},
        sources["math500"]["repo"]: {"test.jsonl": _jsonl(map(_question, range(500)))},
        sources["gpqa"]["repo"]: {"README.md": GPQA_CARD, "diamond.jsonl": _jsonl(map(_choice, range(198)))},
    }
    config = workflow.directory / "config"
    config.unlink()
    config.mkdir()
    (config / "paper.yaml").write_text(yaml.safe_dump(whole, sort_keys=False))
    with loopback_hub(files, gated={}) as endpoint:
        home = str(tmp_path_factory.mktemp("hub"))
        yield workflow, {"HF_ENDPOINT": endpoint, "HF_HOME": home, "DEEPSEEK_API_KEY": KEY}
    server.shutdown()


def test_the_readmes_command_submits_the_paper(paper, cluster):
    """Downloads and the teacher run locally; training jobs get 8 GPUs each in Slurm and report that they find none."""
    workflow, environment = paper
    before = set(jobs_of(cluster))
    command = ["--profile", "slurm", "all", *QUICK, "--retries", "0"]
    ended = workflow.run(command, check=False, more=cluster.environment | environment)
    said = ended.stdout + ended.stderr
    results = workflow.directory / "results" / "paper"
    assert len((results / "data" / "r1k.jsonl").read_text().splitlines()) == 1000, said[-3000:]
    for name, n in {"aime24": 30, "math500": 500, "gpqa": 198}.items():
        assert len((results / "benchmarks" / f"{name}.jsonl").read_text().splitlines()) == n
    trainings = [job for name, job in trainings_of(cluster).items() if name not in before]
    assert len(trainings) == 10  # the SFT runs of both tables and of Figure 2
    assert ended.returncode != 0
    log = (workflow.directory / "logs" / "paper" / "train" / "7b-s1k" / "0.log").read_text()
    assert "training in bfloat16 needs a GPU, and torch finds none (CUDA_VISIBLE_DEVICES: 0,1,2,3,4,5,6,7)" in log
    leaks = subprocess.run(["grep", "-rl", KEY, str(workflow.directory)], capture_output=True, text=True).stdout
    assert leaks == ""


def test_throwaway_slurm_is_a_command_and_leaves_nothing_behind():
    lacking = missing()
    if lacking:
        pytest.skip(f"Slurm is not installed ({', '.join(lacking)})")
    script = ROOT / "tests" / "throwaway_slurm.py"
    done = subprocess.run(
        [sys.executable, script, "--nodes", "2", "--", "sh", "-c", "echo $SLURM_CONF; sinfo -h -N -o %N; exit 3"],
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 3
    place, *nodes = done.stdout.split()
    assert set(nodes) == {"gpu01", "gpu02"}
    assert not Path(place).exists()
    assert subprocess.run(["pgrep", "-f", str(Path(place).parent)], capture_output=True).returncode == 1
