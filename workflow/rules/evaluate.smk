"""Evaluation. Needs adapters and benchmarks, and a judge if one is configured; yields answers, verdicts and scores."""


# Judging waits on a server, and so stays where the network is; the others are short.
localrules:
    judge,
    grade,
    score,


for benchmarks, runs in answering():

    # A model's answers to its benchmarks, by lm-eval; those of an attempt that died are not generated again. A rule for
    # all runs that answer the same benchmarks.
    rule:
        name:
            "generate" if len(benchmarks) == len(EXPERIMENT.benchmarks) else rule_name("generate", "_".join(benchmarks))
        input:
            base=run_base,
            adapter=own_adapter,
            run=tagged_run,
            questions=expand("results/{{experiment}}/benchmarks/{benchmark}.jsonl", benchmark=benchmarks),
        output:
            expand(
                "results/{{experiment}}/evaluate/{{run}}/{{seed}}/{benchmark}/samples.jsonl",
                benchmark=benchmarks,
            ),
        log:
            "logs/{experiment}/generate/{run}/{seed}.log",
        wildcard_constraints:
            run=any_of(runs),
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
            samples=[EXPERIMENT.benchmarks[benchmark].samples for benchmark in benchmarks],
        shell:
            "r1k generate --base {input.base} --adapter {input.adapter} --run {input.run} --questions {input.questions}"
            " --outputs {output} --samples {params.samples} --evaluate {params.evaluate:q}"
            " --state results/{wildcards.experiment}/state/generate --usage results/{wildcards.experiment}/usage >{log} 2>&1"


# What a judge model says of the answers, only where one is configured; equal answers are asked about once.
rule judge:
    input:
        questions="results/{experiment}/benchmarks/{benchmark}.jsonl",
        samples="results/{experiment}/evaluate/{run}/{seed}/{benchmark}/samples.jsonl",
    output:
        "results/{experiment}/evaluate/{run}/{seed}/{benchmark}/verdicts.jsonl",
    log:
        "logs/{experiment}/judge/{run}/{seed}/{benchmark}.log",
    conda:
        "../../envs/cpu.yaml"
    resources:
        asking=asking(ANSWER_JUDGE),
    params:
        judge=section(ANSWER_JUDGE) if ANSWER_JUDGE else "",
        grader=EXPERIMENT.evaluate.grader,
        least=EXPERIMENT.evaluate.min_judged_rate,
        journal="results/journal/judge.jsonl",
    shell:
        "r1k judge --judge {params.judge:q} --client {resources.asking:q} --grader {params.grader}"
        " --min-judged-rate {params.least} --questions {input.questions} --samples {input.samples} --output {output}"
        " --journal {params.journal} >{log} 2>&1"


# A verdict for each answer, apart from generation, so that no GPU waits for it.
rule grade:
    input:
        questions="results/{experiment}/benchmarks/{benchmark}.jsonl",
        samples="results/{experiment}/evaluate/{run}/{seed}/{benchmark}/samples.jsonl",
        verdicts=judged,
    output:
        "results/{experiment}/evaluate/{run}/{seed}/{benchmark}/graded.jsonl",
    log:
        "logs/{experiment}/grade/{run}/{seed}/{benchmark}.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        shape=benchmark_shape,
        grader=EXPERIMENT.evaluate.grader,
    shell:
        "r1k grade --questions {input.questions} --samples {input.samples} --answer-type {params.shape}"
        " --grader {params.grader} --verdicts {input.verdicts} --output {output} >{log} 2>&1"


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
