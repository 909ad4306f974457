"""`r1k plan`: estimate what an experiment needs, beside measurements of its finished jobs."""

from pathlib import Path

from r1k.config import load
from r1k.plan.estimate import Estimator
from r1k.plan.jobs import Jobs
from r1k.plan.summary import summarise
from r1k.plan.table import render


def gpu_hours(estimator: Estimator) -> float:
    """Return the estimated GPU-hours of the whole experiment, over all seeds."""
    return sum(job.count(estimator.experiment) * job.estimate.gpu_seconds for job in Jobs(estimator).all()) / 3600


def plan(*, configfile: Path, results: Path = Path("results")) -> str:
    """Estimate what an experiment needs before anything is submitted: GPU-hours, memory, disk and teacher cost.

    Args:
        configfile: The experiment's YAML file.
        results: Directory of finished artefacts, whose sizes and times replace estimates.

    Raises:
        ConfigError: The config is invalid.
    """
    return render(summarise(load(configfile), results))
