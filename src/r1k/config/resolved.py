"""The specifications that commands get, resolved from the experiment: one for each table, figure and audit."""

from r1k.config.experiment import Experiment
from r1k.config.report import (
    AuditSpec,
    DynamicsRow,
    DynamicsSpec,
    DynamicsTableSpec,
    NtkSpec,
    Row,
    Table,
    TableSpec,
)
from r1k.config.runs import Dpo, Sft
from r1k.config.section import Name
from r1k.errors import ConfigError


def table_spec(experiment: Experiment, name: str, drawn: bool = False) -> TableSpec:
    """Return a table with its rows resolved; with `drawn`, benchmarks with several answers per question too."""
    table, shown = experiment.tables[name], experiment.table_benchmarks(name, drawn)
    return TableSpec(
        name=name,
        kind="dpo" if table.kind == "dpo" else "sft",
        rows=[_row(experiment, run) for run in table.rows],
        benchmarks={key: experiment.benchmark_title(key) for key in shown},
        seeds=experiment.seeds,
        directions=table.directions,
        published=table.published,
        notes=_matching_notes(experiment, table.rows),
        references=_references_of(experiment, table),
    )


def dynamics_table_spec(experiment: Experiment, name: str) -> DynamicsTableSpec:
    """Return a table of dynamics with its rows resolved."""
    table = experiment.tables[name]
    rows = [DynamicsRow(run=run, recipe=_recipe(experiment, run)) for run in table.rows]
    return DynamicsTableSpec(name=name, rows=rows, reference=table.reference or table.rows[0], seeds=experiment.seeds)


def dynamics_spec(experiment: Experiment) -> DynamicsSpec:
    """Return the runs of Figure 2 with the epochs of each training run."""
    epochs = {run: float(experiment.settings(run).num_train_epochs) for run in experiment.dynamics_runs}
    return DynamicsSpec(arms=experiment.dynamics, seeds=experiment.seeds, epochs=epochs)


def ntk_spec(experiment: Experiment, run: str) -> NtkSpec:
    """Return how a run's kernel is measured: at which step, and with the losses of SFT and of the DPO that follows."""
    dpo = next(lines.dpo for lines in experiment.dynamics.values() if lines.sft == run)
    sft, preference = experiment.settings(run), experiment.settings(dpo)
    if not isinstance(preference, Dpo):
        raise ConfigError(f"dynamics: {dpo!r} is not a DPO run")
    return NtkSpec(
        **experiment.ntk.model_dump(exclude={"epoch"}),
        step=experiment.kernel_step(run) or experiment.steps(run),
        max_tokens=experiment.probe.max_tokens,
        sft_length=sft.max_length,
        dpo_length=preference.max_length,
        beta=preference.beta,
        direction_tag=experiment.runs[run].direction_tag,
    )


def audit_spec(experiment: Experiment) -> AuditSpec:
    """Return what may be printed, and where trainings truncate; without a DPO run, pairs as SFT's examples.

    Runs with `protocol: as_released`, which truncate at the other end, are left out.
    """
    cutting = [run for run in experiment.trained_runs if experiment.runs[run].protocol == "paper"]
    settings = [experiment.settings(run) for run in cutting] or [experiment.train.sft]
    pairs = [own.max_length for own in settings if isinstance(own, Dpo)]
    limits = sorted({own.max_length for own in settings})
    return AuditSpec(
        redistributable=experiment.redistributable,
        limits=limits,
        pair_limit=min(pairs or limits),
    )


def _recipe(experiment: Experiment, run: str) -> str:
    """Return how a run is made, in words: method, data and start, then its overrides."""
    entry = experiment.runs[run]
    match entry.method:
        case "merge" if entry.merge is not None:
            return f"{entry.merge.merge_method} merge of {' and '.join(entry.parents)}"
        case "route":
            return f"{' or '.join(entry.parents)}, by the prompt's direction"
        case "dpo":
            start = f"DPO of {entry.parent}"
        case _:
            start = f"SFT on {entry.data}" + (f" from {entry.parent}" if entry.parent else "")
    own = {"variant": entry.variant, "protocol": entry.protocol if entry.protocol != "paper" else None}
    overrides = [f"{key} {_plain(value)}" for key, value in {**own, **entry.overrides}.items() if value is not None]
    return ", ".join([start, *overrides, *(["direction tag"] if entry.direction_tag else [])])


def _plain(value: object) -> str:
    return " + ".join(map(str, value)) if isinstance(value, list) else str(value)


def _references_of(experiment: Experiment, table: Table) -> dict[Name, Name]:
    """Return the run that each row is tested against; rows without one, and the references themselves, are left out."""
    first: dict[str, str] = {}
    for row in table.rows:
        if experiment.runs[row].trained:
            first.setdefault(experiment.base_of(row), row)
    found = {}
    for row in table.rows:
        own = experiment.runs[row].parent if table.kind == "dpo" else first.get(experiment.base_of(row))
        reference = table.reference or own
        if reference not in (None, row):
            found[row] = reference
    return found


def _matching_notes(experiment: Experiment, rows: list[str]) -> list[str]:
    """Return how long the rows were trained: one line per length of training."""
    by_note: dict[str, list[str]] = {}
    for run in rows:
        if experiment.runs[run].trained:
            by_note.setdefault(_length_note(experiment, run), []).append(run)
    return [f"{', '.join(runs)}: {note}" for note, runs in by_note.items()]


def _length_note(experiment: Experiment, run: str) -> str:
    settings = experiment.settings(run)
    length = f"{settings.num_train_epochs:g} x"
    if not isinstance(settings, Sft):
        items, matched = "pairs", f"{length} the pairs"
    elif settings.match_by == "steps":
        items, matched = "examples", f"matched by steps: {length} the forward set, whatever the arm's own data"
    else:
        items, matched = "examples", f"matched by epochs: {length} the arm's own data"
    return f"{experiment.steps(run)} optimizer steps of {settings.train_batch_size} {items} ({matched})"


def _row(experiment: Experiment, run: str) -> Row:
    entry, base = experiment.runs[run], experiment.base_of(run)
    return Row(
        run=run,
        data=entry.data,
        variant=entry.variant,
        method=entry.method,
        base=base,
        model=experiment.base_title(base),
        parent=entry.parent,
        source_runs=entry.parents if entry.method in ("merge", "route") else [],
        start_data=experiment.runs[entry.parent].data if entry.parent else None,
    )
