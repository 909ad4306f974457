import os
import subprocess
import sys

import pytest

CODE = """
from r1k.runtime import tune_process
tune_process()
import resource
for _ in range(200):
    b'x' * 2**23
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""


def page_faults(**settings):
    """Return the page faults of a process that makes and frees 8 MiB of text, 200 times."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    ended = subprocess.run(
        [sys.executable, "-c", CODE], env=plain | settings, capture_output=True, text=True, check=True
    )
    return int(ended.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mallopt is glibc's")
def test_freed_memory_is_used_again_unless_the_environment_sets_malloc():
    pages = 200 * 2**23 // 4096
    assert page_faults() < pages / 10
    assert page_faults(MALLOC_MMAP_THRESHOLD_="131072") > pages / 2
