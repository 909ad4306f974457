"""Manifests: a JSON file beside each artefact with its inputs, facts, code version, hardware, time and memory."""

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

from r1k.errors import RecordError
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
"""Packages whose versions manifests record."""

RSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes per unit of getrusage's ru_maxrss."""


class Stopwatch:
    """Measures the seconds since its creation."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since creation, rounded to milliseconds."""
        return round(time.monotonic() - self._start, 3)


def manifest_path(artefact: Path) -> Path:
    """Return a manifest's path: `data/s1k.manifest.json` for `data/s1k.jsonl`, `manifest.json` in a directory."""
    return artefact / "manifest.json" if artefact.is_dir() else artefact.with_suffix(".manifest.json")


def write_manifest(
    artefact: Path,
    stage: str,
    inputs: Mapping[str, Path | Sequence[Path]],
    watch: Stopwatch,
    pattern: str = "*.safetensors",
    /,
    **facts: Any,
) -> None:
    """Write the manifest of a finished artefact.

    Args:
        artefact: The file or directory.
        stage: The stage that made it, such as `train`.
        inputs: The files or directories from which it was made, by name.
        watch: Started when the stage began.
        pattern: The files that a directory's digest covers.
        facts: Counts, settings and measurements of the stage; must not contain secrets.
    """
    write_json(
        manifest_path(artefact),
        {
            "artefact": artefact.name,
            "stage": stage,
            "sha256": directory_digest(artefact, pattern) if artefact.is_dir() else file_digest(artefact),
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
    """Return the facts in an artefact's manifest, or an empty dictionary if it has no manifest."""
    path = manifest_path(artefact)
    if not path.is_file():
        return {}
    facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["facts"]
    return facts


def verified_facts(artefact: Path) -> dict[str, Any]:
    """Return the facts in an artefact's manifest; raise RecordError if it is missing or describes another file."""
    path = manifest_path(artefact)
    if not path.is_file():
        raise RecordError(f"{path}: no such file; make it with `snakemake --force {artefact}`")
    manifest = json.loads(path.read_text(encoding="utf-8"))
    if manifest["sha256"] != file_digest(artefact):
        raise RecordError(
            f"{artefact}: not the file that {path.name} describes, so what it says is wrong; rebuild it with "
            f"`snakemake --force {artefact}`"
        )
    facts: dict[str, Any] = manifest["facts"]
    return facts


@cache
def commit() -> str | None:
    """Return the commit of the code, with `+` if the tree has changes; None outside a git checkout."""
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
    """Return the installed versions of Python and of the packages that results depend on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def hardware() -> dict[str, Any]:
    """Return machine type and cores, and the GPUs if torch is loaded and sees any."""
    facts: dict[str, Any] = {"machine": platform.machine(), "cores": os.cpu_count()}
    if (cuda := _loaded_cuda()) is not None:
        facts["gpus"] = [cuda.get_device_name(index) for index in range(cuda.device_count())]
    return facts


def peak_memory() -> dict[str, int]:
    """Return the peak memory so far, in bytes.

    `host` is the larger of this process's peak and that of its largest finished child. `gpu` is the largest peak
    allocated by torch on one GPU; it is missing if torch is not loaded or sees no GPU.
    """
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * RSS_UNIT
    facts = {"host": max(_process_peak(), children)}
    if (cuda := _loaded_cuda()) is not None:
        facts["gpu"] = max(cuda.max_memory_allocated(index) for index in range(cuda.device_count()))
    return facts


def _loaded_cuda() -> Any:
    """Return `torch.cuda` if torch is loaded and sees a GPU, else None."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_available() else None


def _process_peak() -> int:
    # On Linux a process inherits its parent's ru_maxrss; VmHWM is its own peak.
    status = Path("/proc/self/status")
    if status.is_file():
        found = re.search(r"^VmHWM:\s+(\d+) kB$", status.read_text(encoding="ascii"), re.MULTILINE)
        if found is not None:
            return int(found[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT


def artefact_digest(path: Path) -> str:
    """Return the SHA-256 of a file, or of a directory's safetensors; the latter from its manifest if it has one."""
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
