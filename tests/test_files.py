"""Atomic writes, locks and digests."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from r1k.files import atomic_directory, exclusive, publish_directory, value_digest


def test_a_directory_is_written_atomically(tmp_path):
    target = tmp_path / "adapter"
    with atomic_directory(target) as partial:
        (partial / "a").write_text("1")
    with pytest.raises(RuntimeError), atomic_directory(target) as partial:
        (partial / "a").write_text("2")
        raise RuntimeError
    assert (target / "a").read_text() == "1"
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]


def test_publishing_replaces_the_target_and_keeps_the_source(tmp_path):
    source, target = tmp_path / "state", tmp_path / "out"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "a").write_text("1")
    target.mkdir()
    (target / "old").touch()
    publish_directory(source, target)
    assert [path.name for path in target.rglob("*") if path.is_file()] == ["a"]
    assert (source / "deep" / "a").exists()


HOLDER = """
import sys, time
from pathlib import Path
from r1k.files import exclusive
with exclusive(Path(sys.argv[1]), "holding"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_killed_process_releases_its_lock(tmp_path):
    lock = tmp_path / "lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(lock)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    start = time.monotonic()
    with exclusive(lock, "after a kill"):
        assert time.monotonic() - start < 5


def test_a_second_process_waits_and_reports_it(tmp_path, capfd):
    lock = tmp_path / "lock"
    code = HOLDER.replace("time.sleep(60)", "time.sleep(1.5)")
    holder = subprocess.Popen([sys.executable, "-c", code, str(lock)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    start = time.monotonic()
    with exclusive(Path(lock), "training x"):
        assert time.monotonic() - start > 0.5
    assert "training x: another process holds the lock" in capfd.readouterr().err
    holder.wait()


def test_a_digest_does_not_depend_on_the_order_of_keys():
    assert value_digest({"a": 1, "b": [2]}) == value_digest({"b": [2], "a": 1}) != value_digest({"a": 1, "b": [3]})
