"""Probing. Needs a run's kept adapters and the probe set; writes log-probabilities of responses at each step."""


# One job per run loads the base once and scores all checkpoints; step 0 is the model before the run.
rule probe:
    input:
        run="results/{experiment}/runs/{run}/{seed}/run.json",
        base=run_base,
        start=parent_adapter,
        steps=kept_steps,
        pairs=probe_pairs,
        paraphrases=paraphrases,
    output:
        logprobs="results/{experiment}/probe/{run}/{seed}.jsonl",
        tracked="results/{experiment}/tracked/{run}/{seed}.jsonl",
        greedy="results/{experiment}/greedy/{run}/{seed}.jsonl",
    log:
        "logs/{experiment}/probe/{run}/{seed}.log",
    wildcard_constraints:
        run=any_of(EXPERIMENT.answering_runs),
    priority: 1
    conda:
        "../../envs/train.yaml"
    threads: LAUNCH.cores
    resources:
        gpu=1,
        mem=RESOURCES["probe"].mem,
        runtime=RESOURCES["probe"].runtime,
        disk=RESOURCES["probe"].disk,
        tokens_per_batch=EXPERIMENT.probe.tokens_per_batch,
    params:
        probe=probe_section,
    shell:
        "r1k probe --run {input.run} --base {input.base} --start {input.start} --pairs {input.pairs}"
        " --paraphrases {input.paraphrases}"
        " --steps results/{wildcards.experiment}/runs/{wildcards.run}/{wildcards.seed}/steps"
        " --probe {params.probe:q} --tokens-per-batch {resources.tokens_per_batch}"
        " --state results/{wildcards.experiment}/state/probe --output {output.logprobs}"
        " --tracked {output.tracked} --greedy {output.greedy} --usage results/{wildcards.experiment}/usage >{log} 2>&1"
