"""The whole experiment, and the identity of a run."""

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import Field, model_validator

from r1k.config.bases import Base
from r1k.config.checking import validate
from r1k.config.data import Data
from r1k.config.evaluate import Benchmark, Evaluate
from r1k.config.plan import Plan
from r1k.config.report import TAKEN_TABLES, AuditSpec, Dynamics, DynamicsSpec, Row, Table, TableSpec
from r1k.config.runs import Dpo, Lora, Probe, Run, Sft, Train
from r1k.config.section import Arm, Name, Section
from r1k.config.servers import Teacher
from r1k.errors import ConfigError, did_you_mean
from r1k.files import value_digest

VERSIONS = {"text": 1, "train": 1}
"""Raised by hand when the meaning of a stage's code changes: runs are then trained anew."""


class Experiment(Section):
    """A whole study, from forward data to tables and figures."""

    experiment: Name = Field(description="its name, and its folder under results/")
    description: str = Field(description="one line, printed in the report")
    seeds: list[int] = Field(default=[0], min_length=1, description="training seeds; every run is trained with each")
    data: Data = Field(description="forward problems")
    teacher: Teacher = Field(description="who turns the problems round")
    bases: dict[Name, Base] = Field(min_length=1, description="the models that runs start from")
    train: Train = Field(default=Train(), description="training settings")
    runs: dict[Name, Run] = Field(min_length=1, description="the models of the study, by name")
    probe: Probe = Field(default=Probe(), description="log-probability probing")
    benchmarks: dict[Name, Benchmark] = Field(min_length=1, description="what runs are evaluated on, in table order")
    evaluate: Evaluate = Field(default=Evaluate(), description="generation")
    tables: dict[Name, Table] = Field(min_length=1, description="tables, by file name")
    dynamics: dict[Arm, Dynamics] = Field(description="Figure 2: the probed runs by what they train on")
    plan: Plan = Field(default=Plan(), description="what the needs of jobs are computed from; changes no result")

    @model_validator(mode="after")
    def _references(self) -> Self:
        problems = list(self._run_problems())
        problems += [
            *(() if problems else self._joined_problems()),
            *self._report_problems(),
            *self._probe_problems(),
            *self._plan_problems(),
        ]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _run_problems(self) -> Iterator[str]:
        for name, run in self.runs.items():
            if run.base is not None and run.base not in self.bases:
                yield f"runs.{name}.base: no base {run.base!r} in bases{did_you_mean(run.base, self.bases)}"
            yield from self._parent_problems(name, run)
            if run.variant is not None and run.variant not in self.data.variants:
                known = did_you_mean(run.variant, self.data.variants)
                yield f"runs.{name}.variant: no variant {run.variant!r} in data.variants{known}"
            if run.trained:
                yield from self._settings_problems(name)

    def _parent_problems(self, name: str, run: Run) -> Iterator[str]:
        allowed = {"merge": ("sft", "dpo"), "route": ("sft", "dpo", "merge")}.get(run.method, ("sft",))
        titles = {"sft": "SFT run", "dpo": "DPO run", "merge": "merge"}
        where = run.method if run.method in ("merge", "route") else "parent"
        for parent in run.parents:
            if parent not in self.runs:
                yield f"runs.{name}.{where}: no run {parent!r} in runs{did_you_mean(parent, self.runs)}"
            elif self.runs[parent].method not in allowed:
                wanted = " or ".join(titles[method] for method in allowed)
                yield f"runs.{name}.{where}: {parent!r} is not an {wanted}; name one"
        circle = self._circle(name)
        if circle is not None:
            yield f"runs.{name}.{where}: the parents form a circle: {' <- '.join(circle)}; break it"

    def _circle(self, name: str) -> list[str] | None:
        """A run's ancestors from it to one that comes twice, if any does."""
        chains = [[name]]
        while chains:
            chain = chains.pop()
            for parent in self.runs[chain[-1]].parents if chain[-1] in self.runs else []:
                if parent in chain:
                    return [*chain, parent]
                chains.append([*chain, parent])
        return None

    def _joined_problems(self) -> Iterator[str]:
        for name, run in self.runs.items():
            if run.method in ("merge", "route"):
                yield from self._unlike_problems(name, run)

    def _unlike_problems(self, name: str, run: Run) -> Iterator[str]:
        """What keeps the runs of a merge or a route from being joined; their references are known to be right."""
        where, parents = f"runs.{name}.{run.method}", run.parents
        if len({self.base_of(parent) for parent in parents}) > 1:
            yield f"{where}: {', '.join(parents)} are not of one base; name runs that are"
            return
        for key in ("variant", "without_held_out"):
            found = {parent: getattr(self.runs[parent], key) for parent in parents}
            if any(value != getattr(run, key) for value in found.values()):
                said = ", ".join(f"{value!r} in {parent}" for parent, value in found.items())
                yield f"runs.{name}.{key}: {getattr(run, key)!r}, and {said}; all must have the same"
        if run.method == "merge":
            shapes = {(lora.rank, tuple(sorted(lora.targets))) for p in parents if (lora := self.lora(p))}
            if len(shapes) > 1:
                yield f"{where}: {', '.join(parents)} have adapters of other ranks or targets; name runs that agree"
        elif run.measure_every is not None:
            ends = [max(self.measured_steps(parent).items(), default=None) for parent in parents]
            if None in ends or len(set(ends)) > 1:
                yield (
                    f"{where}: the probed steps of {', '.join(parents)} do not end alike, in step and epoch "
                    f"({', '.join(map(str, ends))}); give them the same measure_every and length, or leave out "
                    f"measure_every of {name!r}"
                )

    def _settings_problems(self, name: str) -> Iterator[str]:
        try:
            settings = self.settings(name)
        except ConfigError as error:
            yield str(error)
            return
        variant = self.data.variants.get(str(self.runs[name].variant))
        if settings.match == "epochs" and variant is not None and variant.chooses:
            yield (
                f"runs.{name}: match epochs needs the number of examples, and variant {self.runs[name].variant!r} "
                "chooses them by what they hold; match steps"
            )
        if settings.batch_size % self.train.launch.micro_batch_size:
            yield (
                f"train.launch.micro_batch_size: {self.train.launch.micro_batch_size} does not divide the batch of "
                f"{settings.batch_size} of run {name!r}"
            )

    def _report_problems(self) -> Iterator[str]:
        for name, table in self.tables.items():
            if name in TAKEN_TABLES:
                yield f"tables.{name}: the table of {TAKEN_TABLES[name]} has this name; choose another"
            for row in table.rows:
                if row not in self.runs:
                    yield f"tables.{name}.rows: no run {row!r} in runs{did_you_mean(row, self.runs)}"
                elif table.shows == "dpo" and self.runs[row].method != "dpo":
                    yield f"tables.{name}.rows: {row!r} is no DPO run, and the table shows changes against a parent"
            if table.reference is not None and table.reference not in table.rows:
                yield (
                    f"tables.{name}.reference: {table.reference!r} is not one of the table's rows"
                    f"{did_you_mean(table.reference, table.rows)}; name one"
                )
        if not self.counted_benchmarks:
            yield "benchmarks: all have several samples, and a table counts questions; add one with samples: 1"
        for arm, lines in self.dynamics.items():
            for method, run in (("sft", lines.sft), ("dpo", lines.dpo)):
                if run not in self.runs:
                    yield f"dynamics.{arm}.{method}: no run {run!r} in runs{did_you_mean(run, self.runs)}"
                elif self.runs[run].measure_every is None or self.runs[run].method != method:
                    yield f"dynamics.{arm}.{method}: {run!r} is not a probed {method} run; give it measure_every"

    def _probe_problems(self) -> Iterator[str]:
        wanted = self.data.probe_train + self.data.probe_held_out
        if wanted > self.data.source.problems:
            yield (
                f"data.probe_train: {wanted} probe problems are asked of {self.data.source.problems}; "
                "lower probe_train or probe_held_out"
            )
        for split, problems in (("train", self.data.probe_train), ("held_out", self.data.probe_held_out)):
            if problems < 2 and any("other_problem" in kind for kind in self.probe.tracked):
                yield f"data.probe_{split}: 1, and probe.tracked asks for another problem's response; raise it to 2"

    def _plan_problems(self) -> Iterator[str]:
        for name in self.plan.answers:
            if name not in self.benchmarks:
                yield f"plan.answers.{name}: no benchmark {name!r} in benchmarks{did_you_mean(name, self.benchmarks)}"

    # What the workflow asks

    @property
    def trained_runs(self) -> list[str]:
        """The runs that are trainings, with settings and steps."""
        return [name for name, run in self.runs.items() if run.trained]

    @property
    def merged_runs(self) -> list[str]:
        """The runs whose adapter is made of others."""
        return [name for name, run in self.runs.items() if run.method == "merge"]

    @property
    def routed_runs(self) -> list[str]:
        """The runs that are two others, by the prompt's direction."""
        return [name for name, run in self.runs.items() if run.method == "route"]

    @property
    def answering_runs(self) -> list[str]:
        """The runs that are models of their own, which generate and are probed."""
        return [name for name, run in self.runs.items() if run.method != "route"]

    @property
    def dynamics_runs(self) -> list[str]:
        """The probed runs that Figure 2 shows and the claims are about."""
        return list(dict.fromkeys(run for lines in self.dynamics.values() for run in (lines.sft, lines.dpo)))

    @property
    def probed_runs(self) -> list[str]:
        """The runs whose checkpoints are kept and scored."""
        return [name for name, run in self.runs.items() if run.measure_every is not None]

    def table_runs(self, name: str) -> list[str]:
        """The runs whose scores a table needs: its rows, and the parents that it compares them with."""
        table = self.tables[name]
        parents = [self.parent_of(row) for row in table.rows] if table.shows == "dpo" else []
        return list(dict.fromkeys([*table.rows, *parents]))

    @property
    def counted_benchmarks(self) -> list[str]:
        """The benchmarks with one answer a question: a score counts questions."""
        return [name for name, benchmark in self.benchmarks.items() if benchmark.samples == 1]

    def table_spec(self, name: str, drawn: bool = False) -> TableSpec:
        """A table with its rows resolved; with `drawn`, benchmarks with several answers a question too."""
        table, shown = self.tables[name], self.benchmarks if drawn else self.counted_benchmarks
        return TableSpec(
            name=name,
            shows=table.shows,
            rows=[self._row(run) for run in table.rows],
            benchmarks={key: self.benchmarks[key].title for key in shown},
            seeds=self.seeds,
            directions=table.directions,
            published=table.published,
            notes=self._matching_notes(table.rows),
            references=self._references_of(table),
        )

    def _references_of(self, table: Table) -> dict[Name, Name]:
        """The run that each row is tested against; rows that have none, and the references themselves, are left out."""
        first: dict[str, str] = {}
        for row in table.rows:
            if self.runs[row].trained:
                first.setdefault(self.base_of(row), row)
        found = {}
        for row in table.rows:
            own = self.runs[row].parent if table.shows == "dpo" else first.get(self.base_of(row))
            reference = table.reference or own
            if reference not in (None, row):
                found[row] = reference
        return found

    @property
    def published_tables(self) -> list[str]:
        """The tables that print the paper's values."""
        return [name for name, table in self.tables.items() if table.published]

    def _matching_notes(self, rows: list[str]) -> list[str]:
        """How long the rows were trained: a line for all that were trained alike."""
        alike: dict[str, list[str]] = {}
        for run in rows:
            if self.runs[run].trained:
                alike.setdefault(self._length_note(run), []).append(run)
        return [f"{', '.join(runs)}: {note}" for note, runs in alike.items()]

    def _length_note(self, run: str) -> str:
        settings = self.settings(run)
        items = "examples" if isinstance(settings, Sft) else "pairs"
        passes = {"examples": "the forward set", "pairs": "the pairs"}[items]
        matched = f"matched in steps: as many as {settings.epochs:g} x {passes}, whatever the arm's own data"
        own = f"matched in epochs: {settings.epochs:g} x the arm's own data"
        how = matched if settings.match == "steps" else own
        return f"{self.steps(run)} optimizer steps of {settings.batch_size} {items} ({how})"

    def _row(self, run: str) -> Row:
        entry, base = self.runs[run], self.base_of(run)
        return Row(
            run=run,
            data=entry.data,
            variant=entry.variant,
            method=entry.method,
            base=base,
            model=self.bases[base].title,
            parent=entry.parent,
            of=entry.parents if entry.method in ("merge", "route") else [],
            start_data=self.runs[entry.parent].data if entry.parent else None,
        )

    def dynamics_spec(self) -> DynamicsSpec:
        """Figure 2's lines with the length of each training."""
        epochs = {run: float(self.settings(run).epochs) for run in self.dynamics_runs}
        return DynamicsSpec(arms=self.dynamics, seeds=self.seeds, epochs=epochs)

    @property
    def quotable(self) -> list[str]:
        """The benchmarks whose text may be shown."""
        return [name for name, benchmark in self.benchmarks.items() if benchmark.may_be_quoted]

    def audit_spec(self) -> AuditSpec:
        """What may be quoted, and where trainings cut; pairs as SFT's examples where there is no DPO run.

        Trainings as released, which cut at the other end, are left out.
        """
        cutting = [run for run in self.trained_runs if self.runs[run].protocol == "paper"]
        settings = [self.settings(run) for run in cutting] or [self.train.sft]
        pairs = [own.max_length for own in settings if isinstance(own, Dpo)]
        limits = sorted({own.max_length for own in settings})
        return AuditSpec(
            quotable=self.quotable,
            limits=limits,
            pair_limit=min(pairs or limits),
        )

    @property
    def audited_base(self) -> str:
        """The base whose tokens the audit counts: the first of `bases` that a run starts from."""
        used = {self.base_of(run) for run in self.runs}
        return next(name for name in self.bases if name in used)

    def parent_of(self, run: str) -> str:
        """The parent's name; ConfigError for a run that starts from a base."""
        parent = self.runs[run].parent
        if parent is None:
            raise ConfigError(f"runs.{run}.parent: not set")
        return parent

    def base_of(self, run: str) -> str:
        """The name of the base at the root of a run's ancestry."""
        entry = self.runs[run]
        return entry.base if entry.base is not None else self.base_of(entry.parents[0])

    def lora(self, run: str) -> Lora | None:
        """A run's adapter; None where it has none of its own. A merge's is as wide as those of its runs together."""
        entry = self.runs[run]
        if entry.merge is None:
            return self.settings(run).lora if entry.trained else None
        parts = [self.settings(parent).lora for parent in entry.merge.runs]
        rank = sum(lora.rank for lora in parts)
        return parts[0].model_copy(update={"rank": rank, "alpha": rank})

    def settings(self, run: str) -> Sft | Dpo:
        """A run's settings: those of its method with the run's changes."""
        entry = self.runs[run]
        if not entry.trained:
            raise ConfigError(f"runs.{run}: method {entry.method} is not trained")
        start = self.train.sft if entry.method == "sft" else self.train.dpo
        merged = _merge(start.model_dump(), entry.changes)
        return validate(type(start), merged, where=f"runs.{run}.changes")

    def steps(self, run: str) -> int:
        """Optimizer steps of a run's training."""
        settings = self.settings(run)
        return math.ceil(Fraction(str(settings.epochs)) * self.steps_per_epoch(run))

    def steps_per_epoch(self, run: str) -> Fraction:
        """Optimizer steps, not rounded, that count as one epoch of a run.

        Where arms match in steps, that is a pass over the forward examples for SFT, and over the pairs for DPO,
        whatever the arm's own data.
        """
        entry, settings = self.runs[run], self.settings(run)
        problems = self.data.source.problems - (self.data.probe_held_out if entry.without_held_out else 0)
        reference = {"sft": "s1k", "dpo": "pairs"}[entry.method] if settings.match == "steps" else str(entry.data)
        examples = {
            "s1k": problems,
            "r1k": problems,
            "half": problems // 2 * 2,
            "mix": 2 * problems,
            "pairs": 2 * problems,
        }
        return Fraction(examples[reference], settings.batch_size)

    def measured_steps(self, run: str) -> dict[int, float]:
        """The steps whose adapters are kept and probed, after step 0, with the epoch of each.

        A merge has one step, from the base to what it is; a route has the last step of its runs.
        """
        entry = self.runs[run]
        every = entry.measure_every
        if every is None:
            return {}
        if entry.merge is not None:
            return {1: 1.0}
        if entry.route is not None:
            return dict([max(self.measured_steps(entry.route.forward).items())])
        stride, total = Fraction(str(every)), Fraction(str(self.settings(run).epochs))
        per_epoch = self.steps_per_epoch(run)
        epochs = [stride * k for k in range(1, math.floor(total / stride) + 1)]
        return {math.ceil(epoch * per_epoch): float(epoch) for epoch in epochs}

    def identity(self, run: str, seed: int) -> dict[str, Any]:
        """All of the config that decides a run's weights, ancestry included; `run.json` adds the data's digests."""
        entry = self.runs[run]
        base = self.bases[self.base_of(run)].model_dump(mode="json", exclude={"title"})
        if entry.method == "none":
            return {"method": "none", "base": base}
        if not entry.trained:
            return {
                "versions": VERSIONS,
                "method": entry.method,
                "seed": seed,
                "how": entry.merge.model_dump(mode="json", exclude={"runs"}) if entry.merge else {},
                "of": [self.identity(parent, seed) for parent in entry.parents],
            }
        return {
            "versions": VERSIONS,
            "method": entry.method,
            "seed": seed,
            "start": self.identity(entry.parent, seed) if entry.parent else base,
            "data": {"name": entry.data, "without_held_out": entry.without_held_out}
            | ({"variant": self.data.variants[entry.variant].model_dump(mode="json")} if entry.variant else {}),
            "settings": self.settings(run).model_dump(mode="json"),
            "steps": self.steps(run),
        } | ({} if entry.protocol == "paper" else {"protocol": entry.protocol})

    def digest(self, run: str, seed: int) -> str:
        """16 hexadecimal digits of a run's identity."""
        return value_digest(self.identity(run, seed))


def load(path: Path) -> Experiment:
    """Read and check an experiment's YAML file."""
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; the experiments are in config/")
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {error}") from error
    try:
        return validate(Experiment, value)
    except ConfigError as error:
        raise ConfigError("\n".join(f"{path}: {line}" for line in str(error).splitlines())) from error


def schema() -> dict[str, Any]:
    """The JSON schema of an experiment."""
    return Experiment.model_json_schema()


def _merge(start: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(start)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged
