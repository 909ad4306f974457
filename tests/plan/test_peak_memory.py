"""Peak memory, as recorded in manifests."""

import subprocess
import sys

import pytest

from r1k.provenance import peak_memory

MIB = 2**20


def peak_of(allocated: int, before: str = "") -> int:
    """Return the peak bytes of a process that fills and frees `allocated` MiB."""
    code = f"{before}\nfrom r1k.provenance import peak_memory\nx = b'1' * ({allocated} << 20)\ndel x\n"
    shown = subprocess.run(
        [sys.executable, "-c", code + "print(peak_memory()['host'])"], capture_output=True, text=True
    )
    return int(shown.stdout)


def test_the_peak_survives_the_free():
    assert peak_of(300) - peak_of(1) == pytest.approx(299 * MIB, rel=0.05)


def test_the_parents_peak_does_not_count():
    held = b"1" * (500 * MIB)
    assert peak_memory()["host"] > len(held) > 5 * peak_of(1)


def test_a_larger_child_counts():
    child = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', \"x = b'1' * (300 << 20)\"])"
    assert peak_of(1, before=child) > 300 * MIB


def test_no_gpu_is_reported_without_torch():
    code = "from r1k.provenance import peak_memory; print(sorted(peak_memory()))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "['host']"
