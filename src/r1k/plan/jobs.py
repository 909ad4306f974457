"""The jobs of an experiment, with their estimates and dependencies."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from r1k.config import Experiment, ScratchBase
from r1k.plan.estimate import CHARACTERS_PER_TOKEN, Estimator, JobEstimate
from r1k.plan.teacher import TeacherWorkload, teacher_workload


@dataclass(frozen=True)
class Job:
    """A job of the workflow; a job with seeds counts for one seed."""

    name: str
    """Name in the critical path, such as `train 7b-mix`."""
    group: str
    """Row of the plan's table."""
    artefact: str
    """Path of its output below results/{experiment}, with the placeholder `{seed}`."""
    estimate: JobEstimate
    depends_on: tuple[str, ...] = ()
    """Names of the jobs that must finish first."""
    run: str = ""
    """The run that it belongs to; empty for a job without a run."""
    seeded: bool = True
    """Whether there is one job per seed."""

    @property
    def kind(self) -> str:
        """The verb of its rule, such as `train`."""
        return self.name.split()[0]

    def count(self, experiment: Experiment) -> int:
        """Return the number of such jobs: one, or one per seed."""
        return len(experiment.seeds) if self.seeded else 1


@dataclass(frozen=True)
class Jobs:
    """All jobs that compute, download or call the teacher; rules that take seconds are excluded."""

    estimator: Estimator

    @cached_property
    def teacher(self) -> TeacherWorkload:
        return teacher_workload(self.estimator.experiment, self.estimator.workload)

    def all(self) -> list[Job]:
        """Return the jobs in an order in which each follows its dependencies."""
        return [
            *self._bases(),
            *self._data(),
            *self._training_runs(),
            *self._merges(),
            *self._probes(),
            *self._kernels(),
            *self._generations(),
        ]

    @cached_property
    def runs(self) -> list[str]:
        """The runs that tables and figures need, with their ancestors, parents first."""
        experiment = self.estimator.experiment
        shown = [run for table in experiment.tables for run in experiment.table_runs(table)]
        needed = [*shown, *experiment.dynamics_runs]
        return list(dict.fromkeys(each for run in needed for each in self._with_ancestors(run)))

    def _with_ancestors(self, run: str) -> list[str]:
        """Return a run's ancestors, then the run."""
        parents = self.estimator.experiment.runs[run].parents
        return [*(ancestor for parent in parents for ancestor in self._with_ancestors(parent)), run]

    def _bases(self) -> Iterator[Job]:
        experiment = self.estimator.experiment
        for base in dict.fromkeys(experiment.base_of(run) for run in self.runs):
            group = "pretrain" if isinstance(experiment.bases[base], ScratchBase) else "get_base"
            estimate = self.estimator.make_base(base)
            yield Job(f"{group} {base}", group, f"bases/{base}", estimate, seeded=False)

    def _data(self) -> Iterator[Job]:
        # Each text is in the data set and in the journal.
        estimate = JobEstimate(self.teacher.seconds, disk=self.teacher.completion_tokens * CHARACTERS_PER_TOKEN * 2)
        yield Job("invert", "invert", "data/r1k.jsonl", estimate, seeded=False)

    def _training_runs(self) -> Iterator[Job]:
        experiment = self.estimator.experiment
        for run in self.runs:
            entry, base = experiment.runs[run], experiment.base_of(run)
            if not entry.trained:
                continue
            depends_on = [self._base_job(run)]
            depends_on += ["invert"] if entry.data != "s1k" or entry.exclude_held_out else []
            depends_on += [f"train {entry.parent}"] if entry.parent else []
            group = f"train ({entry.method}, {experiment.base_title(base)})"
            artefact = f"runs/{run}/{{seed}}/adapter"
            yield Job(f"train {run}", group, artefact, self.estimator.train(run), tuple(depends_on), run)

    def _merges(self) -> Iterator[Job]:
        experiment = self.estimator.experiment
        for run in self.runs:
            entry = experiment.runs[run]
            if entry.merge is not None:
                group = f"merge ({experiment.base_title(experiment.base_of(run))})"
                depends_on = tuple(f"train {parent}" for parent in entry.parents)
                artefact = f"runs/{run}/{{seed}}/adapter"
                yield Job(f"merge {run}", group, artefact, self.estimator.merge(run), depends_on, run)

    def _probes(self) -> Iterator[Job]:
        experiment = self.estimator.experiment
        for run in self.runs:
            if experiment.probed_steps(run) and run in experiment.answering_runs:
                group = f"probe ({experiment.base_title(experiment.base_of(run))})"
                estimate = self.estimator.probe(run)
                yield Job(
                    f"probe {run}", group, f"probe/{run}/{{seed}}.jsonl", estimate, (self._weights_job(run),), run
                )

    def _kernels(self) -> Iterator[Job]:
        experiment = self.estimator.experiment
        for run in experiment.kernel_runs:
            group = f"ntk ({experiment.base_title(experiment.base_of(run))})"
            estimate = self.estimator.ntk(run)
            yield Job(f"ntk {run}", group, f"ntk/{run}/{{seed}}.jsonl", estimate, (self._weights_job(run),), run)

    def _generations(self) -> Iterator[Job]:
        experiment = self.estimator.experiment
        shown = [row for table in experiment.scored_tables for row in experiment.table_runs(table)]
        for run in dict.fromkeys(answering for row in shown for answering in self._answering(row)):
            group = f"generate ({experiment.base_title(experiment.base_of(run))})"
            has_seeds = experiment.runs[run].method != "none"
            first = experiment.answered[run][0]
            artefact = f"evaluate/{run}/{{seed}}/{first}/samples.jsonl"
            estimate = self.estimator.generate(run)
            yield Job(f"generate {run}", group, artefact, estimate, (self._weights_job(run),), run if has_seeds else "")

    def _answering(self, run: str) -> list[str]:
        """Return the runs that generate a run's answers: the run itself, or the two runs of a route."""
        entry = self.estimator.experiment.runs[run]
        return [run] if entry.route is None else entry.parents

    def _weights_job(self, run: str) -> str:
        """Return the name of the job that makes a run's weights."""
        match self.estimator.experiment.runs[run].method:
            case "none":
                return self._base_job(run)
            case "merge":
                return f"merge {run}"
            case _:
                return f"train {run}"

    def _base_job(self, run: str) -> str:
        experiment = self.estimator.experiment
        base = experiment.base_of(run)
        kind = "pretrain" if isinstance(experiment.bases[base], ScratchBase) else "get_base"
        return f"{kind} {base}"


def critical_path(jobs: list[Job]) -> list[Job]:
    """Return the longest chain of dependent jobs, by time, if every job starts when its dependencies end."""
    longest: dict[str, list[Job]] = {}
    for job in jobs:
        before = max((longest[name] for name in job.depends_on), key=_seconds, default=[])
        longest[job.name] = [*before, job]
    return max(longest.values(), key=_seconds, default=[])


def _seconds(path: list[Job]) -> float:
    return sum(job.estimate.seconds for job in path)
