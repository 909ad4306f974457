"""What stages are told of the experiment, resolved: a section for each table, figure and audit."""

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
    """A table with its rows resolved; with `drawn`, benchmarks with several answers a question too."""
    table, shown = experiment.tables[name], experiment.table_benchmarks(name, drawn)
    return TableSpec(
        name=name,
        shows="dpo" if table.shows == "dpo" else "sft",
        rows=[_row(experiment, run) for run in table.rows],
        benchmarks={key: experiment.benchmarks[key].title for key in shown},
        seeds=experiment.seeds,
        directions=table.directions,
        published=table.published,
        notes=_matching_notes(experiment, table.rows),
        references=_references_of(experiment, table),
    )


def dynamics_table_spec(experiment: Experiment, name: str) -> DynamicsTableSpec:
    """A table of dynamics with its rows resolved."""
    table = experiment.tables[name]
    rows = [DynamicsRow(run=run, how=_how(experiment, run)) for run in table.rows]
    return DynamicsTableSpec(name=name, rows=rows, reference=table.reference or table.rows[0], seeds=experiment.seeds)


def dynamics_spec(experiment: Experiment) -> DynamicsSpec:
    """Figure 2's lines with the length of each training."""
    epochs = {run: float(experiment.settings(run).epochs) for run in experiment.dynamics_runs}
    return DynamicsSpec(arms=experiment.dynamics, seeds=experiment.seeds, epochs=epochs)


def ntk_spec(experiment: Experiment, run: str) -> NtkSpec:
    """A run's kernel: whose model it is of, and the losses of this run and of the DPO run that goes on from it."""
    dpo = next(lines.dpo for lines in experiment.dynamics.values() if lines.sft == run)
    sft, preference = experiment.settings(run), experiment.settings(dpo)
    if not isinstance(preference, Dpo):
        raise ConfigError(f"dynamics: {dpo!r} is no DPO run")
    return NtkSpec(
        **experiment.ntk.model_dump(exclude={"epoch"}),
        step=experiment.kernel_step(run) or experiment.steps(run),
        max_tokens=experiment.probe.max_tokens,
        tokens_per_batch=experiment.probe.tokens_per_batch,
        sft_length=sft.max_length,
        dpo_length=preference.max_length,
        beta=preference.beta,
        direction_tag=experiment.runs[run].direction_tag,
    )


def audit_spec(experiment: Experiment) -> AuditSpec:
    """What may be quoted, and where trainings cut; pairs as SFT's examples where there is no DPO run.

    Trainings as released, which cut at the other end, are left out.
    """
    cutting = [run for run in experiment.trained_runs if experiment.runs[run].protocol == "paper"]
    settings = [experiment.settings(run) for run in cutting] or [experiment.train.sft]
    pairs = [own.max_length for own in settings if isinstance(own, Dpo)]
    limits = sorted({own.max_length for own in settings})
    return AuditSpec(
        quotable=experiment.quotable,
        limits=limits,
        pair_limit=min(pairs or limits),
    )


def _how(experiment: Experiment, run: str) -> str:
    """How a run is made, in words: method, data and start, then what it changes."""
    entry = experiment.runs[run]
    match entry.method:
        case "merge" if entry.merge is not None:
            return f"{entry.merge.how} merge of {' and '.join(entry.parents)}"
        case "route":
            return f"{' or '.join(entry.parents)}, by the prompt's direction"
        case "dpo":
            start = f"DPO of {entry.parent}"
        case _:
            start = f"SFT on {entry.data}" + (f" from {entry.parent}" if entry.parent else "")
    own = {"data": entry.variant, "protocol": entry.protocol if entry.protocol != "paper" else None}
    said = [f"{key} {value}" for key, value in {**own, **entry.changes}.items() if value is not None]
    return ", ".join([start, *said, *(["direction tag"] if entry.direction_tag else [])])


def _references_of(experiment: Experiment, table: Table) -> dict[Name, Name]:
    """The run that each row is tested against; rows that have none, and the references themselves, are left out."""
    first: dict[str, str] = {}
    for row in table.rows:
        if experiment.runs[row].trained:
            first.setdefault(experiment.base_of(row), row)
    found = {}
    for row in table.rows:
        own = experiment.runs[row].parent if table.shows == "dpo" else first.get(experiment.base_of(row))
        reference = table.reference or own
        if reference not in (None, row):
            found[row] = reference
    return found


def _matching_notes(experiment: Experiment, rows: list[str]) -> list[str]:
    """How long the rows were trained: a line for all that were trained alike."""
    alike: dict[str, list[str]] = {}
    for run in rows:
        if experiment.runs[run].trained:
            alike.setdefault(_length_note(experiment, run), []).append(run)
    return [f"{', '.join(runs)}: {note}" for note, runs in alike.items()]


def _length_note(experiment: Experiment, run: str) -> str:
    settings = experiment.settings(run)
    items = "examples" if isinstance(settings, Sft) else "pairs"
    passes = {"examples": "the forward set", "pairs": "the pairs"}[items]
    matched = f"matched in steps: as many as {settings.epochs:g} x {passes}, whatever the arm's own data"
    own = f"matched in epochs: {settings.epochs:g} x the arm's own data"
    how = matched if settings.match == "steps" else own
    return f"{experiment.steps(run)} optimizer steps of {settings.batch_size} {items} ({how})"


def _row(experiment: Experiment, run: str) -> Row:
    entry, base = experiment.runs[run], experiment.base_of(run)
    return Row(
        run=run,
        data=entry.data,
        variant=entry.variant,
        method=entry.method,
        base=base,
        model=experiment.bases[base].title,
        parent=entry.parent,
        of=entry.parents if entry.method in ("merge", "route") else [],
        start_data=experiment.runs[entry.parent].data if entry.parent else None,
    )
