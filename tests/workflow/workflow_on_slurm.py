"""What the tests of the cluster mode share: quick looks at jobs, and Slurm's record of them."""

import re

from throwaway_slurm import GPUS, ThrowawaySlurm

QUICK = [
    "--slurm-init-seconds-before-status-checks",
    "1",
    "--seconds-between-status-checks",
    "1",
    "--latency-wait",
    "10",
]
"""Options of Snakemake that suit jobs of seconds."""


def jobs_of(cluster: ThrowawaySlurm) -> dict[str, dict[str, str]]:
    """Slurm's record of every job, by its number."""
    records = cluster.run("scontrol", "--oneliner", "show", "jobs").splitlines()
    fields = [dict(re.findall(r"(\S+?)=(\S*)", record)) for record in records if "JobId=" in record]
    return {job["JobId"]: job for job in fields}


def trainings_of(cluster: ThrowawaySlurm) -> dict[str, dict[str, str]]:
    """Slurm's record of the jobs that asked for all GPUs of a node."""
    return {name: job for name, job in jobs_of(cluster).items() if job.get("TresPerJob") == f"gres:gpu:{GPUS}"}
