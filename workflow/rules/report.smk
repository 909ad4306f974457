"""Report. Needs scores, log-probabilities, audit and checks; writes tables, figures and pages."""


localrules:
    make_table,
    make_dynamics_table,
    make_checks_table,
    make_data_sets_table,
    list_disagreements,
    make_paired_tests,
    against_paper,
    draw_figure1,
    draw_figure2,
    write_samples_page,
    draw_probability_shift,
    draw_ntk,
    make_claims,
    write_report,
    write_audit_page,


# Accuracies by run and benchmark with intervals, in the paper's form.
rule make_table:
    input:
        scores=table_scores,
    output:
        markdown=report("results/{experiment}/tables/{table}.md", caption="../report/table.rst", category="Tables"),
        csv="results/{experiment}/tables/{table}.csv",
        latex="results/{experiment}/tables/{table}.tex",
    log:
        "logs/{experiment}/make_table/{table}.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        table=table_section,
    shell:
        "r1k make-table --table {params.table:q} --scores {input.scores} --markdown {output.markdown}"
        " --csv {output.csv} --latex {output.latex} >{log} 2>&1"


# Margin, displacement and probability off both directions, of probed runs.
rule make_dynamics_table:
    input:
        tracked=table_tracked,
    output:
        markdown=report(
            "results/{experiment}/tables/{table}.md", caption="../report/dynamics-table.rst", category="Tables"
        ),
        csv="results/{experiment}/tables/{table}.csv",
        latex="results/{experiment}/tables/{table}.tex",
    log:
        "logs/{experiment}/make_dynamics_table/{table}.log",
    wildcard_constraints:
        table=any_of(EXPERIMENT.dynamics_tables),
    conda:
        "../../envs/cpu.yaml"
    params:
        table=dynamics_table_section,
    shell:
        "r1k make-dynamics-table --table {params.table:q} --tracked {input.tracked} --markdown {output.markdown}"
        " --csv {output.csv} --latex {output.latex} >{log} 2>&1"


# How many inverses pass each check, by kind of problem.
rule make_checks_table:
    input:
        "results/{experiment}/data/checks.jsonl",
    output:
        markdown=report("results/{experiment}/tables/checks.md", caption="../report/checks.rst", category="Tables"),
        csv="results/{experiment}/tables/checks.csv",
    log:
        "logs/{experiment}/make_checks_table.log",
    conda:
        "../../envs/cpu.yaml"
    shell:
        "r1k make-checks-table --checks {input} --markdown {output.markdown} --csv {output.csv} >{log} 2>&1"


# Problems of the data and of its variants, and what leaves out the others.
rule make_data_sets_table:
    input:
        s1k="results/{experiment}/data/s1k.jsonl",
        r1k="results/{experiment}/data/r1k.jsonl",
        variants=expand("results/{{experiment}}/data/{variant}/s1k.jsonl", variant=EXPERIMENT.data.variants),
    output:
        markdown=report(
            "results/{experiment}/tables/data-sets.md", caption="../report/data-sets.rst", category="Tables"
        ),
        csv="results/{experiment}/tables/data-sets.csv",
    log:
        "logs/{experiment}/make_data_sets_table.log",
    conda:
        "../../envs/cpu.yaml"
    shell:
        "r1k make-data-sets-table --s1k {input.s1k} --r1k {input.r1k} --variants {input.variants}"
        " --markdown {output.markdown} --csv {output.csv} >{log} 2>&1"


# Answers on which rules and judge differ.
rule list_disagreements:
    input:
        graded=all_graded,
    output:
        markdown=report(
            "results/{experiment}/tables/disagreements.md", caption="../report/disagreements.rst", category="Tables"
        ),
        csv="results/{experiment}/tables/disagreements.csv",
    log:
        "logs/{experiment}/list_disagreements.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        redistributable=EXPERIMENT.redistributable,
    shell:
        "r1k list-disagreements --graded {input.graded} --redistributable {params.redistributable}"
        " --markdown {output.markdown} --csv {output.csv} >{log} 2>&1"


# Paired tests on the same questions, with every answer: differences, intervals, adjusted p-values.
rule make_paired_tests:
    input:
        graded=table_graded,
        contaminated="results/{experiment}/audit/contamination.jsonl",
    output:
        markdown=report(
            "results/{experiment}/tables/{table}-paired-tests.md",
            caption="../report/paired-tests.rst",
            category="Tables",
        ),
        csv="results/{experiment}/tables/{table}-paired-tests.csv",
        latex="results/{experiment}/tables/{table}-paired-tests.tex",
    log:
        "logs/{experiment}/make_paired_tests/{table}.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        table=paired_tests_section,
    shell:
        "r1k make-paired-tests --table {params.table:q} --graded {input.graded} --contaminated {input.contaminated}"
        " --markdown {output.markdown} --csv {output.csv} --latex {output.latex} >{log} 2>&1"


# Published values beside ours with a verdict for each, and a check of the paper's own arithmetic.
rule against_paper:
    input:
        scores=published_scores,
    output:
        markdown=report(
            "results/{experiment}/tables/against-paper.md", caption="../report/against-paper.rst", category="Tables"
        ),
        csv="results/{experiment}/tables/against-paper.csv",
    log:
        "logs/{experiment}/against_paper.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        tables=[section(resolved.table_spec(EXPERIMENT, table)) for table in EXPERIMENT.published_tables],
    shell:
        "r1k against-paper --tables {params.tables:q} --scores {input.scores} --markdown {output.markdown}"
        " --csv {output.csv} >{log} 2>&1"


# The pipeline with one worked example from the data.
rule draw_figure1:
    input:
        s1k="results/{experiment}/data/s1k.jsonl",
        r1k="results/{experiment}/data/r1k.jsonl",
    output:
        png=report("results/{experiment}/figures/figure1.png", caption="../report/figure1.rst", category="Figures"),
        pdf="results/{experiment}/figures/figure1.pdf",
    log:
        "logs/{experiment}/draw_figure1.log",
    conda:
        "../../envs/cpu.yaml"
    shell:
        "r1k draw-figure1 --s1k {input.s1k} --r1k {input.r1k} --png {output.png} --pdf {output.pdf} >{log} 2>&1"


# Log-probabilities of chosen and rejected responses over the epochs of SFT and DPO.
rule draw_figure2:
    input:
        logprobs=dynamics_logprobs,
    output:
        png=report("results/{experiment}/figures/figure2.png", caption="../report/figure2.rst", category="Figures"),
        pdf="results/{experiment}/figures/figure2.pdf",
        csv="results/{experiment}/figures/figure2.csv",
    log:
        "logs/{experiment}/draw_figure2.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        dynamics=section(resolved.dynamics_spec(EXPERIMENT)),
    shell:
        "r1k draw-figure2 --dynamics {params.dynamics:q} --logprobs {input.logprobs} --png {output.png}"
        " --pdf {output.pdf} --csv {output.csv} >{log} 2>&1"


# Which responses and tokens gained or lost probability over SFT and DPO.
rule draw_probability_shift:
    input:
        tracked=dynamics_tracked,
    output:
        png=report(
            "results/{experiment}/figures/probability-shift.png",
            caption="../report/probability-shift.rst",
            category="Figures",
        ),
        pdf="results/{experiment}/figures/probability-shift.pdf",
        csv="results/{experiment}/figures/probability-shift.csv",
    log:
        "logs/{experiment}/draw_probability_shift.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        dynamics=section(resolved.dynamics_spec(EXPERIMENT)),
    shell:
        "r1k draw-probability-shift --dynamics {params.dynamics:q} --tracked {input.tracked} --png {output.png}"
        " --pdf {output.pdf} --csv {output.csv} >{log} 2>&1"


# The effect of steps on forward and reverse examples on each other's responses, by the empirical NTK.
rule draw_ntk:
    input:
        influences=expand(
            "results/{{experiment}}/ntk/{run}/{seed}.jsonl",
            run=EXPERIMENT.kernel_runs,
            seed=EXPERIMENT.seeds,
        ),
    output:
        png=report("results/{experiment}/figures/ntk.png", caption="../report/ntk.rst", category="Figures"),
        pdf="results/{experiment}/figures/ntk.pdf",
        csv="results/{experiment}/figures/ntk.csv",
    log:
        "logs/{experiment}/draw_ntk.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        dynamics=section(resolved.dynamics_spec(EXPERIMENT)),
    shell:
        "r1k draw-ntk --dynamics {params.dynamics:q} --influences {input.influences} --png {output.png}"
        " --pdf {output.pdf} --csv {output.csv} >{log} 2>&1"


# The paper's claims about learning dynamics, each with a verdict.
rule make_claims:
    input:
        tracked=dynamics_tracked,
    output:
        markdown=report("results/{experiment}/tables/claims.md", caption="../report/claims.rst", category="Tables"),
        csv="results/{experiment}/tables/claims.csv",
    log:
        "logs/{experiment}/make_claims.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        dynamics=section(resolved.dynamics_spec(EXPERIMENT)),
    shell:
        "r1k make-claims --dynamics {params.dynamics:q} --tracked {input.tracked} --markdown {output.markdown}"
        " --csv {output.csv} >{log} 2>&1"


# Every answer with its question and verdict, filtered, and side by side for two runs.
rule write_samples_page:
    input:
        questions=expand("results/{{experiment}}/benchmarks/{benchmark}.jsonl", benchmark=EXPERIMENT.benchmarks),
        samples=all_samples,
        graded=all_graded,
    output:
        "results/{experiment}/samples.html",
    log:
        "logs/{experiment}/write_samples_page.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        redistributable=EXPERIMENT.redistributable,
    shell:
        "r1k write-samples-page --title {wildcards.experiment} --questions {input.questions} --samples {input.samples}"
        " --graded {input.graded} --redistributable {params.redistributable} --output {output} >{log} 2>&1"


# All tables and figures on one page that opens without a server.
rule write_report:
    input:
        tables=expand("results/{{experiment}}/tables/{table}.md", table=TABLES),
        figures=expand("results/{{experiment}}/figures/{figure}.png", figure=FIGURES),
        samples="results/{experiment}/samples.html",
    output:
        "results/{experiment}/report.html",
    log:
        "logs/{experiment}/write_report.log",
    conda:
        "../../envs/cpu.yaml"
    params:
        description=EXPERIMENT.description,
    shell:
        "r1k write-report --title {wildcards.experiment} --description {params.description:q}"
        " --tables {input.tables} --figures {input.figures} --samples {input.samples} --output {output} >{log} 2>&1"


# The audit as tables and plots.
rule write_audit_page:
    input:
        summary="results/{experiment}/audit/audit.json",
        contamination="results/{experiment}/audit/contamination.jsonl",
        examples="results/{experiment}/audit/examples.jsonl",
    output:
        report("results/{experiment}/audit/audit.html", caption="../report/audit.rst", category="Data"),
    log:
        "logs/{experiment}/write_audit_page.log",
    conda:
        "../../envs/cpu.yaml"
    shell:
        "r1k write-audit-page --title {wildcards.experiment} --summary {input.summary}"
        " --contamination {input.contamination} --examples {input.examples} --output {output} >{log} 2>&1"
