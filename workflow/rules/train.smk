"""Training. Needs bases and data sets; writes each run's adapter and the adapters of its probed steps."""


localrules:
    describe_run,


# run.json: everything that decides a run's weights, ancestry included. Its digest names the state to resume from.
rule describe_run:
    input:
        data=run_data,
        base=run_base,
        probe=run_probe,
        parent=parent_runs,
    output:
        "results/{experiment}/runs/{run}/{seed}/run.json",
    log:
        "logs/{experiment}/describe_run/{run}/{seed}.log",
    conda:
        "../../envs/train.yaml"
    params:
        plan=run_plan,
    shell:
        "r1k describe-run --plan {params.plan:q} --data {input.data} --base {input.base} --probe {input.probe}"
        " --parent {input.parent} --output {output} >{log} 2>&1"


for run in EXPERIMENT.trained_runs:

    # SFT or DPO of an adapter. One rule per run, because each keeps its own steps.
    rule:
        name:
            rule_name("train", run)
        input:
            run="results/{experiment}/runs/{run}/{seed}/run.json",
            data=run_data,
            base=run_base,
            probe=run_probe,
            parent=parent_adapter,
        output:
            adapter=directory("results/{experiment}/runs/{run}/{seed}/adapter"),
            steps=directory(
                expand(
                    "results/{{experiment}}/runs/{{run}}/{{seed}}/steps/{step}",
                    step=EXPERIMENT.probed_steps(run),
                )
            ),
        log:
            "logs/{experiment}/train/{run}/{seed}.log",
        wildcard_constraints:
            run=re.escape(run),
        priority: 1 + jobs_after(run)
        conda:
            "../../envs/train.yaml"
        threads: LAUNCH.cores
        resources:
            **(SEVERAL_NODES if LAUNCH.nodes > 1 else {}),
            nodes=LAUNCH.nodes,
            gpu=LAUNCH.nodes * LAUNCH.gpus,
            processes=LAUNCH.processes,
            launcher=LAUNCH.launch_command,
            per_device_train_batch_size=LAUNCH.per_device_train_batch_size,
            gradient_checkpointing="--gradient-checkpointing" if LAUNCH.gradient_checkpointing else "",
            checkpoint_seconds=LAUNCH.checkpoint_seconds,
            mem=RESOURCES["train"].mem,
            runtime=RESOURCES["train"].runtime,
            disk=RESOURCES["train"].disk,
        shell:
            "r1k train --run {input.run} --data {input.data} --base {input.base} --probe {input.probe}"
            " --parent {input.parent} --per-device-train-batch-size {resources.per_device_train_batch_size}"
            " {resources.gradient_checkpointing} --checkpoint-seconds {resources.checkpoint_seconds}"
            " --processes {resources.processes} --nodes {resources.nodes}"
            " --launcher {resources.launcher:q} --deepspeed envs/zero3.json"
            " --state results/{wildcards.experiment}/state/train --output {output.adapter}"
            " --steps results/{wildcards.experiment}/runs/{wildcards.run}/{wildcards.seed}/steps"
            " --usage results/{wildcards.experiment}/usage >{log} 2>&1"
