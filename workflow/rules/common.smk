"""The experiment, validated, and the functions that rules use. Needs the config; defines EXPERIMENT."""

import json
import re
from functools import cache
from pathlib import Path

from r1k.config import Experiment, resolved, validate
from r1k.errors import ConfigError
from r1k.files import file_digest
from r1k.plan.resources import JobResources
from r1k.plan.estimate import estimator
from r1k.report.figures import figure_summaries
from r1k.train.describe import plan

try:
    EXPERIMENT = validate(Experiment, config)
    ESTIMATOR = estimator(EXPERIMENT)
except ConfigError as error:
    raise WorkflowError(
        f"the config ({', '.join(map(str, workflow.configfiles))}) is invalid:", *str(error).splitlines()
    )

OPENAI = EXPERIMENT.teacher.kind == "openai"
# Paid answers are kept outside of an experiment's folder and serve all experiments.
JOURNAL = "results/journal/teacher.jsonl" if OPENAI else f"results/{EXPERIMENT.experiment}/journal/teacher.jsonl"
ANSWER_JUDGE = EXPERIMENT.evaluate.judge
LAUNCH = EXPERIMENT.train.launch
# Extra resources of training on several nodes: with `mpi`, Snakemake starts the command once, on the first node of
# the job, and the command starts its processes on all nodes.
SEVERAL_NODES = {
    "mpi": LAUNCH.launch_command,
    "tasks_per_node": max(2, LAUNCH.gpus),
    "cpus_per_task": -(-LAUNCH.cores // max(2, LAUNCH.gpus)),
}
# Memory, time and disk that jobs request, computed once per run or base; more on a retry.
RESOURCES = {
    "train": JobResources(EXPERIMENT.plan, cache(ESTIMATOR.train), "run"),
    "merge": JobResources(EXPERIMENT.plan, cache(ESTIMATOR.merge), "run"),
    "probe": JobResources(EXPERIMENT.plan, cache(ESTIMATOR.probe), "run"),
    "ntk": JobResources(EXPERIMENT.plan, cache(ESTIMATOR.ntk), "run"),
    "generate": JobResources(EXPERIMENT.plan, cache(ESTIMATOR.generate), "run"),
    "pretrain": JobResources(EXPERIMENT.plan, cache(ESTIMATOR.make_base), "base"),
}


# Tables of accuracies, each with its paired tests; tables of dynamics; ours against the paper's; the claims about
# learning dynamics; the checks of the inverses; the data and its variants; with a judge, the answers on which it and the rules differ.
TABLES = [
    *(name for table in EXPERIMENT.scored_tables for name in (table, f"{table}-paired-tests")),
    *EXPERIMENT.dynamics_tables,
    *(["against-paper"] if EXPERIMENT.published_tables else []),
    "claims",
    "checks",
    "data-sets",
    *(["disagreements"] if ANSWER_JUDGE else []),
]
# A figure is a module of r1k.report.figures with a function draw_NAME, and a caption.
FIGURES = [name for name in figure_summaries() if Path(workflow.basedir, f"workflow/report/{name}.rst").is_file()]


def any_of(names):
    """Return a regular expression that matches the names and nothing else; without names it matches nothing."""
    return "|".join(map(re.escape, names)) or "(?!)"


def rule_name(verb, run):
    return re.sub(r"\W", "_", f"{verb}_{run}")


def section(part):
    """Return a section of the config as text for a command's option, without what decides no result."""
    return json.dumps(part.model_dump(mode="json"))


def client(server):
    """Return a server's client settings: a resource, because they change no answer."""
    settings = getattr(server, "client", None)
    return section(settings) if settings else "{}"


def read_file(part):
    """Return the digest of the file that a section names, so that other content starts the rule again; else nothing."""
    path = getattr(part, "path", None)
    return file_digest(path) if path is not None and path.is_file() else ""


def judged(wildcards):
    pattern = "results/{experiment}/evaluate/{run}/{seed}/{benchmark}/verdicts.jsonl"
    return pattern.format(**wildcards) if ANSWER_JUDGE else []


def answering():
    """Return the runs that generate, by the benchmarks they answer."""
    found = {}
    for run, benchmarks in EXPERIMENT.answered.items():
        found.setdefault(tuple(benchmarks), []).append(run)
    return found.items()


def jobs_after(run):
    """Return the longest chain of training and probing jobs after a run, so that long chains start first."""
    later = [1 + jobs_after(name) for name, entry in EXPERIMENT.runs.items() if entry.parent == run]
    return max([*later, 1 if run in EXPERIMENT.probed_runs else 0])


def generation_section(repeats):
    """Return how answers are generated, without the keys of sampling if every benchmark is greedy."""
    unused = {"temperature", "top_p", "seed"} if set(repeats) == {1} else set()
    return json.dumps(EXPERIMENT.evaluate.model_dump(mode="json", exclude=unused))


def variant_section(wildcards):
    return section(EXPERIMENT.data.variants[wildcards.variant])


def variant_checks(wildcards):
    wanted = EXPERIMENT.data.variants[wildcards.variant].require
    return f"results/{wildcards.experiment}/data/checks.jsonl" if wanted else []


def variant_questions(wildcards):
    wanted = EXPERIMENT.data.variants[wildcards.variant].exclude_contaminated
    folder = f"results/{wildcards.experiment}/benchmarks"
    return [f"{folder}/{benchmark}.jsonl" for benchmark in EXPERIMENT.benchmarks] if wanted else []


def part(whole, *keys):
    """Return keys of a section as text, where a command's output depends on these alone."""
    return json.dumps(whole.model_dump(mode="json", include=set(keys)))


def drawn_by(wildcards):
    """Return what decides the draw of a data set."""
    probe = ["source", "probe_train", "probe_held_out"] if wildcards.name == "probe" else ["source"]
    return part(EXPERIMENT.data, "seed", *probe)


def base_section(wildcards):
    return section(EXPERIMENT.bases[wildcards.base])


def tokenizer_section(wildcards):
    return part(EXPERIMENT.bases[wildcards.base], "kind", "vocab_size", "seed")


def tokenizer_data(wildcards):
    wanted = EXPERIMENT.bases[wildcards.base].tokenizer_reads_data
    return f"results/{wildcards.experiment}/data/s1k.jsonl" if wanted else []


def benchmark_section(wildcards):
    return section(EXPERIMENT.benchmarks[wildcards.benchmark])


def benchmark_file(wildcards):
    return read_file(EXPERIMENT.benchmarks[wildcards.benchmark].source)


def answer_type(wildcards):
    return EXPERIMENT.benchmarks[wildcards.benchmark].answer_type


def table_section(wildcards):
    return section(resolved.table_spec(EXPERIMENT, wildcards.table))


def paired_tests_section(wildcards):
    return section(resolved.table_spec(EXPERIMENT, wildcards.table, drawn=True))


def dynamics_table_section(wildcards):
    return section(resolved.dynamics_table_spec(EXPERIMENT, wildcards.table))


def run_plan(wildcards):
    return section(plan(EXPERIMENT, wildcards.run, int(wildcards.seed)))


def run_base(wildcards):
    return f"results/{wildcards.experiment}/bases/{EXPERIMENT.base_of(wildcards.run)}"


def run_place(wildcards):
    """Return the folder of the data sets of the run's variant."""
    variant = EXPERIMENT.runs[wildcards.run].variant
    place = ["results", wildcards.experiment, "data"]
    return "/".join([*place, variant] if variant else place)


def run_data(wildcards):
    data = EXPERIMENT.runs[wildcards.run].data
    return f"{run_place(wildcards)}/{data}.jsonl" if data else []


def probe_pairs(wildcards):
    return f"{run_place(wildcards)}/probe.jsonl"


def paraphrases(wildcards):
    """Return the paraphrases of the run's probe set, if they are tracked."""
    wanted = EXPERIMENT.probe_of(wildcards.run).paraphrased
    return f"{run_place(wildcards)}/paraphrases.jsonl" if wanted else []


def run_probe(wildcards):
    """Return the probe set, if the run excludes its held-out problems."""
    run = EXPERIMENT.runs[wildcards.run]
    return probe_pairs(wildcards) if run.trained and run.exclude_held_out else []


def of_parents(wildcards, pattern):
    """Return a file of each run that this one starts from or is made of, in the config's order."""
    return [pattern.format(parent=parent, **wildcards) for parent in EXPERIMENT.runs[wildcards.run].parents]


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
    """Return run.json for a run with a direction tag; the answers of other runs do not depend on it."""
    tagged = EXPERIMENT.runs[wildcards.run].direction_tag
    return f"results/{wildcards.experiment}/runs/{wildcards.run}/{wildcards.seed}/run.json" if tagged else []


def kept_steps(wildcards):
    steps = EXPERIMENT.probed_steps(wildcards.run)
    return [f"results/{wildcards.experiment}/runs/{wildcards.run}/{wildcards.seed}/steps/{step}" for step in steps]


def of_runs(wildcards, runs, pattern):
    """Return a file of each of some runs and each seed."""
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
    """Return the adapter whose kernel is measured: the run's, or that of one of its steps."""
    step = EXPERIMENT.kernel_step(wildcards.run)
    place = f"results/{wildcards.experiment}/runs/{wildcards.run}/{wildcards.seed}"
    return f"{place}/adapter" if step is None else f"{place}/steps/{step}"


def evaluations(wildcards, tables, file, drawn=True):
    """Return a file of each run in the tables, each seed and each benchmark that they show it on."""
    return [
        f"results/{wildcards.experiment}/evaluate/{run}/{seed}/{benchmark}/{file}"
        for run, benchmarks in EXPERIMENT.shown(tables, drawn).items()
        for seed in EXPERIMENT.seeds
        for benchmark in benchmarks
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
