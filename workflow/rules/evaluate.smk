"""Evaluation. Needs adapters and benchmarks; yields answers, verdicts and scores."""


localrules:
    grade,
    score,


# A model's answers to every benchmark, by lm-eval; those of an attempt that died are not generated again.
rule generate:
    input:
        base=run_base,
        adapter=own_adapter,
        questions=expand("results/{{experiment}}/benchmarks/{benchmark}.jsonl", benchmark=EXPERIMENT.benchmarks),
    output:
        expand(
            "results/{{experiment}}/evaluate/{{run}}/{{seed}}/{benchmark}/samples.jsonl",
            benchmark=EXPERIMENT.benchmarks,
        ),
    log:
        "logs/{experiment}/generate/{run}/{seed}.log",
    conda:
        "../../envs/evaluate.yaml"
    threads: LAUNCH.cores
    resources:
        gpu=EXPERIMENT.evaluate.gpus,
        mem=ASKED["generate"].mem,
        runtime=ASKED["generate"].runtime,
        disk=ASKED["generate"].disk,
    params:
        evaluate=section(EXPERIMENT.evaluate),
        samples=[benchmark.samples for benchmark in EXPERIMENT.benchmarks.values()],
    shell:
        "r1k generate --base {input.base} --adapter {input.adapter} --questions {input.questions}"
        " --outputs {output} --samples {params.samples} --evaluate {params.evaluate:q}"
        " --state results/{wildcards.experiment}/state/generate --usage results/{wildcards.experiment}/usage >{log} 2>&1"


# A verdict for each answer, apart from generation, so that no GPU waits for it.
rule grade:
    input:
        questions="results/{experiment}/benchmarks/{benchmark}.jsonl",
        samples="results/{experiment}/evaluate/{run}/{seed}/{benchmark}/samples.jsonl",
    output:
        "results/{experiment}/evaluate/{run}/{seed}/{benchmark}/graded.jsonl",
    log:
        "logs/{experiment}/grade/{run}/{seed}/{benchmark}.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        shape=benchmark_shape,
    shell:
        "r1k grade --questions {input.questions} --samples {input.samples} --shape {params.shape}"
        " --output {output} >{log} 2>&1"


# Counts and intervals from the verdicts.
rule score:
    input:
        graded="results/{experiment}/evaluate/{run}/{seed}/{benchmark}/graded.jsonl",
    output:
        "results/{experiment}/evaluate/{run}/{seed}/{benchmark}/score.json",
    log:
        "logs/{experiment}/score/{run}/{seed}/{benchmark}.log",
    conda:
        "../../envs/cpu.yaml"
    shell:
        "r1k score --run {wildcards.run} --seed {wildcards.seed} --benchmark {wildcards.benchmark}"
        " --graded {input.graded} --output {output} >{log} 2>&1"
