"""The teacher's API key in a real workflow: only the environment holds it, no file, log or command line."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from faulty_teacher import KEY, KEY_VARIABLE, FaultyServer, echo_key, message
from workflows import MICRO

from examples import lines
from r1k.teacher.server import running

pytestmark = pytest.mark.slow

WANTED = ["results/micro/export/r1k", "results/micro/figures/figure1.png"]


@contextmanager
def watched_processes() -> Iterator[set[bytes]]:
    """Collect the command lines of all processes while the block runs."""
    seen: set[bytes] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    seen.add((process / "cmdline").read_bytes())
                except (FileNotFoundError, ProcessLookupError, PermissionError):
                    continue
            time.sleep(0.02)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with running(FaultyServer()) as faulty:
        assert isinstance(faulty, FaultyServer)
        yield faulty


def test_the_workflow_neither_writes_nor_shows_the_key(workflow, server):
    experiment = yaml.safe_load(MICRO.read_text())
    experiment["teacher"] = server.teacher(concurrency=1).model_dump(mode="json", exclude_none=True)
    config = workflow.directory / "teacher.yaml"
    config.write_text(yaml.safe_dump(experiment))
    environment = {KEY_VARIABLE: KEY, "NO_PROXY": "127.0.0.1"}
    command = ["--configfile", str(config), "--printshellcmds", "--show-failed-logs", "--verbose"]
    server.delay = 0.02
    server.fail("Reply with the reverse", echo_key(503), message(content=f"Use {KEY} to ask"), echo_key(401))
    with watched_processes() as processes:
        refused = workflow.run([*command, "--", *WANTED], check=False, more=environment)
        done = workflow.run([*command, "--", *WANTED], more=environment)
        shown = workflow.run([*command, "--report", "report.html", "--", *WANTED], more=environment)
    assert refused.returncode != 0
    assert "bad header Bearer [key]" in refused.stdout + refused.stderr
    journal = workflow.directory / "results" / "journal" / "teacher.jsonl"
    assert any("Use [key] to ask" in entry["answer"] for entry in lines(journal))
    assert any(b"invert" in line and KEY_VARIABLE.encode() in line for line in processes), "the watch saw the command"
    assert not [line for line in processes if KEY.encode() in line]
    assert KEY not in "".join(run.stdout + run.stderr for run in (refused, done, shown))
    files = [path for path in workflow.directory.rglob("*") if path.is_file() and not path.is_symlink()]
    kinds = {path.relative_to(workflow.directory).parts[0] for path in files}
    assert kinds == {".snakemake", "logs", "results", "report.html", "teacher.yaml"}
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []
