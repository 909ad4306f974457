"""What jobs used, killed attempts included: a small file for each attempt, kept up while it runs.

An attempt that is killed leaves its file as it was at its last beat, so that the time is known to within BEAT seconds.
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

from pydantic import BaseModel, ConfigDict, Field

from r1k.files import write_json

BEAT = 15.0
"""Seconds between two beats."""


class Attempt(BaseModel):
    """One attempt at one job."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: str
    output: str = Field(description="what the job makes: attempts at the same output are attempts at one job")
    started: str
    seconds: float = Field(ge=0, description="up to its end, or to the last beat where it was killed")
    gpus: int = Field(ge=0, description="GPUs that the attempt was given")
    ended: str = Field(description="ok, failed, or running: still so, or killed")


@contextmanager
def accounted(directory: Path | None, command: str, output: Path | None, nodes: int = 1) -> Iterator[None]:
    """Keep an attempt's file in `directory` while the body runs; None keeps nothing."""
    if directory is None:
        yield
        return
    begin, started, over = time.monotonic(), datetime.now(UTC), threading.Event()
    path = directory / f"{started:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}.json"

    def record(ended: str) -> None:
        attempt = Attempt(
            command=command,
            output=str(output),
            started=started.isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - begin, 1),
            gpus=nodes * visible_gpus(),
            ended=ended,
        )
        write_json(path, attempt.model_dump())

    def beat() -> None:
        while not over.wait(BEAT):
            record("running")

    directory.mkdir(parents=True, exist_ok=True)
    record("running")
    beater = threading.Thread(target=beat, daemon=True)
    beater.start()
    ended = "failed"
    try:
        yield
        ended = "ok"
    finally:
        over.set()
        beater.join()
        record(ended)


def visible_gpus() -> int:
    """The GPUs that this process was given: by CUDA_VISIBLE_DEVICES, else those that an already loaded torch sees."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return len([device for device in given.split(",") if device.strip() not in ("", "-1")])
    torch = sys.modules.get("torch")
    return int(torch.cuda.device_count()) if torch is not None else 0


def read_attempts(directory: Path, since: str = "") -> list[Attempt]:
    """The attempts that started at `since` (ISO 8601, UTC) or later, the oldest first."""
    found = [Attempt.model_validate_json(path.read_text(encoding="utf-8")) for path in directory.glob("*.json")]
    return sorted((attempt for attempt in found if attempt.started >= since), key=lambda attempt: attempt.started)


def summary(*, attempts: Path, planned: float | None = None, since: str = "") -> str:
    """Report what past jobs used, by command: attempts, failures, hours and GPU-hours.

    Args:
        attempts: The directory that the jobs were given with `--usage`.
        planned: GPU-hours that `r1k plan` estimates, to compare with.
        since: Count only attempts from this time on (ISO 8601, UTC), such as 2026-01-31T12:00.
    """
    return usage_table(read_attempts(attempts, since), planned)


def usage_table(attempts: Sequence[Attempt], planned: float | None = None) -> str:
    """Return a table: by command, jobs, attempts, those that were killed or failed, hours and GPU-hours."""
    if not attempts:
        return "Nothing was trained, probed or generated.\n"
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
    ends = [attempt.ended for attempt in attempts]
    jobs = {(attempt.command, attempt.output) for attempt in attempts}
    counts = (len(jobs), len(attempts), ends.count("failed"), ends.count("running"))
    return (name, *map(str, counts), f"{sum(hours):.2f}", f"{gpu_hours:.2f}")
