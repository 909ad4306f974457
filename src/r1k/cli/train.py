"""Commands of training and probing."""

import argparse
from pathlib import Path
from typing import Any

from r1k import config
from r1k.cli.options import add_command, optional_paths, path_lists, paths, section, sections, usage
from r1k.files import file_digest, value_digest


def add(commands: Any) -> None:
    def describe(o: argparse.Namespace) -> None:
        from r1k.train.describe import RunPlan, describe_run

        plan = section(RunPlan, o.plan)
        describe_run(plan=plan, data=o.data, base=o.base, output=o.output, probe=o.probe, parents=o.parent)

    command = add_command(commands, "describe-run", describe, "run.json: all that decides a run's weights")
    sections(command, "plan")
    paths(command, "base", "output")
    optional_paths(
        command, data="the data set of a training", probe="the probe set, whose held-out problems are left out"
    )
    command.add_argument(
        "--parent", type=Path, nargs="*", default=[], metavar="PATH", help="run.json of the parent; of all, for a merge"
    )

    def train(o: argparse.Namespace) -> None:
        from r1k.train.train import train

        train(
            run=o.run,
            base=o.base,
            data=o.data,
            output=o.output,
            state=o.state,
            micro_batch_size=o.micro_batch_size,
            checkpoint_seconds=o.checkpoint_seconds,
            probe=o.probe,
            parent=o.parent,
            steps=o.steps,
            processes=o.processes,
            nodes=o.nodes,
            launcher=o.launcher,
            deepspeed=o.deepspeed,
        )

    command = add_command(commands, "train", train, "SFT or DPO of an adapter, as a run.json describes")
    usage(command)
    paths(command, "run", "base", "data", "output", "state")
    optional_paths(
        command,
        probe="the probe set, whose held-out problems are left out",
        parent="the parent's adapter, to go on from",
        steps="directory for the adapters of the measured steps",
        deepspeed="DeepSpeed config, used where there are several processes",
    )
    launch = config.Launch()
    command.add_argument(
        "--micro-batch-size", type=int, default=launch.micro_batch_size, help="examples on one device at once"
    )
    command.add_argument(
        "--checkpoint-seconds", type=float, default=launch.checkpoint_seconds, help="training that a kill may cost"
    )
    command.add_argument(
        "--processes",
        type=int,
        default=launch.processes,
        help="processes on a node; 0, the default: one for each visible GPU",
    )
    command.add_argument("--nodes", type=int, default=1, help="nodes that the job has")
    command.add_argument(
        "--launcher", nargs="?", const="", default="", help="command that starts another once on each of several nodes"
    )

    def merge(o: argparse.Namespace) -> None:
        from r1k.train.merge import merge

        merge(run=o.run, adapters=o.adapters, output=o.output, steps=o.steps)

    command = add_command(commands, "merge", merge, "one adapter from several, as a run.json describes")
    usage(command)
    paths(command, "run", "output")
    path_lists(command, "adapters")
    optional_paths(command, steps="directory for the adapter of the merge's step, where it is probed")

    def probe(o: argparse.Namespace) -> None:
        from r1k.probe.run_probe import probe
        from r1k.train.describe import read_run

        settings, run = section(config.Probe, o.probe), read_run(o.run)
        probe(
            run=run.run,
            seed=run.seed,
            base=o.base,
            start=o.start,
            steps={step: o.steps / str(step) for step in run.measured},
            epochs=run.measured,
            pairs=o.pairs,
            config=settings,
            output=o.output,
            tracked=o.tracked,
            greedy=o.greedy,
            state=_state(o, run.digest, settings, o.paraphrases),
            answers=o.state / "greedy",
            paraphrases=o.paraphrases,
            tagged=run.direction_tag,
        )

    command = add_command(commands, "probe", probe, "log-probabilities of responses at every kept checkpoint")
    usage(command)
    sections(command, "probe")
    paths(command, "run", "base", "steps", "pairs", "output", "tracked", "greedy", "state")
    optional_paths(
        command,
        start="the adapter of step 0, for a run that has a parent",
        paraphrases="the responses in the teacher's words, where they are followed",
    )

    def kernel(o: argparse.Namespace) -> None:
        from r1k.probe.ntk import ntk
        from r1k.train.describe import read_run

        spec, run = section(config.NtkSpec, o.ntk), read_run(o.run)
        ntk(
            run=run.run,
            seed=run.seed,
            base=o.base,
            adapter=o.adapter,
            pairs=o.pairs,
            spec=spec,
            output=o.output,
            state=_state(o, run.digest, spec),
        )

    command = add_command(
        commands, "ntk", kernel, "what a step on an example does to responses, by the empirical NTK and as measured"
    )
    usage(command)
    sections(command, "ntk")
    paths(command, "run", "base", "adapter", "pairs", "output", "state")


def _state(o: argparse.Namespace, run: str, settings: config.Section, further: Path | None = None) -> Path:
    """Where a run's measurements are kept until they are whole: a place for all that decides them."""
    files = [file_digest(path) for path in (o.pairs, further) if path]
    key = value_digest([run, *files, settings.model_dump(mode="json")])
    return Path(o.state / key)
