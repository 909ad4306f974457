"""Commands that say what jobs need and what they used."""

import argparse
from pathlib import Path
from typing import Any

from r1k.cli.options import add_command, paths


def add(commands: Any) -> None:
    def used(o: argparse.Namespace) -> None:
        from r1k.usage import read_attempts, summary

        print(summary(read_attempts(o.attempts, o.since), o.planned), end="")

    command = add_command(commands, "summary", used, "what the jobs used: attempts, failures, hours, GPU-hours")
    paths(command, "attempts")
    command.add_argument("--planned", type=float, metavar="HOURS", help="the GPU-hours of `r1k plan`, to compare with")
    command.add_argument(
        "--since", default="", metavar="TIME", help="only attempts from then on: 2026-01-31T12:00, UTC"
    )

    def plan(o: argparse.Namespace) -> None:
        from r1k.plan.plan import plan

        print(plan(configfile=o.configfile, results=o.results), end="")

    command = add_command(commands, "plan", plan, "what an experiment needs, before anything is submitted")
    paths(command, "configfile")
    command.add_argument(
        "--results", type=Path, default=Path("results"), metavar="PATH", help="where finished artefacts are; results"
    )
