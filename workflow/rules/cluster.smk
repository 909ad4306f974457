"""Cluster. Checks the site's names before jobs are submitted and summarises usage at the end; writes nothing."""

import time

from r1k.errors import SiteError
from r1k.plan.plan import gpu_hours
from r1k.site import check_site


def requested(resource):
    """Return the values of a resource over the jobs that will be submitted."""
    jobs = [job for job in workflow.dag.needrun_jobs() if not job.is_local]
    return {str(job.resources.get(resource) or "") for job in jobs}


onstart:
    if workflow.executor_plugin.name == "slurm":
        try:
            check_site(requested("slurm_partition"), requested("slurm_account"))
        except SiteError as error:
            raise WorkflowError(str(error))


STARTED = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())


def summary():
    """Return the command that prints what this call of the workflow used: retries, hours, GPU-hours."""
    planned = f"{gpu_hours(ESTIMATOR):.2f}"
    return f"r1k summary --attempts results/{EXPERIMENT.experiment}/usage --since {STARTED} --planned {planned}"


onsuccess:
    shell(summary())


onerror:
    shell(summary())
