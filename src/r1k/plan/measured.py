"""Time, memory and disk of finished jobs, from the manifests of their artefacts."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from r1k.config import Experiment
from r1k.plan.jobs import Job
from r1k.provenance import manifest_path
from r1k.train.describe import read_run


@dataclass(frozen=True)
class Measurement:
    """The measurements of one finished job; None if the manifest lacks one."""

    seconds: float | None
    """Seconds of the last attempt; None if it resumed."""
    peak: float | None
    """Peak memory in bytes: on a GPU, or of the process if there is no GPU."""
    disk: float
    """Bytes on disk."""


def measure(job: Job, experiment: Experiment, folder: Path, seed: int) -> Measurement | None:
    """Return a job's measurements, or None if it has not finished or its run had other settings.

    `folder` is results/{experiment}.
    """
    artefact = folder / job.artefact.format(seed=seed)
    path = manifest_path(artefact)
    run_file = folder / "runs" / job.run / str(seed) / "run.json" if job.run else None
    if not path.is_file() or (run_file is not None and not _matches(run_file, experiment, job.run)):
        return None
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    facts = manifest["facts"]
    # The process that publishes a training run is not always the one that trained it; the run's facts take precedence.
    memory = facts.get("peak_memory", manifest.get("peak_memory") if manifest["stage"] != "train" else None) or {}
    return Measurement(
        seconds=_seconds(manifest),
        peak=memory.get("gpu", memory.get("host")),
        disk=_size(artefact, folder, manifest),
    )


def _matches(path: Path, experiment: Experiment, run: str) -> bool:
    """Return whether a `run.json` has the settings that the config has now."""
    if not path.is_file():
        return False
    run_file, entry = read_run(path), experiment.runs[run]
    if not entry.trained:
        return run_file.merge == entry.merge
    return run_file.settings == experiment.settings(run) and run_file.steps == experiment.steps(run)


def _seconds(manifest: dict[str, Any]) -> float | None:
    facts = manifest["facts"]
    if facts.get("resumed_at") or facts.get("checkpoints_resumed") or facts.get("answers_cached"):
        return None
    return float(facts.get("seconds_of_last_attempt", manifest["seconds"]))


def _size(artefact: Path, folder: Path, manifest: dict[str, Any]) -> float:
    """Return the bytes of an artefact and its resumable state; hard links of one file count once."""
    paths = [artefact]
    match manifest["stage"]:
        case "train":
            digest = read_run(artefact.parent / "run.json").digest
            paths = [artefact.parent, folder / "state" / "train" / digest]
        case "bases.pretrain":
            paths += [folder / "state" / "pretrain" / artefact.name]
        case "evaluate.generate":
            paths = list(artefact.parent.parent.rglob("samples.jsonl"))
            paths += [folder / "state" / "generate" / manifest["facts"].get("key", "") / "answers"]
    files = [path for root in paths for path in ([root] if root.is_file() else root.rglob("*")) if path.is_file()]
    return float(sum({(stat.st_dev, stat.st_ino): stat.st_size for stat in map(Path.stat, files)}.values()))
