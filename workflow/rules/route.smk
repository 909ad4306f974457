"""Routing. Needs the answers and log-probabilities of two runs; writes those of the run that routes between them."""


localrules:
    route_samples,
    route_probe,


# Takes each answer from the run of the question's direction; nothing is generated again.
rule route_samples:
    input:
        questions="results/{experiment}/benchmarks/{benchmark}.jsonl",
        runs=routed_samples,
    output:
        "results/{experiment}/evaluate/{run}/{seed}/{benchmark}/samples.jsonl",
    log:
        "logs/{experiment}/route_samples/{run}/{seed}/{benchmark}.log",
    wildcard_constraints:
        run=any_of(EXPERIMENT.routed_runs),
    conda:
        "../../envs/cpu.yaml"
    shell:
        "r1k route-samples --questions {input.questions} --forward-run {input.runs[0]} --reverse-run {input.runs[1]}"
        " --output {output} >{log} 2>&1"


# Takes log-probabilities from the run of the prompt's direction, at its first and last step.
rule route_probe:
    input:
        logprobs=routed_logprobs,
        tracked=routed_tracked,
    output:
        logprobs="results/{experiment}/probe/{run}/{seed}.jsonl",
        tracked="results/{experiment}/tracked/{run}/{seed}.jsonl",
    log:
        "logs/{experiment}/route_probe/{run}/{seed}.log",
    wildcard_constraints:
        run=any_of(EXPERIMENT.routed_runs),
    conda:
        "../../envs/cpu.yaml"
    shell:
        "r1k route-probe --run {wildcards.run} --forward-run {input.logprobs[0]} --reverse-run {input.logprobs[1]}"
        " --forward-tracked {input.tracked[0]} --reverse-tracked {input.tracked[1]} --output {output.logprobs}"
        " --tracked {output.tracked} >{log} 2>&1"
