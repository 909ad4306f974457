"""What attempts used, killed ones included, and the usage_table at the end of a run."""

import os
import signal
import subprocess
import sys
import time

import pytest

from r1k.usage import accounted, read_attempts, usage_table, visible_gpus

KILLED = """
import sys, time
from pathlib import Path
from r1k import usage
usage.BEAT = 0.1
with usage.accounted(Path(sys.argv[1]), "train", Path("adapter")):
    time.sleep(60)
"""


def test_an_attempt_is_kept_with_its_time_and_its_end(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3,4,5,6,7")
    with accounted(tmp_path, "train", tmp_path / "adapter"):
        pass
    with pytest.raises(KeyError), accounted(tmp_path, "train", tmp_path / "adapter"):
        raise KeyError
    first, second = sorted(read_attempts(tmp_path), key=lambda attempt: attempt.ended)
    assert (first.ended, second.ended) == ("failed", "ok")
    assert first.gpus == 8


def test_a_killed_attempt_keeps_its_last_beat(tmp_path):
    with subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)]) as process:
        while not (found := read_attempts(tmp_path)) or found[0].seconds < 0.3:
            assert process.poll() is None
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
    (attempt,) = read_attempts(tmp_path)
    assert attempt.ended == "running" and attempt.seconds >= 0.3


def test_no_directory_keeps_nothing(tmp_path):
    with accounted(None, "train", tmp_path / "adapter"):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("given", "gpus"), [("", 0), ("-1", 0), ("3", 1), ("0,1", 2), ("GPU-ab,GPU-cd", 2)])
def test_the_gpus_of_an_attempt_are_those_it_was_given(monkeypatch, given, gpus):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    assert visible_gpus() == gpus


def test_the_summary_counts_jobs_attempts_and_gpu_hours(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    for _ in range(2):
        with accounted(tmp_path, "train", tmp_path / "adapter"):
            pass
    attempts = [attempt.model_copy(update={"seconds": 1800.0}) for attempt in read_attempts(tmp_path)]
    attempts[0] = attempts[0].model_copy(update={"ended": "running"})
    lines = usage_table(attempts, planned=1.5).splitlines()
    assert lines[1].split() == ["train", "1", "2", "0", "1", "1.00", "2.00"]
    assert lines[-1].endswith("1.50")
    assert read_attempts(tmp_path, since="2999") == []
    assert usage_table([]) == "Nothing was trained, probed or generated.\n"
