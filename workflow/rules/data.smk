"""Data. Needs the config; writes s1k.jsonl, benchmarks, the data sets made from s1k and r1k, their audit and export."""


localrules:
    get_s1k,
    get_benchmark,
    make_variant,
    make_set,
    make_drawn_set,
    audit,
    export_r1k,


# Forward problems, from the embedded world, a file or the hub.
rule get_s1k:
    output:
        "results/{experiment}/data/s1k.jsonl",
    log:
        "logs/{experiment}/get_s1k.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        data=part(EXPERIMENT.data, "source", "filter_by_grade"),
        file=read_file(EXPERIMENT.data.source),
    shell:
        "r1k get-s1k --data {params.data:q} --output {output} >{log} 2>&1"


# A benchmark's questions, with their options in a recorded order.
rule get_benchmark:
    output:
        "results/{experiment}/benchmarks/{benchmark}.jsonl",
    log:
        "logs/{experiment}/get_benchmark/{benchmark}.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        benchmark=benchmark_section,
        file=benchmark_file,
    shell:
        "r1k get-benchmark --name {wildcards.benchmark} --benchmark {params.benchmark:q} --output {output} >{log} 2>&1"


# Both directions in another form, or of fewer problems; data sets made from them lie beside them.
rule make_variant:
    input:
        s1k="results/{experiment}/data/s1k.jsonl",
        r1k="results/{experiment}/data/r1k.jsonl",
        checks=variant_checks,
        questions=variant_questions,
    output:
        s1k="results/{experiment}/data/{variant}/s1k.jsonl",
        r1k="results/{experiment}/data/{variant}/r1k.jsonl",
    log:
        "logs/{experiment}/make_variant/{variant}.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        variant=variant_section,
    shell:
        "r1k make-variant --variant {params.variant:q} --s1k {input.s1k} --r1k {input.r1k} --checks {input.checks}"
        " --questions {input.questions} --forward {output.s1k} --reverse {output.r1k} >{log} 2>&1"


# Data sets of all problems: the union of both directions, RevThink's tasks, the preference pairs.
rule make_set:
    input:
        s1k="results/{experiment}/{place}/s1k.jsonl",
        r1k="results/{experiment}/{place}/r1k.jsonl",
    output:
        "results/{experiment}/{place}/{name}.jsonl",
    log:
        "logs/{experiment}/make_set/{place}/{name}.log",
    wildcard_constraints:
        name="mix|revthink|pairs",
    conda:
        "../../envs/cpu.yaml"
    shell:
        "r1k make-set {wildcards.name} --s1k {input.s1k} --r1k {input.r1k} --output {output} >{log} 2>&1"


# Data sets that a seed draws: half of the problems in both directions, or in one each, and the probe set.
rule make_drawn_set:
    input:
        s1k="results/{experiment}/{place}/s1k.jsonl",
        r1k="results/{experiment}/{place}/r1k.jsonl",
    output:
        "results/{experiment}/{place}/{name}.jsonl",
    log:
        "logs/{experiment}/make_set/{place}/{name}.log",
    wildcard_constraints:
        name="half|disjoint|probe",
    conda:
        "../../envs/cpu.yaml"
    params:
        data=drawn_by,
    shell:
        "r1k make-set {wildcards.name} --s1k {input.s1k} --r1k {input.r1k} --data {params.data:q}"
        " --output {output} >{log} 2>&1"


# Properties of the data that could explain a result: contamination, formats, separability of y+ and y-, lengths.
rule audit:
    input:
        s1k="results/{experiment}/data/s1k.jsonl",
        r1k="results/{experiment}/data/r1k.jsonl",
        pairs="results/{experiment}/data/pairs.jsonl",
        base=expand("results/{{experiment}}/bases/{base}", base=EXPERIMENT.audited_base),
        questions=expand("results/{{experiment}}/benchmarks/{benchmark}.jsonl", benchmark=EXPERIMENT.benchmarks),
    output:
        summary="results/{experiment}/audit/audit.json",
        contamination="results/{experiment}/audit/contamination.jsonl",
        examples="results/{experiment}/audit/examples.jsonl",
    log:
        "logs/{experiment}/audit.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        audit=section(resolved.audit_spec(EXPERIMENT)),
    shell:
        "r1k audit --audit {params.audit:q} --s1k {input.s1k} --r1k {input.r1k} --pairs {input.pairs}"
        " --base {input.base} --questions {input.questions} --output {output.summary}"
        " --contamination {output.contamination} --examples {output.examples} >{log} 2>&1"


# Both directions as a data set for publication, with what was checked; `r1k push` uploads it, no rule does.
rule export_r1k:
    input:
        s1k="results/{experiment}/data/s1k.jsonl",
        r1k="results/{experiment}/data/r1k.jsonl",
        checks="results/{experiment}/data/checks.jsonl",
        audit="results/{experiment}/audit/audit.json",
        variants=expand("results/{{experiment}}/data/{variant}/s1k.jsonl", variant=EXPERIMENT.data.variants),
    output:
        directory("results/{experiment}/export/r1k"),
    log:
        "logs/{experiment}/export_r1k.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        license=EXPERIMENT.data.export_license,
    shell:
        "r1k export --s1k {input.s1k} --r1k {input.r1k} --title {wildcards.experiment} --license {params.license:q}"
        " --checks {input.checks} --audit {input.audit} --variants {input.variants} --output {output} >{log} 2>&1"
