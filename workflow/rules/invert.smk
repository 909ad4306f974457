"""Inversion. Needs s1k.jsonl and a teacher; writes r1k.jsonl, the checks of its inverses, and journals of answers."""


# They need the network and compute almost nothing.
localrules:
    invert,
    check_inverse,


# Two requests per problem: a reverse question, then reasoning and answer from that question alone.
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
        client=client(EXPERIMENT.teacher),
    params:
        teacher=section(EXPERIMENT.teacher),
        file=read_file(EXPERIMENT.teacher),
        journal=JOURNAL,
    shell:
        "r1k invert --teacher {params.teacher:q} --client {resources.client:q} --s1k {input.s1k} --output {output}"
        " --journal {params.journal} >{log} 2>&1"


# Whether each inverse is one: by rules, and by a judge where one is configured and rules cannot decide.
rule check_inverse:
    input:
        s1k="results/{experiment}/data/s1k.jsonl",
        r1k="results/{experiment}/data/r1k.jsonl",
    output:
        "results/{experiment}/data/checks.jsonl",
    log:
        "logs/{experiment}/check_inverse.log",
    conda:
        "../../envs/cpu.yaml"
    resources:
        client=client(EXPERIMENT.data.checks.judge),
    params:
        checks=section(EXPERIMENT.data.checks),
        journal="results/journal/judge.jsonl",
    shell:
        "r1k check-inverse --checks {params.checks:q} --client {resources.client:q} --s1k {input.s1k} --r1k {input.r1k}"
        " --output {output} --journal {params.journal} >{log} 2>&1"
