"""Inversion. Needs s1k.jsonl and a teacher; yields r1k.jsonl, and the journal of all that the teacher answered."""


# Waits on a server and computes nothing, so it stays where the network is.
localrules:
    invert,


# Each problem turned round: a reverse question, then reasoning and answer from that question alone.
rule invert:
    input:
        s1k="results/{experiment}/data/s1k.jsonl",
    output:
        "results/{experiment}/data/r1k.jsonl",
    log:
        "logs/{experiment}/invert.log",
    conda:
        "../../envs/cpu.yaml"
    resources:
        asking=asking_section,
    params:
        teacher=section(EXPERIMENT.teacher),
        journal=JOURNAL,
    shell:
        "r1k invert --teacher {params.teacher:q} --asking {resources.asking:q} --s1k {input.s1k} --output {output}"
        " --journal {params.journal} >{log} 2>&1"
