"""The micro experiment, run for real: to its end, a single table again, and through kills."""

import contextlib
import math
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from workflows import TABLES, r1k_processes

from examples import lines
from r1k.data.audit.records import read_audit
from r1k.records import Graded, LogProb, Sample, Score, read_jsonl

pytestmark = pytest.mark.slow

KILLS = 4


def test_everything_that_others_build_on_is_there(finished):
    results = finished.directory / "results" / "micro"
    for name in ("s1k", "r1k", "mix", "half", "pairs", "probe"):
        assert (results / "data" / f"{name}.jsonl").stat().st_size
        assert (results / "data" / f"{name}.manifest.json").stat().st_size
    run = results / "runs" / "dyn-mix" / "0"
    assert (run / "run.json").is_file() and (run / "adapter" / "adapter_model.safetensors").is_file()
    assert sorted(int(step.name) for step in (run / "steps").iterdir()) == [3, 5]
    for benchmark in ("aime", "math", "gpqa"):
        folder = results / "evaluate" / "tiny-half-dpo" / "0" / benchmark
        assert len(read_jsonl(folder / "samples.jsonl", Sample)) == 6
        assert len(read_jsonl(folder / "graded.jsonl", Graded)) == 6
        assert Score.model_validate_json((folder / "score.json").read_text()).all.n == 6
    records = read_jsonl(results / "probe" / "dyn-mix" / "0.jsonl", LogProb)
    assert Counter(record.step for record in records) == dict.fromkeys((0, 3, 5), 4 * 2 * 2)
    for figure in ("figure1", "figure2", "probability-shift", "ntk"):
        assert all((results / f"figures/{figure}.{form}").stat().st_size > 1000 for form in ("png", "pdf"))
    assert "<table>" in (results / "report.html").read_text()
    assert "tiny-half-dpo" in (results / "samples.html").read_text()
    audit = read_audit(results / "audit" / "audit.json")
    assert (audit.base, audit.problems, len(audit.contamination)) == ("tiny", 12, 3 * 2 * 2)
    assert (results / "audit" / "audit.html").read_text().count("<img") == 4


def test_step_0_of_dpo_is_the_end_of_sft(finished):
    probes = finished.directory / "results" / "micro" / "probe"
    end = [r for r in read_jsonl(probes / "dyn-mix" / "0.jsonl", LogProb) if r.step == 5]
    start = [r for r in read_jsonl(probes / "dyn-mix-dpo" / "0.jsonl", LogProb) if r.step == 0]
    key = ("split", "problem", "direction", "response")
    ends = {tuple(getattr(r, name) for name in key): r.sum for r in end}
    assert len(start) == len(ends) == 16
    for record in start:
        assert record.sum == pytest.approx(ends[tuple(getattr(record, name) for name in key)], abs=1e-4)


def test_a_second_run_has_nothing_to_do(finished):
    assert "Nothing to be done" in "".join(finished.micro("all").__dict__[stream] for stream in ("stdout", "stderr"))


def test_one_table_is_rebuilt_alone(finished):
    table = finished.directory / TABLES[0]
    before = table.read_text()
    table.unlink()
    done = finished.micro(TABLES[0])
    assert table.read_text() == before
    assert "1 of 1 steps" in done.stdout + done.stderr


def test_snakemakes_report_has_the_captions(finished):
    finished.run(["--configfile", str(finished.command()[4]), "--report", "report.html", "--", "all"])
    assert "Log-probabilit" in (finished.directory / "report.html").read_text()


def test_kill_9_at_any_time_ends_in_the_same_tables(finished, workflow):
    """Snakemake or one of its jobs dies, again and again, and its orphans go on; the end is that of a quiet run."""
    dice = random.Random(0)
    kills = 0
    for deadline in (*(dice.uniform(5, 20) for _ in range(KILLS)), math.inf):
        started = workflow.start("all")
        try:
            start = time.monotonic()
            while started.poll() is None and time.monotonic() - start < deadline:
                time.sleep(0.1)
            if started.poll() is not None:
                break
            victims = [started.pid, *r1k_processes(workflow.directory)]
            _kill(dice.choice(victims))
            _kill(started.pid)
            kills += 1
        finally:
            started.wait()
    assert started.returncode == 0, (workflow.directory / "snakemake.log").read_text()[-4000:]
    assert kills == KILLS
    for table in TABLES:
        assert (workflow.directory / table).read_text() == (finished.directory / table).read_text(), table
    _nothing_was_done_twice(workflow.directory)


def _nothing_was_done_twice(directory: Path) -> None:
    asked = [entry["key"] for entry in lines(directory / "results" / "micro" / "journal" / "teacher.jsonl")]
    # Two for each of twelve problems, and both responses of the four that are followed, reworded.
    assert len(asked) == len(set(asked)) == 2 * 12 + 2 * 4
    for adapter in (directory / "results" / "micro" / "runs").glob("*/0/adapter"):
        history = [entry["step"] for entry in lines(adapter / "history.jsonl") if "loss" in entry]
        assert history == sorted(set(history)), adapter


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it may just have ended
        os.kill(pid, signal.SIGKILL)
