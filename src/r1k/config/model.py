"""All sections of an experiment, what follows from them, and the identity of a run."""

import math
from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import cached_property
from typing import Any

from pydantic import Field

from r1k.config.bases import Base
from r1k.config.checking import validate
from r1k.config.data import Data
from r1k.config.evaluate import Benchmark, Evaluate
from r1k.config.plan import Plan
from r1k.config.probe import Ntk, Probe
from r1k.config.report import (
    Dynamics,
    Table,
)
from r1k.config.runs import Dpo, Lora, Run, Sft, Train
from r1k.config.section import Arm, Name, Section
from r1k.config.servers import Teacher
from r1k.errors import ConfigError
from r1k.files import value_digest

VERSIONS = {"text": 1, "train": 1}
"""Raised by hand when the meaning of a stage's code changes, so that runs are trained again."""


class ExperimentModel(Section):
    """An experiment whose sections are valid, but may contradict each other; see `Experiment`."""

    experiment: Name = Field(description="name of the experiment and of its folder under results/")
    description: str = Field(description="one line, printed in the report")
    seeds: list[int] = Field(default=[0], min_length=1, description="training seeds; every run is trained with each")
    data: Data = Field(description="forward problems and data sets")
    teacher: Teacher = Field(description="the model that inverts the problems")
    bases: dict[Name, Base] = Field(min_length=1, description="models that runs start from, by name")
    train: Train = Field(default=Train(), description="training settings")
    runs: dict[Name, Run] = Field(min_length=1, description="models of the study, by name")
    probe: Probe = Field(default=Probe(), description="log-probabilities over checkpoints")
    ntk: Ntk = Field(default=Ntk(), description="empirical neural tangent kernel")
    benchmarks: dict[Name, Benchmark] = Field(min_length=1, description="benchmarks by name, in the order of columns")
    evaluate: Evaluate = Field(default=Evaluate(), description="generation and grading")
    tables: dict[Name, Table] = Field(min_length=1, description="tables, by file name")
    dynamics: dict[Arm, Dynamics] = Field(
        description="the probed runs of Figure 2 and the claims, by training direction"
    )
    plan: Plan = Field(default=Plan(), description="assumptions behind the resources of jobs; changes no result")

    @property
    def trained_runs(self) -> list[str]:
        """The runs that are trained."""
        return [name for name, run in self.runs.items() if run.trained]

    @property
    def merged_runs(self) -> list[str]:
        """The runs whose adapter is made of others."""
        return [name for name, run in self.runs.items() if run.method == "merge"]

    @property
    def routed_runs(self) -> list[str]:
        """The runs that select one of two others by the prompt's direction."""
        return [name for name, run in self.runs.items() if run.method == "route"]

    @property
    def answering_runs(self) -> list[str]:
        """The runs that generate and are probed as models of their own: all but routes."""
        return [name for name, run in self.runs.items() if run.method != "route"]

    @property
    def dynamics_runs(self) -> list[str]:
        """The probed runs that Figure 2 shows and the claims are about."""
        return list(dict.fromkeys(run for lines in self.dynamics.values() for run in (lines.sft, lines.dpo)))

    @property
    def kernel_runs(self) -> list[str]:
        """The SFT runs whose kernel is measured: those that Figure 2 shows."""
        return list(dict.fromkeys(lines.sft for lines in self.dynamics.values()))

    def probe_of(self, run: str) -> Probe:
        """Return how a run is probed: outside of `dynamics`, `chosen` and `rejected` alone are tracked by default."""
        if self.probe.tracked_runs == "all" or run in self.dynamics_runs:
            return self.probe
        return self.probe.model_copy(update={"tracked": ["chosen", "rejected"]})

    @property
    def probed_runs(self) -> list[str]:
        """The runs whose checkpoints are kept and scored."""
        return [name for name, run in self.runs.items() if run.probe_every_epochs is not None]

    @property
    def scored_tables(self) -> list[str]:
        """The tables of accuracies."""
        return [name for name, table in self.tables.items() if table.kind != "dynamics"]

    @property
    def dynamics_tables(self) -> list[str]:
        """The tables of learning dynamics."""
        return [name for name, table in self.tables.items() if table.kind == "dynamics"]

    def table_runs(self, name: str) -> list[str]:
        """Return the runs that a table needs: its rows and, in a table of DPO, their parents."""
        table = self.tables[name]
        parents = [self.parent_of(row) for row in table.rows] if table.kind == "dpo" else []
        return list(dict.fromkeys([*table.rows, *parents]))

    def table_benchmarks(self, name: str, drawn: bool) -> list[str]:
        """Return the benchmarks that a table shows, in the config's order.

        A score counts questions, so without `drawn` benchmarks with several answers per question are left out.
        """
        chosen = self.tables[name].benchmarks
        return [
            key
            for key, benchmark in self.benchmarks.items()
            if (chosen is None or key in chosen) and (drawn or benchmark.repeats == 1)
        ]

    def shown(self, tables: Iterable[str], drawn: bool = True) -> dict[str, list[str]]:
        """Return, for each run in the tables, the benchmarks that they show it on; both in the config's order."""
        found = {
            (run, key) for name in tables for run in self.table_runs(name) for key in self.table_benchmarks(name, drawn)
        }
        return {run: keys for run in self.runs if (keys := [key for key in self.benchmarks if (run, key) in found])}

    @cached_property
    def answered(self) -> dict[str, list[str]]:
        """The benchmarks that each run answers: those on which tables show it or a route to it; by default all."""
        shown = self.shown(self.scored_tables)
        found = {}
        for run in self.answering_runs:
            routes = [name for name in self.routed_runs if run in self.runs[name].parents]
            wanted = {key for name in (run, *routes) for key in shown.get(name, [])}
            found[run] = [key for key in self.benchmarks if key in wanted or not wanted]
        return found

    @property
    def published_tables(self) -> list[str]:
        """The tables that print the paper's values."""
        return [name for name, table in self.tables.items() if table.published]

    def kernel_step(self, run: str) -> int | None:
        """Return the probed step whose kernel is measured; None for a run's end."""
        if self.ntk.epoch is None:
            return None
        return next(step for step, epoch in self.probed_steps(run).items() if epoch == self.ntk.epoch)

    @property
    def redistributable(self) -> list[str]:
        """The benchmarks whose text may be printed."""
        return [name for name, benchmark in self.benchmarks.items() if benchmark.may_be_quoted]

    @property
    def audited_base(self) -> str:
        """The base whose tokens the audit counts: the first of `bases` that a run starts from."""
        used = {self.base_of(run) for run in self.runs}
        return next(name for name in self.bases if name in used)

    def parent_of(self, run: str) -> str:
        """Return the parent's name; raise ConfigError for a run that starts from a base."""
        parent = self.runs[run].parent
        if parent is None:
            raise ConfigError(f"runs.{run}.parent: not set")
        return parent

    def base_of(self, run: str) -> str:
        """Return the name of the base at the root of a run's ancestry."""
        entry = self.runs[run]
        return entry.base if entry.base is not None else self.base_of(entry.parents[0])

    def base_title(self, base: str) -> str:
        """Return a base's label in tables and figures."""
        return self.bases[base].title or base

    def benchmark_title(self, benchmark: str) -> str:
        """Return a benchmark's label in tables and figures."""
        return self.benchmarks[benchmark].title or benchmark

    def lora(self, run: str) -> Lora | None:
        """Return a run's adapter, which DPO and SFT from a parent continue; None for a base or a route.

        A linear merge is exact in the summed rank of its runs.
        """
        entry = self.runs[run]
        if entry.parent is not None:
            return self.lora(entry.parent)
        if entry.merge is not None:
            parts = [lora for parent in entry.merge.runs if (lora := self.lora(parent))]
            rank = sum(lora.r for lora in parts)
            return parts[0].model_copy(update={"r": rank, "lora_alpha": rank})
        if not entry.trained:
            return None
        merged = merge_settings({"lora": self.train.lora.model_dump()}, {"lora": entry.overrides.get("lora", {})})
        return validate(Lora, merged["lora"], where=f"runs.{run}.overrides.lora")

    def trained_lora(self, run: str) -> Lora:
        """Return the adapter of a run that is trained; raise ConfigError for any other."""
        found = self.lora(run) if self.runs[run].trained else None
        if found is None:
            raise ConfigError(f"runs.{run}: method {self.runs[run].method} is not trained")
        return found

    def settings(self, run: str) -> Sft | Dpo:
        """Return a run's settings: those of its method with the run's overrides."""
        entry = self.runs[run]
        if not entry.trained:
            raise ConfigError(f"runs.{run}: method {entry.method} is not trained")
        start = self.train.sft if entry.method == "sft" else self.train.dpo
        own = {key: value for key, value in entry.overrides.items() if key != "lora"}
        return validate(type(start), merge_settings(start.model_dump(), own), where=f"runs.{run}.overrides")

    def steps(self, run: str) -> int:
        """Return the optimizer steps of a run's training."""
        settings = self.settings(run)
        return math.ceil(Fraction(str(settings.num_train_epochs)) * self.steps_per_epoch(run))

    def steps_per_epoch(self, run: str) -> Fraction:
        """Return the optimizer steps, not rounded, that count as one epoch of a run.

        Where SFT arms match by steps, an epoch is a pass over the forward examples, whatever the arm's own data.
        """
        entry, settings = self.runs[run], self.settings(run)
        problems = self.data.source.problems - (self.data.probe_held_out if entry.exclude_held_out else 0)
        matched = isinstance(settings, Sft) and settings.match_by == "steps"
        reference = "s1k" if matched else str(entry.data)
        examples = {
            "s1k": problems,
            "r1k": problems,
            "half": problems // 2 * 2,
            "disjoint": problems,
            "mix": 2 * problems,
            "revthink": 3 * problems,
            "pairs": 2 * problems,
        }
        return Fraction(examples[reference], settings.train_batch_size)

    def probed_steps(self, run: str) -> dict[int, float]:
        """Return the steps after step 0 whose adapters are kept and probed, with the epoch of each.

        A merge has one step, from the base to the merged model; a route has the last step of its runs.
        """
        entry = self.runs[run]
        every = entry.probe_every_epochs
        if every is None:
            return {}
        if entry.merge is not None:
            return {1: 1.0}
        if entry.route is not None:
            return dict([max(self.probed_steps(entry.route.forward).items())])
        stride, total = Fraction(str(every)), Fraction(str(self.settings(run).num_train_epochs))
        per_epoch = self.steps_per_epoch(run)
        epochs = [stride * k for k in range(1, math.floor(total / stride) + 1)]
        return {math.ceil(epoch * per_epoch): float(epoch) for epoch in epochs}

    def identity(self, run: str, seed: int) -> dict[str, Any]:
        """Return what in the config decides a run's weights, ancestry included; `run.json` adds the data's digests."""
        entry = self.runs[run]
        base = self.bases[self.base_of(run)].model_dump(mode="json")
        if entry.method == "none":
            return {"method": "none", "base": base}
        if not entry.trained:
            return {
                "versions": VERSIONS,
                "method": entry.method,
                "seed": seed,
                "merge": entry.merge.model_dump(mode="json", exclude={"runs"}) if entry.merge else {},
                "runs": [self.identity(parent, seed) for parent in entry.parents],
            }
        lora = None if entry.parent else self.lora(run)
        return {
            "versions": VERSIONS,
            "method": entry.method,
            "seed": seed,
            "start": self.identity(entry.parent, seed) if entry.parent else base,
            "data": {"name": entry.data, "exclude_held_out": entry.exclude_held_out}
            | ({"variant": self.data.variants[entry.variant].model_dump(mode="json")} if entry.variant else {}),
            "settings": self.settings(run).model_dump(mode="json"),
            "lora": lora and lora.model_dump(mode="json"),
            "steps": self.steps(run),
            "protocol": entry.protocol,
            "direction_tag": entry.direction_tag,
        }

    def digest(self, run: str, seed: int) -> str:
        """Return 16 hexadecimal digits of a run's identity."""
        return value_digest(self.identity(run, seed))


def merge_settings(start: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return `start` with `overrides`, which replace single keys of nested mappings, as in Snakemake's configs."""
    merged = dict(start)
    for key, value in overrides.items():
        old = merged.get(key)
        merged[key] = merge_settings(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged
