"""What reasoning direction does to fine-tuned language models, from forward data to tables and figures.

The stages are the files of workflow/rules, in the order they run; the experiments are in config/.
"""

if "experiment" not in config:

    configfile: "config/demo.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/cluster.smk"


report: "workflow/report/workflow.rst"


wildcard_constraints:
    experiment=EXPERIMENT.experiment,
    base=any_of(EXPERIMENT.bases),
    run=any_of(EXPERIMENT.runs),
    seed=any_of(map(str, EXPERIMENT.seeds)),
    benchmark=any_of(EXPERIMENT.benchmarks),
    table=any_of(EXPERIMENT.scored_tables),
    variant=any_of(EXPERIMENT.data.variants),
    place=any_of(["data", *(f"data/{variant}" for variant in EXPERIMENT.data.variants)]),


rule all:
    default_target: True
    input:
        expand(
            "results/{experiment}/tables/{table}.{format}",
            experiment=EXPERIMENT.experiment,
            table=TABLES,
            format=["md", "csv"],
        ),
        expand(
            "results/{experiment}/tables/{table}{form}.tex",
            experiment=EXPERIMENT.experiment,
            table=EXPERIMENT.scored_tables,
            form=["", "-paired-tests"],
        ),
        expand(
            "results/{experiment}/tables/{table}.tex",
            experiment=EXPERIMENT.experiment,
            table=EXPERIMENT.dynamics_tables,
        ),
        expand(
            "results/{experiment}/figures/{figure}.{format}",
            experiment=EXPERIMENT.experiment,
            figure=FIGURES,
            format=["png", "pdf"],
        ),
        expand("results/{experiment}/audit/audit.html", experiment=EXPERIMENT.experiment),
        expand("results/{experiment}/samples.html", experiment=EXPERIMENT.experiment),
        expand("results/{experiment}/report.html", experiment=EXPERIMENT.experiment),
        expand("results/{experiment}/export/r1k", experiment=EXPERIMENT.experiment),


include: "workflow/rules/data.smk"
include: "workflow/rules/invert.smk"
include: "workflow/rules/bases.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/merge.smk"
include: "workflow/rules/paraphrase.smk"
include: "workflow/rules/probe.smk"
include: "workflow/rules/ntk.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/route.smk"
include: "workflow/rules/report.smk"
