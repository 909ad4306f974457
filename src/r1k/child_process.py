"""Child processes: some die with their parent, and one runs functions within a limit of processor time."""

import atexit
import ctypes
import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from r1k.errors import R1kError

PR_SET_PDEATHSIG = 1
"""The option of prctl(2) that sets the signal a process gets when its parent dies."""
SERVE = "import sys; sys.path[:] = {path}; from r1k.child_process import serve_calls; serve_calls({handle})"

T = TypeVar("T")


class CPULimitError(Exception):
    """A call used up its processor time."""


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies, so that a killed run leaves no process behind."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class LimitedCalls:
    """Calls functions in a child process, which the kernel ends when a call uses up its processor time.

    The limit also holds outside of the main thread, and in code that does not return to the interpreter. Processor time
    does not depend on what else the machine does. The child calls `prepare` once; a fork of it takes over after a call
    that used up its time.
    """

    def __init__(self, prepare: Callable[[], None]) -> None:
        self._prepare = prepare
        self._connection: Connection[Any, Any] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        os.register_at_fork(after_in_child=self._forget)
        atexit.register(self.close)

    def __call__(self, seconds: float, function: Callable[..., T], *arguments: Any) -> T:
        """Return the function's value. `seconds` is the limit; function, arguments and value must be picklable.

        Raises:
            CPULimitError: The function used up its processor time.
            R1kError: The process ended in another way, such as for lack of memory.
        """
        value: T
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._start()
                self._connection.send((seconds, function, arguments))
                value, exit_code = self._connection.recv()
            except BaseException as error:
                self._connection = None
                if isinstance(error, EOFError | ConnectionError):
                    raise R1kError("the process that calls functions within a time limit ended; run again") from error
                raise
        if exit_code == -signal.SIGPROF:
            raise CPULimitError(f"{function.__name__} used up its {seconds:g} s of processor time")
        if exit_code:
            raise R1kError(
                f"the process of {function.__name__} ended with exit code {exit_code} for the arguments "
                f"{arguments!r:.300}; its own message is above, if it left one; -9 means lack of memory"
            )
        return value

    def close(self) -> None:
        """End the child and wait for it, so that its processor time counts as this process's; the next call starts
        another."""
        with self._lock:
            if self._connection is not None and self._process is not None:
                self._connection.close()
                self._process.wait()
            self._connection = self._process = None

    def _forget(self) -> None:
        """Leave the child to the process of which this one is a fork."""
        self._connection, self._process, self._lock = None, None, threading.Lock()

    def _start(self) -> "Connection[Any, Any]":
        ours, theirs = Pipe()
        with theirs:
            code = SERVE.format(path=sys.path, handle=theirs.fileno())
            command = [sys.executable, "-c", code]
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        ours.send(self._prepare)
        return ours


def serve_calls(handle: int) -> None:
    """Answer the calls that arrive at a file descriptor until it closes. A fork runs them; the next one replaces it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection: Connection[Any, Any] = Connection(handle)
    with connection, suppress(EOFError, ConnectionError):
        prepare = connection.recv()
        prepare()
        # Otherwise the first collection in a fork copies every page.
        gc.freeze()
        while worker := os.fork():
            exit_code = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
            if exit_code == 0:
                return
            connection.send((None, exit_code))
        while True:
            seconds, function, arguments = connection.recv()
            signal.setitimer(signal.ITIMER_PROF, seconds)
            value = function(*arguments)
            signal.setitimer(signal.ITIMER_PROF, 0)
            connection.send((value, 0))
