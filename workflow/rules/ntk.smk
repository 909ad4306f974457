"""Empirical NTK. Needs a run's adapter and the probe set; writes the effect of single steps on responses."""


# Predicted by the kernel to first order, and measured by taking the same steps, on the model that DPO starts from.
rule ntk:
    input:
        run="results/{experiment}/runs/{run}/{seed}/run.json",
        base=run_base,
        adapter=kernel_adapter,
        pairs=probe_pairs,
    output:
        "results/{experiment}/ntk/{run}/{seed}.jsonl",
    log:
        "logs/{experiment}/ntk/{run}/{seed}.log",
    wildcard_constraints:
        run=any_of(EXPERIMENT.kernel_runs),
    priority: 1
    conda:
        "../../envs/train.yaml"
    threads: LAUNCH.cores
    resources:
        gpu=1,
        mem=RESOURCES["ntk"].mem,
        runtime=RESOURCES["ntk"].runtime,
        disk=RESOURCES["ntk"].disk,
        tokens_per_batch=EXPERIMENT.probe.tokens_per_batch,
    params:
        ntk=kernel_section,
    shell:
        "r1k ntk --run {input.run} --base {input.base} --adapter {input.adapter} --pairs {input.pairs}"
        " --ntk {params.ntk:q} --tokens-per-batch {resources.tokens_per_batch}"
        " --state results/{wildcards.experiment}/state/ntk --output {output}"
        " --usage results/{wildcards.experiment}/usage >{log} 2>&1"
