"""Record the time and GPUs of job attempts, killed ones included: a small file per attempt, updated while it runs.

The file of a killed attempt shows its time up to the last heartbeat.
"""

import os
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from r1k.files import write_json

HEARTBEAT_SECONDS = 15.0
"""Seconds between two updates of an attempt's file."""


class Attempt(BaseModel):
    """One attempt at one job."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: str
    output: str = Field(description="output of the job; attempts with the same output belong to one job")
    started: str = Field(description="start time, ISO 8601, UTC")
    seconds: float = Field(ge=0, description="seconds to the end, or to the last heartbeat of a killed attempt")
    gpus: int = Field(ge=0, description="GPUs of the attempt, over all nodes")
    status: Literal["ok", "failed", "running"] = Field(description="`running` also means killed")


@contextmanager
def record_attempt(directory: Path | None, command: str, output: Path | None, nodes: int = 1) -> Iterator[None]:
    """Keep a file of this attempt in `directory`, updated while the block runs; None records nothing."""
    if directory is None:
        yield
        return
    begin, started, finished = time.monotonic(), datetime.now(UTC), threading.Event()
    path = directory / f"{started:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}.json"

    def write(status: Literal["ok", "failed", "running"]) -> None:
        attempt = Attempt(
            command=command,
            output=str(output),
            started=started.isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - begin, 1),
            gpus=nodes * visible_gpus(),
            status=status,
        )
        write_json(path, attempt.model_dump())

    def heartbeat() -> None:
        while not finished.wait(HEARTBEAT_SECONDS):
            write("running")

    directory.mkdir(parents=True, exist_ok=True)
    write("running")
    thread = threading.Thread(target=heartbeat, daemon=True)
    thread.start()
    status: Literal["ok", "failed"] = "failed"
    try:
        yield
        status = "ok"
    finally:
        finished.set()
        thread.join()
        write(status)


def visible_gpus() -> int:
    """Return the number of GPUs in CUDA_VISIBLE_DEVICES; if it is unset, those that torch sees, if loaded."""
    devices = os.environ.get("CUDA_VISIBLE_DEVICES")
    if devices is not None:
        return len([device for device in devices.split(",") if device.strip() not in ("", "-1")])
    torch = sys.modules.get("torch")
    return int(torch.cuda.device_count()) if torch is not None else 0


def read_attempts(directory: Path, since: str = "") -> list[Attempt]:
    """Return the attempts that started at `since` (ISO 8601, UTC) or later, oldest first."""
    found = [Attempt.model_validate_json(path.read_text(encoding="utf-8")) for path in directory.glob("*.json")]
    return sorted((attempt for attempt in found if attempt.started >= since), key=lambda attempt: attempt.started)


def summary(*, attempts: Path, planned: float | None = None, since: str = "") -> str:
    """Report what past jobs used, by command: attempts, failures, hours and GPU-hours.

    Args:
        attempts: Directory of the attempts' files, `--usage` of the jobs.
        planned: GPU-hours that `r1k plan` estimates, to compare with.
        since: Count only attempts from this time on (ISO 8601, UTC), such as 2026-01-31T12:00.
    """
    return usage_table(read_attempts(attempts, since), planned)


def usage_table(attempts: Sequence[Attempt], planned: float | None = None) -> str:
    """Return a table of jobs, attempts, failed and unfinished attempts, hours and GPU-hours, by command."""
    if not attempts:
        return "No attempts were recorded.\n"
    rows: list[tuple[str, ...]] = [("", "jobs", "attempts", "failed", "not ended", "hours", "GPU-hours")]
    for command in dict.fromkeys(attempt.command for attempt in attempts):
        rows.append(_row(command, [attempt for attempt in attempts if attempt.command == command]))
    rows.append(_row("all", attempts))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    if planned is not None:
        lines.append(f"GPU-hours planned for the whole experiment: {planned:.2f}")
    return "\n".join(lines) + "\n"


def _row(name: str, attempts: Sequence[Attempt]) -> tuple[str, ...]:
    hours = [attempt.seconds / 3600 for attempt in attempts]
    gpu_hours = sum(hour * attempt.gpus for hour, attempt in zip(hours, attempts, strict=True))
    statuses = [attempt.status for attempt in attempts]
    jobs = {(attempt.command, attempt.output) for attempt in attempts}
    counts = (len(jobs), len(attempts), statuses.count("failed"), statuses.count("running"))
    return (name, *map(str, counts), f"{sum(hours):.2f}", f"{gpu_hours:.2f}")
