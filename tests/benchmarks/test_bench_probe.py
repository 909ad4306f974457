"""The probe's benchmark runs, on as little as there is; its numbers are equal, whatever its times are."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SMALL = ["--problems", "4", "--words", "6", "--checkpoints", "2", "--tracked-problems", "2", "--greedy-tokens", "4"]


def test_it_runs_and_the_released_way_finds_the_same():
    bench = Path(__file__).parents[2] / "benchmarks" / "bench_probe.py"
    command = [sys.executable, bench, *SMALL, "--repeats", "1", "--parts", "speed", "processes"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr[-2000:]
    assert told.stdout.count("nats at most: within the limit of 2e-05") == 2
    assert "floors" in told.stdout
