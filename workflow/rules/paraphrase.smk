"""Paraphrases. Needs the probe set, a base's tokenizer and a teacher; writes paraphrases of the probe's responses."""


# It needs the network.
localrules:
    paraphrase,


# Paraphrases separate a model's preference for a response's content from that for its wording.
rule paraphrase:
    input:
        pairs="results/{experiment}/{place}/probe.jsonl",
        r1k="results/{experiment}/data/r1k.jsonl",
        base=f"results/{{experiment}}/bases/{EXPERIMENT.base_of(EXPERIMENT.dynamics_runs[0])}",
    output:
        "results/{experiment}/{place}/paraphrases.jsonl",
    log:
        "logs/{experiment}/paraphrase/{place}.log",
    conda:
        "../../envs/cpu.yaml"
    resources:
        client=client(EXPERIMENT.teacher),
    params:
        teacher=section(EXPERIMENT.teacher),
        probe=part(EXPERIMENT.probe, "max_tokens", "tracked", "tracked_problems"),
        journal=JOURNAL,
    shell:
        "r1k paraphrase --teacher {params.teacher:q} --client {resources.client:q} --probe {params.probe:q}"
        " --base {input.base} --pairs {input.pairs} --r1k {input.r1k} --output {output}"
        " --journal {params.journal} >{log} 2>&1"
