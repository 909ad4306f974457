"""Merging. Needs the adapters of trained runs; writes one adapter made from several, and its step if it is probed."""

for run in EXPERIMENT.merged_runs:

    # One adapter from several, on CPUs and without the base's weights. One rule per run, as for training.
    rule:
        name:
            rule_name("merge", run)
        input:
            run="results/{experiment}/runs/{run}/{seed}/run.json",
            adapters=merged_adapters,
        output:
            adapter=directory("results/{experiment}/runs/{run}/{seed}/adapter"),
            steps=directory(
                expand(
                    "results/{{experiment}}/runs/{{run}}/{{seed}}/steps/{step}",
                    step=EXPERIMENT.probed_steps(run),
                )
            ),
        log:
            "logs/{experiment}/merge/{run}/{seed}.log",
        wildcard_constraints:
            run=re.escape(run),
        conda:
            "../../envs/train.yaml"
        threads: LAUNCH.cores
        resources:
            mem=RESOURCES["merge"].mem,
            runtime=RESOURCES["merge"].runtime,
            disk=RESOURCES["merge"].disk,
        shell:
            "r1k merge --run {input.run} --adapters {input.adapters} --output {output.adapter}"
            " --steps results/{wildcards.experiment}/runs/{wildcards.run}/{wildcards.seed}/steps"
            " --usage results/{wildcards.experiment}/usage >{log} 2>&1"
