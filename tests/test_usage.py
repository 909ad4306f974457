"""Recorded attempts, killed ones included, and the usage table at the end of a workflow."""

import os
import signal
import subprocess
import sys
import time

import pytest

from r1k.usage import read_attempts, record_attempt, usage_table, visible_gpus

KILLED = """
import sys, time
from pathlib import Path
from r1k import usage
usage.HEARTBEAT_SECONDS = 0.1
with usage.record_attempt(Path(sys.argv[1]), "train", Path("adapter")):
    time.sleep(60)
"""


def test_an_attempt_is_recorded_with_status_and_gpus(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3,4,5,6,7")
    with record_attempt(tmp_path, "train", tmp_path / "adapter"):
        pass
    with pytest.raises(KeyError), record_attempt(tmp_path, "train", tmp_path / "adapter"):
        raise KeyError
    first, second = sorted(read_attempts(tmp_path), key=lambda attempt: attempt.status)
    assert (first.status, second.status) == ("failed", "ok")
    assert first.gpus == 8


def test_a_killed_attempt_keeps_its_last_heartbeat(tmp_path):
    with subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)]) as process:
        while not (found := read_attempts(tmp_path)) or found[0].seconds < 0.3:
            assert process.poll() is None
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
    (attempt,) = read_attempts(tmp_path)
    assert attempt.status == "running" and attempt.seconds >= 0.3


def test_without_a_directory_nothing_is_recorded(tmp_path):
    with record_attempt(None, "train", tmp_path / "adapter"):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("devices", "gpus"), [("", 0), ("-1", 0), ("3", 1), ("0,1", 2), ("GPU-ab,GPU-cd", 2)])
def test_visible_gpus_are_counted(monkeypatch, devices, gpus):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", devices)
    assert visible_gpus() == gpus


def test_the_summary_counts_jobs_attempts_and_gpu_hours(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    for _ in range(2):
        with record_attempt(tmp_path, "train", tmp_path / "adapter"):
            pass
    attempts = [attempt.model_copy(update={"seconds": 1800.0}) for attempt in read_attempts(tmp_path)]
    attempts[0] = attempts[0].model_copy(update={"status": "running"})
    lines = usage_table(attempts, planned=1.5).splitlines()
    assert lines[1].split() == ["train", "1", "2", "0", "1", "1.00", "2.00"]
    assert lines[-1].endswith("1.50")
    assert read_attempts(tmp_path, since="2999") == []
    assert usage_table([]) == "No attempts were recorded.\n"
