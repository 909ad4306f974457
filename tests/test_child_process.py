"""Functions within a limit of processor time, in a child process."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from r1k.child_process import CPULimitError, LimitedCalls
from r1k.errors import R1kError


@pytest.fixture(scope="module")
def limited() -> LimitedCalls:
    return LimitedCalls(gc.freeze)


def test_a_call_returns_its_value(limited: LimitedCalls):
    assert limited(5, divmod, 17, 5) == (3, 2)


def test_a_sleeping_call_uses_no_processor_time(limited: LimitedCalls):
    assert limited(0.1, time.sleep, 0.3) is None


@pytest.mark.parametrize("endless", ["while True: pass", "3 ** 10 ** 9"])
def test_a_call_ends_at_its_limit_also_outside_of_the_interpreter(limited: LimitedCalls, endless: str):
    start = time.monotonic()
    with pytest.raises(CPULimitError, match=r"exec used up its 0\.2 s"):
        limited(0.2, exec, endless)
    assert time.monotonic() - start < 60
    assert limited(5, abs, -3) == 3, "the next call finds another process"


def test_calls_from_several_threads_get_their_own_values(limited: LimitedCalls):
    def call(number: int) -> int:
        assert threading.current_thread() is not threading.main_thread()
        try:
            return limited(0.2, eval, "[0 for _ in iter(int, 1)]" if number == 7 else f"{number} + 1")
        except CPULimitError:
            return -1

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(call, range(12))) == [-1 if number == 7 else number + 1 for number in range(12)]


def test_a_process_that_ends_otherwise_is_an_error(limited: LimitedCalls):
    with pytest.raises(R1kError, match=r"_exit ended with exit code 3 for the arguments \(3,\)"):
        limited(5, os._exit, 3)
    with pytest.raises(R1kError, match="exit code -9"):
        limited(5, signal.raise_signal, signal.SIGKILL)
    assert limited(5, abs, -3) == 3


def test_the_value_of_an_interrupted_call_is_not_that_of_the_next(limited: LimitedCalls):
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    with pytest.raises(KeyboardInterrupt):
        limited(5, time.sleep, 0.5)
    signal.signal(signal.SIGALRM, before)
    assert limited(5, abs, -3) == 3


def test_a_fork_of_the_caller_has_a_process_of_its_own(limited: LimitedCalls):
    assert limited(5, os.getpid) == limited(5, os.getpid)
    child = os.fork()
    if not child:
        os._exit(limited(5, abs, -3))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
    assert limited(5, abs, -4) == 4


def test_the_child_ends_with_its_caller(tmp_path: Path):
    pid = tmp_path / "pid"
    work = f"""
import gc, os, pathlib, signal, time
from r1k.child_process import LimitedCalls
limited = LimitedCalls(gc.freeze)
pathlib.Path({str(pid)!r}).write_text(str(limited(5, os.getpid)))
signal.raise_signal(signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", work]).returncode == -signal.SIGKILL
    process = Path("/proc") / pid.read_text()
    deadline = time.monotonic() + 10
    while process.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not process.exists()


def test_a_closed_child_is_waited_for_and_replaced():
    one = LimitedCalls(gc.freeze)
    first = one(5, os.getpid)
    one.close()
    assert not (Path("/proc") / str(first)).exists()
    assert one(5, os.getpid) != first
    one.close()
