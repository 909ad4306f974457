"""The manifest beside each artefact: what it is, what it was made from, by which code, on what, in how long."""

import json
import os
import platform
import re
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from r1k.files import directory_digest, file_digest, write_json

PACKAGES = (
    "r1k",
    "torch",
    "transformers",
    "peft",
    "trl",
    "deepspeed",
    "flash-attn",
    "lm-eval",
    "vllm",
    "openai",
    "math-verify",
    "scikit-learn",
)

RSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in a unit of getrusage's ru_maxrss."""


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        return round(time.monotonic() - self._start, 3)


def manifest_path(artefact: Path) -> Path:
    """`data/s1k.jsonl` has `data/s1k.manifest.json`; a directory has its own `manifest.json`."""
    return artefact / "manifest.json" if artefact.is_dir() else artefact.with_suffix(".manifest.json")


def write_manifest(
    artefact: Path,
    stage: str,
    inputs: Mapping[str, Path | Sequence[Path]],
    watch: Stopwatch,
    contents: str = "*.safetensors",
    /,
    **facts: Any,
) -> None:
    """Write the manifest of a finished artefact; a directory's digest is that of its files that match `contents`.

    `inputs` are the files or directories that it was made from, by name; `facts` is whatever else the stage has to
    say of it (counts, settings, what was truncated), and must hold no secret.
    """
    write_json(
        manifest_path(artefact),
        {
            "artefact": artefact.name,
            "stage": stage,
            "sha256": directory_digest(artefact, contents) if artefact.is_dir() else file_digest(artefact),
            "inputs": {name: _describe(value) for name, value in inputs.items()},
            "facts": facts,
            "seconds": watch.seconds,
            "commit": commit(),
            "versions": versions(),
            "hardware": hardware(),
            "peak_memory": peak_memory(),
        },
    )


def facts_of(artefact: Path) -> dict[str, Any]:
    """The facts of an artefact's manifest; none where it has no manifest, as one that was put there by hand."""
    path = manifest_path(artefact)
    if not path.is_file():
        return {}
    facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["facts"]
    return facts


@cache
def commit() -> str | None:
    """The commit of the code, with `+` where the tree had changes; None outside a git checkout."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.strip()


def versions() -> dict[str, str]:
    """Installed versions of the packages that results depend on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def hardware() -> dict[str, Any]:
    """Processor and cores, and the GPUs where torch is already loaded and sees any."""
    facts: dict[str, Any] = {"machine": platform.machine(), "cores": os.cpu_count()}
    if (cuda := _loaded_cuda()) is not None:
        facts["gpus"] = [cuda.get_device_name(index) for index in range(cuda.device_count())]
    return facts


def peak_memory() -> dict[str, int]:
    """The most memory in use at once so far, in bytes.

    `host`: of this process, or of the largest that it waited for; `gpu`: allocated by torch on the GPU where that is
    most, where torch is already loaded and sees any.
    """
    waited_for = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * RSS_UNIT
    facts = {"host": max(_own_peak(), waited_for)}
    if (cuda := _loaded_cuda()) is not None:
        facts["gpu"] = max(cuda.max_memory_allocated(index) for index in range(cuda.device_count()))
    return facts


def _loaded_cuda() -> Any:
    """`torch.cuda`, where torch is already loaded and sees a GPU; else None."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_available() else None


def _own_peak() -> int:
    # On Linux ru_maxrss starts from that of whoever started this process, so the kernel's own record is read there.
    status = Path("/proc/self/status")
    if status.is_file():
        found = re.search(r"^VmHWM:\s+(\d+) kB$", status.read_text(encoding="ascii"), re.MULTILINE)
        if found is not None:
            return int(found[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT


def artefact_digest(path: Path) -> str:
    """SHA-256 of a file, or of a directory's safetensors: from its manifest where it has one, since bases are large."""
    if not path.is_dir():
        return file_digest(path)
    manifest = path / "manifest.json"
    if manifest.is_file():
        return str(json.loads(manifest.read_text(encoding="utf-8"))["sha256"])
    return directory_digest(path)


def _describe(value: Path | Sequence[Path]) -> Any:
    if isinstance(value, Path):
        return {"path": str(value), "sha256": artefact_digest(value)}
    return [_describe(path) for path in value]
