"""Summarise a plan: estimates by rule and in total, memory verdict, critical path, comparison with finished jobs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from r1k.config import Experiment
from r1k.plan.estimate import GIB, Estimator, Workload
from r1k.plan.jobs import Job, Jobs, critical_path
from r1k.plan.measured import Measurement, measure
from r1k.plan.memory import Parts
from r1k.plan.teacher import TeacherWorkload
from r1k.plan.workload import count_workload


@dataclass(frozen=True)
class RuleEstimate:
    """The jobs of one rule. Seconds and disk are sums over jobs; memory is that of the largest job."""

    name: str
    jobs: int
    gpus: int
    """GPUs of one job."""
    seconds: float
    gpu_seconds: float
    peak: float
    host: float
    disk: float
    compared: tuple[tuple[float, float], ...] = ()
    """(estimate, measurement) of seconds, peak and disk over the measured jobs; empty if there are none."""
    measured: int = 0
    """Number of measured jobs."""


@dataclass(frozen=True)
class MemoryVerdict:
    """Whether the job with the highest peak fits into the device's memory."""

    job: str
    parts: Parts
    limit: float
    """Usable bytes: the device's memory minus the reserve."""
    too_large: tuple[tuple[str, float], ...]
    """Jobs whose peak exceeds the limit, with the peak in bytes."""
    kinds: tuple[str, ...]
    """All kinds of jobs with a memory estimate, such as `train`."""
    fitting_batch: int | None
    """The largest evaluate.batch_size with which all generation fits; None if the configured size fits or none does."""

    @property
    def peak(self) -> float:
        return sum(self.parts.values())

    @property
    def fits(self) -> bool:
        return not self.too_large


@dataclass(frozen=True)
class PlanSummary:
    """The content of the plan's page."""

    experiment: Experiment
    workload: Workload
    rows: list[RuleEstimate]
    training: Job
    """The training job with the highest peak."""
    verdict: MemoryVerdict
    path: list[Job]
    teacher: TeacherWorkload


def summarise(experiment: Experiment, results: Path) -> PlanSummary:
    """Return the plan of an experiment, counted from and compared with the files under `results`/{experiment}."""
    workload = count_workload(experiment, results)
    jobs = Jobs(Estimator(experiment, workload))
    found = jobs.all()
    folder = results / experiment.experiment
    groups = list(dict.fromkeys(job.group for job in found))
    rows = [_row(group, [job for job in found if job.group == group], experiment, folder) for group in groups]
    return PlanSummary(
        experiment=experiment,
        workload=workload,
        rows=rows,
        training=max((job for job in found if job.kind == "train"), key=lambda job: job.estimate.peak),
        verdict=_verdict(found, jobs.estimator),
        path=critical_path(found),
        teacher=jobs.teacher,
    )


def _row(name: str, jobs: Sequence[Job], experiment: Experiment, folder: Path) -> RuleEstimate:
    counts = [job.count(experiment) for job in jobs]
    compared = [
        (job, measurement)
        for job, n in zip(jobs, counts, strict=True)
        for seed in experiment.seeds[:n]
        if (measurement := measure(job, experiment, folder, seed)) is not None
    ]
    estimates = [(job.estimate, n) for job, n in zip(jobs, counts, strict=True)]
    return RuleEstimate(
        name=name,
        jobs=sum(counts),
        gpus=max(estimate.gpus for estimate, _ in estimates),
        seconds=sum(n * estimate.seconds for estimate, n in estimates),
        gpu_seconds=sum(n * estimate.gpu_seconds for estimate, n in estimates),
        peak=max(estimate.peak for estimate, _ in estimates),
        host=max(estimate.host for estimate, _ in estimates),
        disk=sum(n * estimate.disk for estimate, n in estimates),
        compared=_compared(compared),
        measured=len(compared),
    )


def _compared(pairs: Sequence[tuple[Job, Measurement]]) -> tuple[tuple[float, float], ...]:
    """Return (estimate, measurement) of seconds and disk as sums and of the peak as the maximum; (0, 0) if unknown."""
    seconds = [(job.estimate.seconds, m.seconds) for job, m in pairs if m.seconds is not None]
    peaks = [(job.estimate.peak, m.peak) for job, m in pairs if m.peak is not None and job.estimate.parts]
    disks = [(job.estimate.disk, m.disk) for job, m in pairs]
    if not pairs:
        return ()
    return (
        (sum(estimate for estimate, _ in seconds), sum(value for _, value in seconds)),
        (max((e for e, _ in peaks), default=0.0), max((value for _, value in peaks), default=0.0)),
        (sum(estimate for estimate, _ in disks), sum(value for _, value in disks)),
    )


def _verdict(jobs: Sequence[Job], estimator: Estimator) -> MemoryVerdict:
    planned = estimator.experiment.plan
    computing = [job for job in jobs if job.estimate.parts]
    highest = max(computing, key=lambda job: job.estimate.peak)
    limit = planned.device.memory * GIB * (1 - planned.reserve)
    beyond = tuple((job.name, job.estimate.peak) for job in computing if job.estimate.peak > limit)
    kinds = tuple(dict.fromkeys(job.kind for job in computing))
    runs = [job.name.split(maxsplit=1)[1] for job in computing if job.kind == "generate" and job.estimate.peak > limit]
    return MemoryVerdict(
        job=highest.name,
        parts=highest.estimate.parts,
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
