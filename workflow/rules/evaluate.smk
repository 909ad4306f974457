"""Evaluation. Needs adapters and benchmarks, and a judge if one is configured; writes answers, verdicts and scores."""


# Judging needs the network, and the others are short.
localrules:
    judge,
    grade,
    score,


for benchmarks, runs in answering():

    # A model's answers to its benchmarks, through lm-eval; a retry resumes. One rule per set of benchmarks, because
    # outputs cannot depend on wildcards otherwise.
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
            mem=RESOURCES["generate"].mem,
            runtime=RESOURCES["generate"].runtime,
            disk=RESOURCES["generate"].disk,
            batch_size=EXPERIMENT.evaluate.batch_size,
            tokens_per_batch=EXPERIMENT.evaluate.tokens_per_batch or 0,
        params:
            evaluate=generation_section([EXPERIMENT.benchmarks[name].repeats for name in benchmarks]),
            repeats=[EXPERIMENT.benchmarks[name].repeats for name in benchmarks],
        shell:
            "r1k generate --base {input.base} --adapter {input.adapter} --run {input.run} --questions {input.questions}"
            " --outputs {output} --repeats {params.repeats} --evaluate {params.evaluate:q}"
            " --batch-size {resources.batch_size} --tokens-per-batch {resources.tokens_per_batch}"
            " --state results/{wildcards.experiment}/state/generate --usage results/{wildcards.experiment}/usage >{log} 2>&1"


# A judge model's verdicts on the answers; equal answers are judged once.
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
        client=client(ANSWER_JUDGE),
    params:
        judge=section(ANSWER_JUDGE) if ANSWER_JUDGE else "",
        grader=EXPERIMENT.evaluate.grader,
        min_judged_rate=EXPERIMENT.evaluate.min_judged_rate,
        journal="results/journal/judge.jsonl",
    shell:
        "r1k judge --judge {params.judge:q} --client {resources.client:q} --grader {params.grader}"
        " --min-judged-rate {params.min_judged_rate} --questions {input.questions} --samples {input.samples} --output {output}"
        " --journal {params.journal} >{log} 2>&1"


# A verdict on each answer, apart from generation, so that no GPU waits for it.
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
        answer_type=answer_type,
        grader=EXPERIMENT.evaluate.grader,
    shell:
        "r1k grade --questions {input.questions} --samples {input.samples} --answer-type {params.answer_type}"
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
