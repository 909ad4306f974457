"""`r1k plan`: what an experiment needs, by rule and in all, and what was measured where it has run."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from r1k.config import Experiment, load
from r1k.plan.estimate import GIB, Estimator, Workload
from r1k.plan.jobs import Job, Jobs, critical_path
from r1k.plan.measured import Measurement, measure
from r1k.plan.memory import Parts
from r1k.plan.teacher import TeacherWorkload
from r1k.plan.workload import counted


@dataclass(frozen=True)
class Row:
    """A rule's jobs together. Seconds and disk are sums over jobs, memory is of the largest."""

    name: str
    jobs: int
    gpus: int
    """Of one job."""
    seconds: float
    gpu_seconds: float
    peak: float
    host: float
    disk: float
    compared: tuple[tuple[float, float], ...] = ()
    """(estimate, measured) in the order seconds, peak, disk, over the jobs that were measured; empty where none was."""
    measured: int = 0
    """Jobs that were measured."""


@dataclass(frozen=True)
class Verdict:
    """Does the job with the highest peak fit?"""

    job: str
    parts: Parts
    limit: float
    """Bytes that may be used: the device's memory without the reserve."""
    too_large: tuple[tuple[str, float], ...]
    """The jobs whose peak is beyond it, with their peaks in bytes."""
    kinds: tuple[str, ...]
    """All kinds of jobs that were looked at, as `train`."""
    fitting_batch: int | None
    """The largest evaluate.batch_size with which all answers fit, where the configured one is too large."""

    @property
    def peak(self) -> float:
        return sum(self.parts.values())

    @property
    def fits(self) -> bool:
        return not self.too_large


@dataclass(frozen=True)
class Summary:
    """All that is printed."""

    experiment: Experiment
    workload: Workload
    rows: list[Row]
    training: Job
    """The training with the highest peak."""
    verdict: Verdict
    path: list[Job]
    teaching: TeacherWorkload


def summarise(experiment: Experiment, results: Path) -> Summary:
    """The plan of an experiment; what lies under `results`/{experiment} is counted and compared with."""
    workload = counted(experiment, results)
    jobs = Jobs(Estimator(experiment, workload))
    found = jobs.all()
    folder = results / experiment.experiment
    groups = list(dict.fromkeys(job.group for job in found))
    rows = [_row(group, [job for job in found if job.group == group], experiment, folder) for group in groups]
    return Summary(
        experiment=experiment,
        workload=workload,
        rows=rows,
        training=max((job for job in found if job.kind == "train"), key=lambda job: job.need.peak),
        verdict=_verdict(found, jobs.estimator),
        path=critical_path(found),
        teaching=jobs.teaching,
    )


def gpu_hours(estimator: Estimator) -> float:
    """Planned for the whole experiment, all seeds."""
    return sum(job.times(estimator.experiment) * job.need.gpu_seconds for job in Jobs(estimator).all()) / 3600


def plan(*, configfile: Path, results: Path = Path("results")) -> str:
    """Estimate what an experiment needs before anything is submitted: GPU-hours, memory, disk and teacher cost.

    Args:
        configfile: The experiment's YAML file.
        results: Directory of finished artefacts, whose sizes and times replace estimates.

    Raises:
        ConfigError: The config is invalid.
    """
    from r1k.plan.table import render

    return render(summarise(load(configfile), results))


def _row(name: str, jobs: Sequence[Job], experiment: Experiment, folder: Path) -> Row:
    times = [job.times(experiment) for job in jobs]
    compared = [
        (job, measurement)
        for job, n in zip(jobs, times, strict=True)
        for seed in experiment.seeds[:n]
        if (measurement := measure(job, experiment, folder, seed)) is not None
    ]
    needs = [(job.need, n) for job, n in zip(jobs, times, strict=True)]
    return Row(
        name=name,
        jobs=sum(times),
        gpus=max(need.gpus for need, _ in needs),
        seconds=sum(n * need.seconds for need, n in needs),
        gpu_seconds=sum(n * need.gpu_seconds for need, n in needs),
        peak=max(need.peak for need, _ in needs),
        host=max(need.host for need, _ in needs),
        disk=sum(n * need.disk for need, n in needs),
        compared=_compared(compared),
        measured=len(compared),
    )


def _compared(pairs: Sequence[tuple[Job, Measurement]]) -> tuple[tuple[float, float], ...]:
    """(estimate, measured) of seconds and disk as sums, and of the peak as the largest; (0, 0) where unknown."""
    seconds = [(job.need.seconds, m.seconds) for job, m in pairs if m.seconds is not None]
    peaks = [(job.need.peak, m.peak) for job, m in pairs if m.peak is not None and job.need.parts]
    disks = [(job.need.disk, m.disk) for job, m in pairs]
    if not pairs:
        return ()
    return (
        (sum(estimate for estimate, _ in seconds), sum(value for _, value in seconds)),
        (max((e for e, _ in peaks), default=0.0), max((value for _, value in peaks), default=0.0)),
        (sum(estimate for estimate, _ in disks), sum(value for _, value in disks)),
    )


def _verdict(jobs: Sequence[Job], estimator: Estimator) -> Verdict:
    planned = estimator.experiment.plan
    computing = [job for job in jobs if job.need.parts]
    highest = max(computing, key=lambda job: job.need.peak)
    limit = planned.device.memory * GIB * (1 - planned.reserve)
    beyond = tuple((job.name, job.need.peak) for job in computing if job.need.peak > limit)
    kinds = tuple(dict.fromkeys(job.kind for job in computing))
    runs = [job.name.split(maxsplit=1)[1] for job in computing if job.kind == "generate" and job.need.peak > limit]
    return Verdict(
        job=highest.name,
        parts=highest.need.parts,
        limit=limit,
        too_large=beyond,
        kinds=kinds,
        fitting_batch=_fitting_batch(estimator, runs, limit) if runs else None,
    )


def _fitting_batch(estimator: Estimator, runs: Sequence[str], limit: float) -> int | None:
    experiment = estimator.experiment
    for batch in range(experiment.evaluate.batch_size - 1, 0, -1):
        smaller = experiment.evaluate.model_copy(update={"batch_size": batch})
        changed = replace(estimator, experiment=experiment.model_copy(update={"evaluate": smaller}))
        if all(changed.generate(run).peak <= limit for run in runs):
            return batch
    return None
