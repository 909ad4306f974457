"""Commands that make data: s1k, benchmarks, sets, variants, the audit, and r1k for others."""

import argparse
from pathlib import Path
from typing import Any

from r1k import config
from r1k.cli.options import add_command, optional_paths, path_lists, paths, section, sections, title


def add(commands: Any) -> None:
    def get_s1k(o: argparse.Namespace) -> None:
        from r1k.data.s1k import get_s1k

        get_s1k(data=section(config.Data, o.data), output=o.output)

    command = add_command(commands, "get-s1k", get_s1k, "forward problems from the world, a file or the hub")
    sections(command, "data")
    paths(command, "output")

    def get_benchmark(o: argparse.Namespace) -> None:
        from r1k.data.benchmarks import get_benchmark

        get_benchmark(name=o.name, benchmark=section(config.Benchmark, o.benchmark), output=o.output)

    command = add_command(commands, "get-benchmark", get_benchmark, "a benchmark's questions")
    command.add_argument("--name", required=True, help="the benchmark's name")
    sections(command, "benchmark")
    paths(command, "output")

    def make_variant(o: argparse.Namespace) -> None:
        from r1k.data.variants import make_variant

        variant = section(config.Variant, o.variant)
        make_variant(s1k=o.s1k, r1k=o.r1k, variant=variant, forward=o.forward, reverse=o.reverse, checks=o.checks)

    command = add_command(commands, "make-variant", make_variant, "s1k and r1k in another form, or of fewer problems")
    sections(command, "variant")
    paths(command, "s1k", "r1k", "forward", "reverse")
    optional_paths(command, checks="the verdicts on the inverses, for a variant that requires some")

    def make_set(o: argparse.Namespace) -> None:
        from r1k.data import sets

        common = {"s1k": o.s1k, "r1k": o.r1k, "output": o.output}
        whole = {"mix": sets.make_mix, "revthink": sets.make_revthink, "pairs": sets.make_pairs}
        drawn = {"half": sets.make_half, "disjoint": sets.make_disjoint, "probe": sets.make_probe}
        if o.name in whole:
            whole[o.name](**common)
        else:
            drawn[o.name](**common, data=section(config.Data, o.data))

    command = add_command(commands, "make-set", make_set, "mix, half, disjoint, revthink, pairs or probe")
    names = ["mix", "half", "disjoint", "revthink", "pairs", "probe"]
    command.add_argument("name", choices=names, help="the set to make")
    paths(command, "s1k", "r1k", "output")
    command.add_argument("--data", help="section data of the config, for half, disjoint and probe")

    def audit(o: argparse.Namespace) -> None:
        from r1k.data.audit.audit import audit

        audit(
            spec=section(config.AuditSpec, o.audit),
            s1k=o.s1k,
            r1k=o.r1k,
            pairs=o.pairs,
            base=o.base,
            questions=o.questions,
            output=o.output,
            contamination=o.contamination,
            examples=o.examples,
        )

    command = add_command(
        commands, "audit", audit, "contamination, answer formats, tells of the preferred response, grades and lengths"
    )
    sections(command, "audit")
    paths(command, "s1k", "r1k", "base", "output", "contamination", "examples")
    command.add_argument("--pairs", type=Path, required=True, metavar="PATH", help="the preferences, pairs.jsonl")
    path_lists(command, "questions")

    def export(o: argparse.Namespace) -> None:
        from r1k.publish.export import export

        export(s1k=o.s1k, r1k=o.r1k, title=o.title, license=o.license, output=o.output)

    command = add_command(commands, "export", export, "r1k as a data set's folder: Parquet and a card")
    paths(command, "s1k", "r1k", "output")
    title(command)
    command.add_argument("--license", required=True, help="licence of the data, by the hub's name: apache-2.0")

    def push(o: argparse.Namespace) -> None:
        from r1k.publish.push import push

        print(push(folder=o.folder, repo=o.repo, private=o.private))

    command = add_command(commands, "push", push, "upload an exported folder to the hub, with the token in HF_TOKEN")
    command.add_argument("--folder", type=Path, required=True, metavar="PATH", help="what `r1k export` made")
    command.add_argument("--repo", required=True, metavar="OWNER/NAME", help="the data set's repository; made if new")
    command.add_argument("--private", action="store_true", help="if it is new, show it to its owner alone")
