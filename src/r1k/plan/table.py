"""Write the plan as Markdown tables, aligned for reading as plain text."""

from collections.abc import Sequence

from r1k.config import Experiment
from r1k.plan.architecture import lora_parameters, parameters
from r1k.plan.estimate import GIB, Estimator
from r1k.plan.memory import Parts
from r1k.plan.summary import MemoryVerdict, PlanSummary, RuleEstimate

KNOBS = {
    "train": "train.launch.per_device_train_batch_size or train.*.max_length",
    "probe": "probe.tokens_per_batch",
    "ntk": "train.sft.max_length",
    "generate": "evaluate.batch_size or evaluate.max_new_tokens",
    "pretrain": "the base's train_batch_size",
}
"""The settings that lower a job's memory, by kind of job."""


def render(summary: PlanSummary) -> str:
    """Return the plan as a Markdown page."""
    experiment = summary.experiment
    estimator = Estimator(experiment, summary.workload)
    parts = [
        f"# Plan of {experiment.experiment}\n\n{experiment.description}. {_device(experiment)}",
        _counted(summary),
        _rules(summary.rows, experiment),
        _models(estimator),
        f"Memory of `{summary.training.name}`, the largest training job{_place(estimator)}:\n\n"
        + _memory(summary.training.estimate.parts),
    ]
    if summary.verdict.job != summary.training.name:
        parts.append(f"Memory of `{summary.verdict.job}`, the largest job:\n\n" + _memory(summary.verdict.parts))
    parts += [_teacher(summary), _path(summary), _verdict(summary.verdict, experiment)]
    if any(row.compared for row in summary.rows):
        parts.append(_measured(summary.rows))
    return "\n\n".join(parts) + "\n"


def _device(experiment: Experiment) -> str:
    device, launch = experiment.plan.device, experiment.train.launch
    nodes = f"{launch.nodes} nodes of " if launch.nodes > 1 else ""
    devices = nodes + (f"{launch.gpus} x {device.title}" if device.kind == "gpu" else device.title)
    reached = device.flops * device.mfu
    return f"Training on {devices}: {device.memory:g} GiB, {reached:.3g} of {device.flops:.3g} FLOP/s reached."


def _counted(summary: PlanSummary) -> str:
    w = summary.workload
    lengths = (
        f"Tokens: prompt {w.prompt.mean:.0f}, forward response {w.responses['forward'].mean:.0f}, "
        f"reverse response {w.responses['reverse'].mean:.0f}"
    )
    answers = ", ".join(f"{name} {length.mean:.0f}" for name, length in w.answers.items())
    source = (
        f"counted in {', '.join(w.counted_files)}"
        if w.counted_files
        else "expectations in section `plan` of the config"
    )
    return f"{lengths}; answers: {answers}. Source: {source}."


def _rules(rows: Sequence[RuleEstimate], experiment: Experiment) -> str:
    header = ["rule", "jobs", "GPUs each", "hours each", "GPU-hours", "memory GiB", "host GiB", "disk GiB"]
    body = [
        [
            row.name,
            str(row.jobs),
            str(row.gpus) if row.gpus else "-",
            _hours(row.seconds / row.jobs),
            f"{row.gpu_seconds / 3600:.1f}" if row.gpus else "-",
            _gib(row.peak),
            _gib(row.host),
            _gib(row.disk),
        ]
        for row in rows
    ]
    body.append(
        [
            "total",
            str(sum(row.jobs for row in rows)),
            "",
            _hours(sum(row.seconds for row in rows)) + " (sum)",
            f"{sum(row.gpu_seconds for row in rows) / 3600:.1f}",
            _gib(max(row.peak for row in rows)),
            _gib(max(row.host for row in rows)),
            _gib(sum(row.disk for row in rows)),
        ]
    )
    what = "on each GPU" if experiment.plan.device.kind == "gpu" else "of the process"
    note = (
        f"Memory is the peak {what}; disk is the sum over jobs. Rules that take seconds are excluded. "
        "A dash: zero or unknown."
    )
    return f"{note}\n\n{_table(header, body)}"


def _models(estimator: Estimator) -> str:
    experiment = estimator.experiment
    body = []
    for base in experiment.bases:
        a = estimator.architecture(base)
        ranks = {
            (lora.r, tuple(lora.target_modules))
            for run in experiment.answering_runs
            if experiment.base_of(run) == base and (lora := experiment.lora(run)) is not None
        }
        for rank, targets in sorted(ranks):
            adapter = lora_parameters(a, rank, targets)
            body.append([base, f"{parameters(a):,}", str(rank), f"{adapter:,}"])
    return _table(["base", "parameters", "LoRA rank", "adapter's parameters"], body)


def _place(estimator: Estimator) -> str:
    if not estimator.on_gpu:
        return ""
    placement = estimator.placement
    stage = f"ZeRO-3 over {placement.world_size} GPUs" if placement.zero_stage else "one GPU"
    batch = f"per_device_train_batch_size {placement.per_device_train_batch_size}"
    return f" on each GPU ({stage}, {batch}, sequences at max_length)"


def _memory(parts: Parts) -> str:
    body = [[name, _gib(size)] for name, size in parts.items()]
    return _table(["part", "GiB"], [*body, ["total", _gib(sum(parts.values()))]])


def _teacher(summary: PlanSummary) -> str:
    t, kind = summary.teacher, summary.experiment.teacher.kind
    if kind != "openai":
        cost = "no cost (the teacher is local)"
    elif t.dollars is None:
        cost = "cost unknown: set teacher.client.input_price and output_price"
    else:
        cost = f"about {t.dollars:,.2f} US dollars"
    return (
        f"Teacher: {t.calls:,} calls, {t.prompt_tokens / 1e6:.2f} million prompt tokens and "
        f"{t.completion_tokens / 1e6:.2f} million completion tokens, {cost}. Journalled answers are not bought again."
    )


def _path(summary: PlanSummary) -> str:
    steps = " -> ".join(f"{job.name} ({_hours(job.estimate.seconds)} h)" for job in summary.path)
    return f"Critical path, {_hours(sum(job.estimate.seconds for job in summary.path))} hours: {steps}."


def _verdict(verdict: MemoryVerdict, experiment: Experiment) -> str:
    device, reserve = experiment.plan.device, experiment.plan.reserve
    gpus = f"{experiment.train.launch.gpus} x " if device.kind == "gpu" else ""
    where = f"{gpus}{device.title} ({device.memory:g} GiB{' each' if gpus else ''}, {reserve:.0%} of it reserved)"
    if verdict.fits:
        return f"Verdict: it fits {where}. The largest job, `{verdict.job}`, needs {_gib(verdict.peak)} GiB."
    kinds = {name.split()[0] for name, _ in verdict.too_large}
    beyond = ", ".join(f"`{name}` ({_gib(peak)} GiB)" for name, peak in verdict.too_large)
    fit = [f"`{kind}`" for kind in verdict.kinds if kind not in kinds]
    others = f" The jobs of kind {' and '.join(fit)} fit." if fit else ""
    knobs = " and ".join(KNOBS[kind] for kind in verdict.kinds if kind in kinds)
    batch = f" Generation fits with evaluate.batch_size {verdict.fitting_batch}." if verdict.fitting_batch else ""
    return f"Verdict: it does not fit {where}: {beyond}.{others} Lower {knobs}, or use larger GPUs.{batch}"


def _measured(rows: Sequence[RuleEstimate]) -> str:
    header = ["rule", "jobs", "seconds", "measured", "ratio", "peak GiB", "measured", "ratio", "disk GiB", "measured"]
    header += ["ratio"]
    body = [
        [row.name, str(row.measured)]
        + [cell for pair, digits in zip(row.compared, (0, 2, 3), strict=True) for cell in _pair(pair, digits)]
        for row in rows
        if row.compared
    ]
    return "Estimates and measurements of the finished jobs:\n\n" + _table(header, body)


def _pair(pair: tuple[float, float], digits: int) -> list[str]:
    estimate, value = pair
    if not value:
        return ["", "", ""]
    unit = GIB if digits else 1
    ratio = f"{estimate / value:.2f}" if estimate else ""
    return [f"{estimate / unit:.{digits}f}" if estimate else "", f"{value / unit:.{digits}f}", ratio]


def _gib(size: float) -> str:
    if not size:
        return "-"
    return f"{size / GIB:.1f}" if size >= GIB / 10 else f"{size / GIB:.3f}"


def _hours(seconds: float) -> str:
    if not seconds:
        return "-"
    return f"{seconds / 3600:.2f}" if seconds >= 360 else f"{seconds / 3600:.3f}"


def _table(header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[place]) for row in [header, *body]) for place in range(len(header))]
    lines = [_line(header, widths), "|" + "|".join("-" * (width + 2) for width in widths) + "|"]
    return "\n".join(lines + [_line(row, widths) for row in body])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = [
        cell.ljust(width) if not place else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "| " + " | ".join([first, *rest]) + " |"
