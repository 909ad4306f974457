"""Checks across sections: names that exist, settings that go together, and keys that act."""

from collections.abc import Iterator

from r1k.config.model import ExperimentModel
from r1k.config.report import TAKEN_TABLES
from r1k.config.runs import Run, Sft
from r1k.config.servers import Server
from r1k.errors import ConfigError, did_you_mean
from r1k.records import GREEDY


def problems(experiment: ExperimentModel) -> list[str]:
    """Return what is wrong, one line each, which begins with the key."""
    found = list(_run_problems(experiment))
    return [
        *found,
        *(() if found else _joined_problems(experiment)),
        *_report_problems(experiment),
        *_probe_problems(experiment),
        *(() if found else _kernel_problems(experiment)),
        *_evaluate_problems(experiment),
        *_client_problems(experiment),
        *_plan_problems(experiment),
    ]


def _run_problems(experiment: ExperimentModel) -> Iterator[str]:
    for name, run in experiment.runs.items():
        if run.base is not None and run.base not in experiment.bases:
            yield f"runs.{name}.base: no base {run.base!r} in bases{did_you_mean(run.base, experiment.bases)}"
        yield from _parent_problems(experiment, name, run)
        if run.variant is not None and run.variant not in experiment.data.variants:
            known = did_you_mean(run.variant, experiment.data.variants)
            yield f"runs.{name}.variant: no variant {run.variant!r} in data.variants{known}"
        if run.trained:
            yield from _settings_problems(experiment, name)


def _parent_problems(experiment: ExperimentModel, name: str, run: Run) -> Iterator[str]:
    allowed = {"merge": ("sft", "dpo"), "route": ("sft", "dpo", "merge")}.get(run.method, ("sft",))
    titles = {"sft": "SFT run", "dpo": "DPO run", "merge": "merge"}
    where = run.method if run.method in ("merge", "route") else "parent"
    for parent in run.parents:
        if parent not in experiment.runs:
            yield f"runs.{name}.{where}: no run {parent!r} in runs{did_you_mean(parent, experiment.runs)}"
        elif experiment.runs[parent].method not in allowed:
            wanted = " or ".join(titles[method] for method in allowed)
            yield f"runs.{name}.{where}: {parent!r} is not an {wanted}; name one"
        elif experiment.runs[parent].direction_tag != run.direction_tag:
            yield (
                f"runs.{name}.direction_tag: {run.direction_tag!r}, and {not run.direction_tag!r} in {parent!r}, whose "
                "prompts would differ; give both the same"
            )
    circle = _circle(experiment, name)
    if circle is not None:
        yield f"runs.{name}.{where}: the parents form a circle: {' <- '.join(circle)}; break it"


def _circle(experiment: ExperimentModel, name: str) -> list[str] | None:
    """Return a run's ancestors from it to one that appears twice, if any does."""
    chains = [[name]]
    while chains:
        chain = chains.pop()
        for parent in experiment.runs[chain[-1]].parents if chain[-1] in experiment.runs else []:
            if parent in chain:
                return [*chain, parent]
            chains.append([*chain, parent])
    return None


def _joined_problems(experiment: ExperimentModel) -> Iterator[str]:
    for name, run in experiment.runs.items():
        if run.method in ("merge", "route"):
            yield from _unlike_problems(experiment, name, run)


def _unlike_problems(experiment: ExperimentModel, name: str, run: Run) -> Iterator[str]:
    """Yield what keeps the runs of a merge or a route from being combined; the names of the runs are known to exist."""
    where, parents = f"runs.{name}.{run.method}", run.parents
    if len({experiment.base_of(parent) for parent in parents}) > 1:
        yield f"{where}: {', '.join(parents)} have different bases; name runs with one base"
        return
    for key in ("variant", "exclude_held_out"):
        found = {parent: getattr(experiment.runs[parent], key) for parent in parents}
        if any(value != getattr(run, key) for value in found.values()):
            theirs = ", ".join(f"{value!r} in {parent}" for parent, value in found.items())
            yield f"runs.{name}.{key}: {getattr(run, key)!r}, and {theirs}; all must have the same"
    if run.method == "merge":
        shapes = {(lora.r, tuple(sorted(lora.target_modules))) for p in parents if (lora := experiment.lora(p))}
        if len(shapes) > 1:
            yield (
                f"{where}: {', '.join(parents)} have adapters of different rank or target_modules; name runs that agree"
            )
    elif run.probe_every_epochs is not None:
        ends = [max(experiment.probed_steps(parent).items(), default=None) for parent in parents]
        if None in ends or len(set(ends)) > 1:
            yield (
                f"{where}: the last probed step and epoch of {', '.join(parents)} differ "
                f"({', '.join(map(str, ends))}); give them the same probe_every_epochs and length, or remove "
                f"probe_every_epochs of {name!r}"
            )


def _settings_problems(experiment: ExperimentModel, name: str) -> Iterator[str]:
    try:
        settings = experiment.settings(name)
        if experiment.runs[name].parent is None:
            experiment.lora(name)
    except ConfigError as error:
        yield str(error)
        return
    variant = experiment.data.variants.get(str(experiment.runs[name].variant))
    if isinstance(settings, Sft) and settings.match_by == "epochs" and variant is not None and variant.selects:
        yield (
            f"runs.{name}: match_by epochs needs the number of examples, and variant {experiment.runs[name].variant!r} "
            "selects them by their content; set match_by: steps"
        )
    per_device = experiment.train.launch.per_device_train_batch_size
    if settings.train_batch_size % per_device:
        yield (
            f"train.launch.per_device_train_batch_size: {per_device} does not divide the train_batch_size of "
            f"{settings.train_batch_size} of run {name!r}"
        )


def _direction_problems(experiment: ExperimentModel, name: str) -> Iterator[str]:
    """Yield the benchmarks that no block of a table shows, because their questions have no direction."""
    table = experiment.tables[name]
    if table.kind == "dynamics" or "all" in table.directions:
        return
    for key in experiment.table_benchmarks(name, drawn=True):
        if not experiment.benchmarks[key].has_directions:
            yield (
                f"tables.{name}.directions: the questions of benchmark {key!r} have no direction, so no block of the "
                f"table shows it; add all, or list the table's other benchmarks under tables.{name}.benchmarks"
            )


def _report_problems(experiment: ExperimentModel) -> Iterator[str]:
    for name, table in experiment.tables.items():
        if name in TAKEN_TABLES:
            yield f"tables.{name}: the table of {TAKEN_TABLES[name]} has this name; choose another"
        for row in table.rows:
            if row not in experiment.runs:
                yield f"tables.{name}.rows: no run {row!r} in runs{did_you_mean(row, experiment.runs)}"
            elif table.kind == "dpo" and experiment.runs[row].method != "dpo":
                yield f"tables.{name}.rows: {row!r} is not a DPO run, and the table shows changes against a parent"
            elif table.kind == "dynamics" and experiment.runs[row].probe_every_epochs is None:
                yield (
                    f"tables.{name}.rows: {row!r} is not probed, and the table shows dynamics; give it "
                    f"probe_every_epochs"
                )
        if table.reference is not None and table.reference not in table.rows:
            yield (
                f"tables.{name}.reference: {table.reference!r} is not one of the table's rows"
                f"{did_you_mean(table.reference, table.rows)}; name one"
            )
        unknown = [benchmark for benchmark in table.benchmarks or [] if benchmark not in experiment.benchmarks]
        for benchmark in unknown:
            known = did_you_mean(benchmark, experiment.benchmarks)
            yield f"tables.{name}.benchmarks: no benchmark {benchmark!r} in benchmarks{known}"
        yield from _direction_problems(experiment, name)
        if not unknown and not experiment.table_benchmarks(name, drawn=False):
            yield f"tables.{name}.benchmarks: none has repeats: 1, and a table counts questions; add one that has"
    if not experiment.scored_tables:
        yield "tables: all have kind dynamics; add one of accuracies"
    for arm, lines in experiment.dynamics.items():
        for method, run in (("sft", lines.sft), ("dpo", lines.dpo)):
            if run not in experiment.runs:
                yield f"dynamics.{arm}.{method}: no run {run!r} in runs{did_you_mean(run, experiment.runs)}"
            elif experiment.runs[run].probe_every_epochs is None or experiment.runs[run].method != method:
                yield f"dynamics.{arm}.{method}: {run!r} is not a probed {method} run; give it probe_every_epochs"


def _probe_problems(experiment: ExperimentModel) -> Iterator[str]:
    wanted = experiment.data.probe_train + experiment.data.probe_held_out
    if wanted > experiment.data.source.problems:
        yield (
            f"data.probe_train: with probe_held_out it takes {wanted} problems of {experiment.data.source.problems}; "
            "lower one of the two"
        )
    for split, problems in (("train", experiment.data.probe_train), ("held_out", experiment.data.probe_held_out)):
        if problems < 2 and any("other_problem" in kind for kind in experiment.probe.tracked):
            yield f"data.probe_{split}: 1, and probe.tracked has another problem's response; raise it to 2"
    if experiment.probe.greedy_tokens is not None and not set(GREEDY) & set(experiment.probe.tracked):
        yield "probe.greedy_tokens: does nothing, because tracked has no greedy_base or greedy_start; remove it"
    if experiment.probe.paraphrased and experiment.teacher.kind == "replay":
        yield "probe.tracked: a replay teacher writes no paraphrases; remove them, or use another teacher"


def _evaluate_problems(experiment: ExperimentModel) -> Iterator[str]:
    """Yield keys of evaluation that are set and do nothing."""
    if all(benchmark.repeats == 1 for benchmark in experiment.benchmarks.values()):
        for key in ("temperature", "top_p", "seed"):
            if key in experiment.evaluate.model_fields_set:
                yield f"evaluate.{key}: does nothing, because every benchmark is greedy; remove it, or set repeats"
    for name, benchmark in experiment.benchmarks.items():
        if "shuffle_seed" in benchmark.model_fields_set and not benchmark.shuffles:
            yield f"benchmarks.{name}.shuffle_seed: does nothing, because no options are shuffled; remove it"


def _client_problems(experiment: ExperimentModel) -> Iterator[str]:
    """Yield keys of clients that are set and do nothing. Only here is a default that the config states known from one
    that a command got with the rest of its section."""
    servers = {
        "teacher": experiment.teacher,
        "data.checks.judge": experiment.data.checks.judge,
        "evaluate.judge": experiment.evaluate.judge,
    }
    for section, server in servers.items():
        if isinstance(server, Server):
            for key in server.client.idle_keys:
                yield f"{section}.client.{key}: does nothing, because client.batch is set; remove it"


def _kernel_problems(experiment: ExperimentModel) -> Iterator[str]:
    epoch = experiment.ntk.epoch
    for run in experiment.kernel_runs:
        known = experiment.probed_steps(run).values() if run in experiment.runs else ()
        if epoch is not None and known and epoch not in known:
            measured = ", ".join(f"{each:g}" for each in known)
            yield f"ntk.epoch: {epoch:g} is not a probed epoch of run {run!r}, which has {measured}; name one"


def _plan_problems(experiment: ExperimentModel) -> Iterator[str]:
    for name in experiment.plan.answers:
        if name not in experiment.benchmarks:
            yield f"plan.answers.{name}: no benchmark {name!r} in benchmarks{did_you_mean(name, experiment.benchmarks)}"
