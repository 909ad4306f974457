"""What finished jobs took, from the manifests of their artefacts."""

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
    """Of one finished job. None where its manifest does not say."""

    seconds: float | None
    """Of an attempt that started at the beginning."""
    peak: float | None
    """Bytes on a GPU where there is one, else of the process."""
    disk: float


def measure(job: Job, experiment: Experiment, folder: Path, seed: int) -> Measurement | None:
    """A finished job's measurements; None where it has not finished, or its run was trained under another config.

    `folder` is results/{experiment}.
    """
    artefact = folder / job.artefact.format(seed=seed)
    path = manifest_path(artefact)
    described = folder / "runs" / job.run / str(seed) / "run.json" if job.run else None
    if not path.is_file() or (described is not None and not _is_of(described, experiment, job.run)):
        return None
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    facts = manifest["facts"]
    # A training is published by a process that need not be the one that trained: its own facts come first.
    memory = facts.get("peak_memory", manifest.get("peak_memory") if manifest["stage"] != "train" else None) or {}
    return Measurement(
        seconds=_seconds(manifest),
        peak=memory.get("gpu", memory.get("host")),
        disk=_size(artefact, folder, manifest),
    )


def _is_of(described: Path, experiment: Experiment, run: str) -> bool:
    """Does a `run.json` describe a training or a merge as it is configured now?"""
    if not described.is_file():
        return False
    trained, entry = read_run(described), experiment.runs[run]
    if not entry.trained:
        return trained.merge == entry.merge
    return trained.settings == experiment.settings(run) and trained.steps == experiment.steps(run)


def _seconds(manifest: dict[str, Any]) -> float | None:
    facts = manifest["facts"]
    if facts.get("resumed_at") or facts.get("checkpoints_resumed") or facts.get("answers_cached"):
        return None
    return float(facts.get("seconds_of_last_attempt", manifest["seconds"]))


def _size(artefact: Path, folder: Path, manifest: dict[str, Any]) -> float:
    """Bytes of an artefact and of what is kept for resuming; of a training, what is hard-linked counted once."""
    places = [artefact]
    match manifest["stage"]:
        case "train":
            digest = read_run(artefact.parent / "run.json").digest
            places = [artefact.parent, folder / "state" / "train" / digest]
        case "bases.pretrain":
            places += [folder / "state" / "pretrain" / artefact.name]
        case "evaluate.generate":
            places = list(artefact.parent.parent.rglob("samples.jsonl"))
            places += [folder / "state" / "generate" / manifest["facts"].get("key", "") / "answers"]
    files = [path for place in places for path in ([place] if place.is_file() else place.rglob("*")) if path.is_file()]
    return float(sum({(stat.st_dev, stat.st_ino): stat.st_size for stat in map(Path.stat, files)}.values()))
