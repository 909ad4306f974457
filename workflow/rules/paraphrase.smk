"""Paraphrases. Needs the probe set, a base's tokenizer and a teacher; yields the probe's responses in its words."""


# They may wait on a server, and so stay where the network is.
localrules:
    paraphrase,


# The same steps in other words tell what a model makes of a response's sense from what it makes of its wording.
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
        asking=asking(EXPERIMENT.teacher),
    params:
        teacher=section(EXPERIMENT.teacher),
        probe=section(EXPERIMENT.probe),
        journal=JOURNAL,
    shell:
        "r1k paraphrase --teacher {params.teacher:q} --client {resources.asking:q} --probe {params.probe:q}"
        " --base {input.base} --pairs {input.pairs} --r1k {input.r1k} --output {output}"
        " --journal {params.journal} >{log} 2>&1"
