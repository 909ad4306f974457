"""An experiment's jobs: which there are, what each needs, and what it waits for."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from r1k.config import Experiment, ScratchBase
from r1k.plan.estimate import CHARACTERS, Estimator, Need
from r1k.plan.teacher import TeacherWorkload, teaching


@dataclass(frozen=True)
class Job:
    """A job of the workflow, for one seed where it has one."""

    name: str
    """Its name in the critical path, as `train 7b-mix`."""
    group: str
    """Its row in the table."""
    artefact: str
    """The file or directory that tells of it, below results/{experiment}; `{seed}` stands for the seed."""
    need: Need
    after: tuple[str, ...] = ()
    """Names of the jobs that it waits for."""
    run: str = ""
    """The trained run that it belongs to, and whose seeds it has."""
    seeded: bool = True

    @property
    def kind(self) -> str:
        """The verb of its rule, as `train`."""
        return self.name.split()[0]

    def times(self, experiment: Experiment) -> int:
        """How often it is done: once, or once for each seed."""
        return len(experiment.seeds) if self.seeded else 1


@dataclass(frozen=True)
class Jobs:
    """All jobs that compute, download or ask; rules that only reshape small files take seconds and are left out."""

    estimator: Estimator

    @cached_property
    def teaching(self) -> TeacherWorkload:
        return teaching(self.estimator.experiment, self.estimator.workload)

    def all(self) -> list[Job]:
        """In an order in which each comes after all that it waits for."""
        return [
            *self._bases(),
            *self._data(),
            *self._trainings(),
            *self._merges(),
            *self._probes(),
            *self._kernels(),
            *self._generations(),
        ]

    @cached_property
    def wanted(self) -> list[str]:
        """The runs that tables and figures need, ancestors included, parents first."""
        experiment = self.estimator.experiment
        shown = [run for table in experiment.tables for run in experiment.table_runs(table)]
        return list(dict.fromkeys(run for wanted in [*shown, *experiment.dynamics_runs] for run in self._line(wanted)))

    def _line(self, run: str) -> list[str]:
        """A run's ancestors, then it."""
        above = [ancestor for parent in self.estimator.experiment.runs[run].parents for ancestor in self._line(parent)]
        return [*above, run]

    def _bases(self) -> Iterator[Job]:
        experiment = self.estimator.experiment
        for base in dict.fromkeys(experiment.base_of(run) for run in self.wanted):
            group = "pretrain" if isinstance(experiment.bases[base], ScratchBase) else "get_base"
            need = self.estimator.make_base(base)
            yield Job(f"{group} {base}", group, f"bases/{base}", need, seeded=False)

    def _data(self) -> Iterator[Job]:
        need = Need(self.teaching.seconds, disk=self.teaching.completion_tokens * CHARACTERS * 2)  # and in the journal
        yield Job("invert", "invert", "data/r1k.jsonl", need, seeded=False)

    def _trainings(self) -> Iterator[Job]:
        experiment = self.estimator.experiment
        for run in self.wanted:
            entry, base = experiment.runs[run], experiment.base_of(run)
            if not entry.trained:
                continue
            after = [self._base_job(run)]
            after += ["invert"] if entry.data != "s1k" or entry.exclude_held_out else []
            after += [f"train {entry.parent}"] if entry.parent else []
            group = f"train ({entry.method}, {experiment.bases[base].title})"
            artefact = f"runs/{run}/{{seed}}/adapter"
            yield Job(f"train {run}", group, artefact, self.estimator.train(run), tuple(after), run)

    def _merges(self) -> Iterator[Job]:
        experiment = self.estimator.experiment
        for run in self.wanted:
            entry = experiment.runs[run]
            if entry.merge is not None:
                group = f"merge ({experiment.bases[experiment.base_of(run)].title})"
                after = tuple(f"train {parent}" for parent in entry.parents)
                yield Job(f"merge {run}", group, f"runs/{run}/{{seed}}/adapter", self.estimator.merge(run), after, run)

    def _probes(self) -> Iterator[Job]:
        experiment = self.estimator.experiment
        for run in self.wanted:
            if experiment.probed_steps(run) and run in experiment.answering_runs:
                group = f"probe ({experiment.bases[experiment.base_of(run)].title})"
                need = self.estimator.probe(run)
                yield Job(f"probe {run}", group, f"probe/{run}/{{seed}}.jsonl", need, (self._made(run),), run)

    def _kernels(self) -> Iterator[Job]:
        experiment = self.estimator.experiment
        for run in experiment.kernel_runs:
            group = f"ntk ({experiment.bases[experiment.base_of(run)].title})"
            need = self.estimator.ntk(run)
            yield Job(f"ntk {run}", group, f"ntk/{run}/{{seed}}.jsonl", need, (self._made(run),), run)

    def _generations(self) -> Iterator[Job]:
        experiment = self.estimator.experiment
        shown = [row for table in experiment.scored_tables for row in experiment.table_runs(table)]
        for run in dict.fromkeys(answering for row in shown for answering in self._answering(row)):
            group = f"generate ({experiment.bases[experiment.base_of(run)].title})"
            own = experiment.runs[run].method != "none"
            first = experiment.answered[run][0]
            artefact = f"evaluate/{run}/{{seed}}/{first}/samples.jsonl"
            yield Job(f"generate {run}", group, artefact, self.estimator.generate(run), (self._made(run),), run * own)

    def _answering(self, run: str) -> list[str]:
        """The runs that generate a run's answers: itself, or those that it is routed to."""
        entry = self.estimator.experiment.runs[run]
        return [run] if entry.route is None else entry.parents

    def _made(self, run: str) -> str:
        """The job that makes a run's weights."""
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
    """The chain of jobs that takes longest where every job starts as soon as it can."""
    longest: dict[str, list[Job]] = {}
    for job in jobs:
        before = max((longest[name] for name in job.after), key=_seconds, default=[])
        longest[job.name] = [*before, job]
    return max(longest.values(), key=_seconds, default=[])


def _seconds(path: list[Job]) -> float:
    return sum(job.need.seconds for job in path)
