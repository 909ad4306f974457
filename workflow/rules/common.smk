"""The experiment, checked, and what rules ask of it. Needs the config; yields EXPERIMENT and small functions."""

import json
import re

from r1k.config import Experiment, resolved, validate
from r1k.errors import ConfigError
from r1k.plan.resources import Asked
from r1k.plan.estimate import estimator
from r1k.train.describe import plan

try:
    EXPERIMENT = validate(Experiment, config)
    ESTIMATOR = estimator(EXPERIMENT)
except ConfigError as error:
    raise WorkflowError(f"the config ({', '.join(map(str, workflow.configfiles))}) is wrong:", *str(error).splitlines())

OPENAI = EXPERIMENT.teacher.kind == "openai"
# What was paid for is kept apart from an experiment's folder, and serves all experiments.
JOURNAL = "results/journal/teacher.jsonl" if OPENAI else f"results/{EXPERIMENT.experiment}/journal/teacher.jsonl"
ANSWER_JUDGE = EXPERIMENT.evaluate.judge
LAUNCH = EXPERIMENT.train.launch
# What a training on several nodes asks for besides: `mpi` has Snakemake start the command once, on the job's first
# node, and the command starts its processes on all of them.
SEVERAL_NODES = {
    "mpi": LAUNCH.launch_command,
    "tasks_per_node": max(2, LAUNCH.gpus),
    "cpus_per_task": -(-LAUNCH.cores // max(2, LAUNCH.gpus)),
}
# What jobs ask for, computed from the experiment; more on a retry.
ASKED = {
    "train": Asked(EXPERIMENT.plan, ESTIMATOR.train, "run"),
    "merge": Asked(EXPERIMENT.plan, ESTIMATOR.merge, "run"),
    "probe": Asked(EXPERIMENT.plan, ESTIMATOR.probe, "run"),
    "ntk": Asked(EXPERIMENT.plan, ESTIMATOR.ntk, "run"),
    "generate": Asked(EXPERIMENT.plan, ESTIMATOR.generate, "run"),
    "pretrain": Asked(EXPERIMENT.plan, ESTIMATOR.make_base, "base"),
}


# Each table of accuracies in the paper's form and in the robust one; those of dynamics; where the paper has values, ours against them; the paper's claims
# about learning dynamics; the inverses' checks; where there is a judge of answers, those on which it and the rules differ.
TABLES = [
    *(name for table in EXPERIMENT.scored_tables for name in (table, f"{table}-robust")),
    *EXPERIMENT.dynamics_tables,
    *(["against-paper"] if EXPERIMENT.published_tables else []),
    "claims",
    "checks",
    *(["disagreements"] if ANSWER_JUDGE else []),
]
FIGURES = ["figure1", "figure2", "mass", "ntk"]


def any_of(names):
    """A regular expression that matches the names and nothing else: of no names, nothing at all."""
    return "|".join(map(re.escape, names)) or "(?!)"


def rule_name(verb, run):
    return re.sub(r"\W", "_", f"{verb}_{run}")


def section(part):
    """A part of the config as text for a command's option."""
    return json.dumps(part.model_dump(mode="json"))


def asking(server):
    """How a server is asked, if there is one: a fact of the run, that makes no answer another."""
    how = getattr(server, "asking", None)
    return section(how) if how else "{}"


def judged(wildcards):
    pattern = "results/{experiment}/evaluate/{run}/{seed}/{benchmark}/verdicts.jsonl"
    return expand(pattern, **wildcards) if ANSWER_JUDGE else []


def answering():
    """The runs that answer, by their benchmarks."""
    found = {}
    for run, benchmarks in EXPERIMENT.answered.items():
        found.setdefault(tuple(benchmarks), []).append(run)
    return found.items()


def jobs_after(run):
    """The longest chain of trainings and probes that wait for a run's training: long chains start first."""
    later = [1 + jobs_after(name) for name, entry in EXPERIMENT.runs.items() if entry.parent == run]
    return max([*later, 1 if run in EXPERIMENT.probed_runs else 0])


def variant_section(wildcards):
    return section(EXPERIMENT.data.variants[wildcards.variant])


def variant_checks(wildcards):
    wanted = EXPERIMENT.data.variants[wildcards.variant].require
    return f"results/{wildcards.experiment}/data/checks.jsonl" if wanted else []


def data_section(wildcards):
    return section(EXPERIMENT.data)


def base_section(wildcards):
    return section(EXPERIMENT.bases[wildcards.base])


def tokenizer_data(wildcards):
    wanted = EXPERIMENT.bases[wildcards.base].tokenizer_reads_data
    return f"results/{wildcards.experiment}/data/s1k.jsonl" if wanted else []


def benchmark_section(wildcards):
    return section(EXPERIMENT.benchmarks[wildcards.benchmark])


def benchmark_shape(wildcards):
    return EXPERIMENT.benchmarks[wildcards.benchmark].shape


def table_section(wildcards):
    return section(resolved.table_spec(EXPERIMENT, wildcards.table))


def robust_section(wildcards):
    return section(resolved.table_spec(EXPERIMENT, wildcards.table, drawn=True))


def dynamics_table_section(wildcards):
    return section(resolved.dynamics_table_spec(EXPERIMENT, wildcards.table))


def run_plan(wildcards):
    return section(plan(EXPERIMENT, wildcards.run, int(wildcards.seed)))


def run_base(wildcards):
    return f"results/{wildcards.experiment}/bases/{EXPERIMENT.base_of(wildcards.run)}"


def run_place(wildcards):
    """Where the data sets of the run's variant are."""
    variant = EXPERIMENT.runs[wildcards.run].variant
    place = ["results", wildcards.experiment, "data"]
    return "/".join([*place, variant] if variant else place)


def run_data(wildcards):
    data = EXPERIMENT.runs[wildcards.run].data
    return f"{run_place(wildcards)}/{data}.jsonl" if data else []


def probe_pairs(wildcards):
    return f"{run_place(wildcards)}/probe.jsonl"


def paraphrases(wildcards):
    """Those of the run's probe set, where they are followed."""
    wanted = EXPERIMENT.probe_of(wildcards.run).paraphrased
    return f"{run_place(wildcards)}/paraphrases.jsonl" if wanted else []


def run_probe(wildcards):
    """The probe set, for a training that leaves its held-out problems out."""
    run = EXPERIMENT.runs[wildcards.run]
    return probe_pairs(wildcards) if run.trained and run.without_held_out else []


def of_parents(wildcards, pattern):
    """A file of each run that this one starts from or is made of, in the config's order."""
    return expand(pattern, parent=EXPERIMENT.runs[wildcards.run].parents, **wildcards)


def parent_runs(wildcards):
    return of_parents(wildcards, "results/{experiment}/runs/{parent}/{seed}/run.json")


def merged_adapters(wildcards):
    return of_parents(wildcards, "results/{experiment}/runs/{parent}/{seed}/adapter")


def routed_samples(wildcards):
    return of_parents(wildcards, "results/{experiment}/evaluate/{parent}/{seed}/{benchmark}/samples.jsonl")


def routed_logprobs(wildcards):
    return of_parents(wildcards, "results/{experiment}/probe/{parent}/{seed}.jsonl")


def routed_tracked(wildcards):
    return of_parents(wildcards, "results/{experiment}/tracked/{parent}/{seed}.jsonl")


def parent_adapter(wildcards):
    parent = EXPERIMENT.runs[wildcards.run].parent
    return f"results/{wildcards.experiment}/runs/{parent}/{wildcards.seed}/adapter" if parent else []


def own_adapter(wildcards):
    trained = EXPERIMENT.runs[wildcards.run].method != "none"
    return f"results/{wildcards.experiment}/runs/{wildcards.run}/{wildcards.seed}/adapter" if trained else []


def tagged_run(wildcards):
    """What tells of the direction tag, for a run that has one: other answers do not depend on it."""
    tagged = EXPERIMENT.runs[wildcards.run].direction_tag
    return f"results/{wildcards.experiment}/runs/{wildcards.run}/{wildcards.seed}/run.json" if tagged else []


def kept_steps(wildcards):
    steps = EXPERIMENT.measured_steps(wildcards.run)
    return expand("results/{experiment}/runs/{run}/{seed}/steps/{step}", step=steps, **wildcards)


def of_runs(wildcards, runs, pattern):
    """A file of each of some runs, of each seed."""
    return expand(pattern, run=runs, seed=EXPERIMENT.seeds, **wildcards)


def dynamics_logprobs(wildcards):
    return of_runs(wildcards, EXPERIMENT.dynamics_runs, "results/{experiment}/probe/{run}/{seed}.jsonl")


def dynamics_tracked(wildcards):
    return of_runs(wildcards, EXPERIMENT.dynamics_runs, "results/{experiment}/tracked/{run}/{seed}.jsonl")


def table_tracked(wildcards):
    runs = EXPERIMENT.table_runs(wildcards.table)
    return of_runs(wildcards, runs, "results/{experiment}/tracked/{run}/{seed}.jsonl")


def probe_section(wildcards):
    return section(EXPERIMENT.probe_of(wildcards.run))


def kernel_section(wildcards):
    return section(resolved.ntk_spec(EXPERIMENT, wildcards.run))


def kernel_adapter(wildcards):
    """The adapter whose kernel is measured: the run's, or that of one of its steps."""
    step = EXPERIMENT.kernel_step(wildcards.run)
    place = f"results/{wildcards.experiment}/runs/{wildcards.run}/{wildcards.seed}"
    return f"{place}/adapter" if step is None else f"{place}/steps/{step}"


def evaluations(wildcards, tables, file, drawn=True):
    """A file of each run of the tables, of each seed and of each benchmark that they show it on."""
    pattern = "results/{experiment}/evaluate/{run}/{seed}/{benchmark}/{file}"
    shown = EXPERIMENT.shown(tables, drawn)
    return [
        path
        for run, benchmarks in shown.items()
        for path in expand(
            pattern,
            experiment=wildcards.experiment,
            run=run,
            seed=EXPERIMENT.seeds,
            benchmark=benchmarks,
            file=file,
        )
    ]


def table_scores(wildcards):
    return evaluations(wildcards, [wildcards.table], "score.json", drawn=False)


def published_scores(wildcards):
    return evaluations(wildcards, EXPERIMENT.published_tables, "score.json", drawn=False)


def all_samples(wildcards):
    return evaluations(wildcards, EXPERIMENT.scored_tables, "samples.jsonl")


def all_graded(wildcards):
    return evaluations(wildcards, EXPERIMENT.scored_tables, "graded.jsonl")


def table_graded(wildcards):
    return evaluations(wildcards, [wildcards.table], "graded.jsonl")
