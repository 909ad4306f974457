"""Commands of routing: what two runs answered and were measured at, by the prompt's direction."""

import argparse
from typing import Any

from r1k.cli.options import add_command, paths


def add(commands: Any) -> None:
    def samples(o: argparse.Namespace) -> None:
        from r1k.route import route_samples

        route_samples(questions=o.questions, forward=o.forward_run, reverse=o.reverse_run, output=o.output)

    command = add_command(commands, "route-samples", samples, "answers of the run of each question's direction")
    paths(command, "questions", "forward-run", "reverse-run", "output")

    def probe(o: argparse.Namespace) -> None:
        from r1k.route import route_probe

        route_probe(
            run=o.run,
            logprobs={"forward": o.forward_run, "reverse": o.reverse_run},
            tracked={"forward": o.forward_tracked, "reverse": o.reverse_tracked},
            output=o.output,
            output_tracked=o.tracked,
        )

    command = add_command(commands, "route-probe", probe, "measurements of the run of each prompt's direction")
    command.add_argument("--run", required=True, help="name of the routed run")
    paths(command, "forward-run", "reverse-run", "forward-tracked", "reverse-tracked", "output", "tracked")
